// Package check connects to both ends of a configuration and prints what it finds. It changes nothing: no replication
// is started, no stream or topic is made, no position is moved.
package check

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"

	"keyfeed/ingest"
	"keyfeed/internal/app"
	"keyfeed/internal/config"
)

// Run prints a report on both ends to w. The error joins what is wrong with either.
func Run(ctx context.Context, cfg *config.Config, w io.Writer) error {
	for _, warning := range cfg.Warnings() {
		fmt.Fprintln(w, "note:   "+warning)
	}
	return errors.Join(source(ctx, cfg, w), sink(ctx, cfg, w))
}

func source(ctx context.Context, cfg *config.Config, w io.Writer) error {
	c, err := app.SourceConfig(cfg, nil)
	if err != nil {
		return err
	}
	fmt.Fprintf(w, "source: %s\n", c.Target())
	r, err := ingest.Probe(ctx, c)
	if err != nil {
		return fmt.Errorf("source: %w", err)
	}
	s := &r.Server
	line := func(format string, args ...any) { fmt.Fprintf(w, "        "+format+"\n", args...) }
	line("%s %s, %s, %s", s.Kind, s.Version, s.Mode, s.Role)
	if s.Role == "slave" {
		line("link to its master is up: %v", s.MasterLinkUp)
	}
	line("%d keys", s.Keys)
	line("replication id %s, offset %d", s.ReplID, s.Offset)
	if s.BacklogActive {
		line("a partial resync is served from offset %d on (%d bytes held, %d at most)", s.BacklogFirst, s.BacklogBytes, s.BacklogSize)
	} else {
		line("no backlog yet: the first replica makes it")
	}
	line("PSYNC %s, REPLCONF %s", r.PSYNC, r.REPLCONF)
	for _, a := range r.Advice {
		line("advice: %s", a)
	}
	if r.PSYNC == ingest.AccessDenied || r.REPLCONF == ingest.AccessDenied {
		return fmt.Errorf("source: %w: replication is not permitted, see the advice above", ingest.ErrOperator)
	}
	return nil
}

func sink(ctx context.Context, cfg *config.Config, w io.Writer) error {
	if cfg.Sink == config.SinkNATS && cfg.NATS.URL.Reveal() == config.NATSEmbedded {
		fmt.Fprintf(w, "sink:   embedded NATS on %s, storing in %s; it starts with keyfeed\n", cfg.NATS.EmbeddedAddr, cfg.DataDir)
		return nil
	}
	pos, about, err := app.Look(ctx, *cfg, slog.New(slog.DiscardHandler))
	if err != nil {
		return fmt.Errorf("sink %s: %w", cfg.Sink, err)
	}
	if about == "" {
		about = cfg.Sink
	}
	fmt.Fprintf(w, "sink:   %s\n        position %s\n", about, pos)
	return nil
}
