package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"time"

	"keyfeed/internal/app"
	"keyfeed/internal/bridge"
	"keyfeed/internal/config"
)

// positionTimeout bounds opening the sink.
const positionTimeout = 30 * time.Second

func runPosition(ctx context.Context, p process) error {
	if len(p.args) != 1 {
		return &usageError{"say what to do: keyfeed position show, or keyfeed position reset"}
	}
	cfg, err := app.Load(p.environ)
	if err != nil {
		return err
	}
	switch p.args[0] {
	case "show":
		return showPosition(ctx, &cfg, p.stdout)
	case "reset":
		return resetPosition(&cfg, p.stdout)
	default:
		return &usageError{fmt.Sprintf("position knows show and reset, not %q", p.args[0])}
	}
}

// showPosition asks a running keyfeed's sink without taking it over.
func showPosition(ctx context.Context, cfg *config.Config, w io.Writer) error {
	ctx, cancel := context.WithTimeout(ctx, positionTimeout)
	defer cancel()
	pos, _, err := app.Look(ctx, *cfg, slog.New(slog.DiscardHandler))
	if err != nil {
		return err
	}
	_, err = fmt.Fprintln(w, pos)
	return err
}

// resetPosition makes the next start ask for a new snapshot.
func resetPosition(cfg *config.Config, w io.Writer) (err error) {
	if cfg.InMemory() {
		return &usageError{"with KEYFEED_DATA_DIR=memory there is nothing to reset: start with KEYFEED_SNAPSHOT_MODE=always"}
	}
	lock, err := bridge.LockDir(cfg.DataDir)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, lock.Unlock()) }()
	if err := bridge.RequestSnapshot(cfg.DataDir, cfg.Source.Name); err != nil {
		return err
	}
	_, err = fmt.Fprintln(w, "the next start asks the source for a new snapshot, which becomes a new generation in the sink")
	return err
}
