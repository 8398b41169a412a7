package app

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net/url"
	"path/filepath"

	"golang.org/x/sync/errgroup"

	"keyfeed/ingest"
	"keyfeed/internal/bridge"
	"keyfeed/internal/broker"
	"keyfeed/internal/config"
	"keyfeed/internal/status"
)

// Run carries changes until ctx ends and everything in flight is delivered (nil), or an error says why it cannot go on.
// stdout is for the sink of that name, stderr for logs and the progress bar.
func Run(ctx context.Context, cfg config.Config, stdout, stderr io.Writer) (err error) {
	limitMemory()
	log := NewLogger(&cfg, stderr)
	for _, w := range cfg.Warnings() {
		log.Warn("a setting has no effect", "reason", w)
	}
	if !cfg.InMemory() {
		lock, lerr := bridge.LockDir(cfg.DataDir)
		if lerr != nil {
			return lerr
		}
		defer func() { err = errors.Join(err, lock.Unlock()) }()
	}
	// The broker outlives the bridge, which delivers to it while it stops.
	outer, stop := context.WithCancelCause(context.WithoutCancel(ctx))
	defer stop(nil)
	if embedded(&cfg) {
		wait, berr := startBroker(outer, stop, &cfg, log)
		if berr != nil {
			return berr
		}
		defer func() {
			stop(nil)
			err = errors.Join(err, wait())
		}()
	}
	return carry(ctx, outer, &cfg, stdout, stderr, log)
}

// carry runs the bridge and what shows its state, until ctx ends or one of them fails. It ends at once when the broker
// ends outer.
func carry(ctx, outer context.Context, cfg *config.Config, stdout, stderr io.Writer, log *slog.Logger) error {
	bc, err := bridgeConfig(cfg, log)
	if err != nil {
		return err
	}
	sink, err := NewSink(cfg, stdout, log)
	if err != nil {
		return err
	}
	b := bridge.New(bc, sink)
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	defer context.AfterFunc(outer, func() { cancel(context.Cause(outer)) })()

	// The pages and the progress show the bridge until it has ended.
	around, end := context.WithCancel(context.WithoutCancel(ctx))
	defer end()
	g, gctx := errgroup.WithContext(around)
	g.Go(func() error { return status.New(cfg.HTTPAddr, reporter{b}, log).Run(gctx) })
	g.Go(func() error { return newProgress(b, stderr, log).Run(gctx) })
	if addr := cfg.Source.RefuseFailoverAddr; addr != "" {
		g.Go(func() error { return ingest.NewRefuser(addr, log).Run(gctx) })
	}
	defer context.AfterFunc(gctx, func() { cancel(context.Cause(gctx)) })()

	log.Info("keyfeed is starting", "source", bc.Source.Target(), "name", bc.Name, "sink", cfg.Sink, "data_dir", cfg.DataDir)
	err = b.Run(ctx)
	if cause := context.Cause(ctx); err == nil && gctx.Err() != nil && cause != nil {
		err = cause
	}
	end()
	if werr := g.Wait(); !errors.Is(err, werr) { // it may be the very reason of the end
		err = errors.Join(err, werr)
	}
	log.Info("keyfeed has stopped", "position", b.Status().Position)
	return err
}

// startBroker starts the embedded server and points cfg at it. wait returns when it has ended, which outer's end brings
// about; a server that fails ends outer.
func startBroker(outer context.Context, stop context.CancelCauseFunc, cfg *config.Config, log *slog.Logger) (wait func() error, err error) {
	b, err := broker.New(broker.Config{
		Addr: cfg.NATS.EmbeddedAddr, StoreDir: filepath.Join(cfg.DataDir, "nats"), Logger: log,
	})
	if err != nil {
		return nil, fmt.Errorf("%w: %w", bridge.ErrOperator, err)
	}
	done := make(chan error, 1)
	go func() {
		err := b.Run(outer)
		if err != nil {
			stop(err)
		}
		done <- err
	}()
	select {
	case <-b.Ready():
	case err := <-done:
		return nil, err
	}
	u, err := url.Parse(b.URL())
	if err != nil {
		return nil, fmt.Errorf("reading the embedded server's address: %w", err)
	}
	cfg.NATS.EmbeddedAddr = u.Host
	return func() error { return <-done }, nil
}

// reporter is a bridge as the status pages see it.
type reporter struct{ *bridge.Bridge }

// Status implements status.Reporter.
func (r reporter) Status() any { return r.Bridge.Status() }
