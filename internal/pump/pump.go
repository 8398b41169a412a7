package pump

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"time"

	"keyfeed/internal/change"
	"keyfeed/sinks"
)

// Config is how a pump behaves. Zero values take the defaults named.
type Config struct {
	HeartbeatInterval time.Duration                // 10s
	HeartbeatBytes    int64                        // 1 MiB
	OpenTimeout       time.Duration                // for one Open of the sink, 60s
	FlushTimeout      time.Duration                // for what is in flight at the end, 25s
	BackoffMin        time.Duration                // before the sink is opened again, 100ms
	BackoffMax        time.Duration                // 10s
	Keys              func() (n int64, known bool) // of the source, for heartbeats; nil = not known
	ForgetLost        bool                         // a sink that lost what it had confirmed gives its position up instead of ending Run
	Logger            *slog.Logger
}

func (c *Config) setDefaults() {
	for _, d := range []struct {
		field *time.Duration
		value time.Duration
	}{
		{&c.HeartbeatInterval, 10 * time.Second},
		{&c.OpenTimeout, time.Minute},
		{&c.FlushTimeout, 25 * time.Second},
		{&c.BackoffMin, 100 * time.Millisecond},
		{&c.BackoffMax, 10 * time.Second},
	} {
		if *d.field <= 0 {
			*d.field = d.value
		}
	}
	if c.HeartbeatBytes <= 0 {
		c.HeartbeatBytes = 1 << 20
	}
	if c.Logger == nil {
		c.Logger = slog.New(slog.DiscardHandler)
	}
}

// Pump moves events from a planner's feeds to one sink.
type Pump struct {
	cfg     Config
	sink    sinks.Sink
	planner Planner
	shared  progress
	pool    *batchPool
}

// New returns a pump that has not started. It owns neither the sink nor the planner.
func New(sink sinks.Sink, planner Planner, cfg Config) *Pump {
	cfg.setDefaults()
	return &Pump{cfg: cfg, sink: sink, planner: planner, pool: newBatchPool()}
}

// Published is the position up to which everything is stored in the sink, bytes that gave no event included. Any
// goroutine may call it.
func (p *Pump) Published() change.Position { return p.shared.published(p.sink.Confirmed()) }

// Want asks for a heartbeat as soon as the feed has passed offset, so that Published reaches it soon even when the
// bytes up to it gave no event. Any goroutine may call it.
func (p *Pump) Want(offset int64) { p.shared.setWant(offset) }

// Run moves events until ctx ends, the planner says that nothing will follow (both nil, after a flush), or an error
// needs an operator. It opens the sink again, with backoff, after every error that can heal. When it returns, none of
// its goroutines is left; the sink is closed.
func (p *Pump) Run(ctx context.Context) (err error) {
	defer func() { err = errors.Join(err, p.closeSink()) }()
	back := newBackoff(&p.cfg)
	failures := 0
	for {
		start := time.Now()
		progress, err := p.session(ctx, failures)
		if progress { // opening alone proves nothing: a full broker opens well and takes nothing
			failures = 0
			back.reset()
		}
		if err == nil || ctx.Err() != nil {
			return err
		}
		if _, ok := errors.AsType[*sinkError](err); !ok || !transient(err) {
			if err = p.forgive(ctx, err); err != nil {
				return err
			}
			continue
		}
		failures++
		wait := back.next()
		p.cfg.Logger.Warn("sink failed, will open it again", "error", err, "failures", failures,
			"after_ms", time.Since(start).Milliseconds(), "backoff_ms", wait.Milliseconds())
		if !pause(ctx, wait) {
			return nil
		}
	}
}

// forgive returns nil when err is a loss that the configuration lets pass: the sink then holds no position any more, and
// the planner decides what to publish into it. Killed before that, the next process finds the same loss.
func (p *Pump) forgive(ctx context.Context, err error) error {
	f, ok := p.sink.(sinks.Forgetter)
	if !ok || !p.cfg.ForgetLost || !errors.Is(err, sinks.ErrLost) {
		return err
	}
	p.cfg.Logger.Warn("the sink lost what it had confirmed; giving its position up to publish everything anew", "error", err)
	ctx, cancel := context.WithTimeout(ctx, p.cfg.OpenTimeout)
	defer cancel()
	if ferr := f.Forget(ctx); ferr != nil {
		return errors.Join(err, fmt.Errorf("giving the sink's position up: %w", ferr))
	}
	return nil
}

func (p *Pump) closeSink() error {
	if err := p.sink.Close(); err != nil {
		return fmt.Errorf("closing the sink: %w", err)
	}
	return nil
}

// session runs from one Open of the sink to its first error. It reports whether the sink confirmed anything; failures
// is how many sessions before it did not.
func (p *Pump) session(ctx context.Context, failures int) (progress bool, err error) {
	pos, err := p.open(ctx)
	if ctx.Err() != nil {
		return false, nil // stopped before the sink was open: nothing is in flight
	}
	if err != nil {
		return false, &sinkError{fmt.Errorf("opening: %w", err)}
	}
	p.shared.report(pos, change.Position{})
	p.planner.Opened(pos)
	p.planner.Confirmed(pos)

	sctx, cancel := context.WithCancelCause(ctx)
	watched := make(chan struct{})
	go func() {
		defer close(watched)
		p.watch(sctx, cancel, pos, failures)
	}()

	dctx, release := grace(ctx, p.cfg.FlushTimeout)
	defer release()
	w := &writer{ctx: dctx, sink: p.sink, cfg: &p.cfg, shared: &p.shared, pool: p.pool}
	if l, ok := p.sink.(sinks.Limiter); ok {
		w.max = l.MaxRecord()
	}
	err = p.feed(sctx, w, pos)
	if failed, ok := errors.AsType[*sinkError](context.Cause(sctx)); ok {
		err = failed // the watcher saw the sink fail; what the feed returned is only a consequence
	}
	// The watcher ends first, so that drain alone reports confirmations from here on.
	cancel(nil)
	<-watched
	if ctx.Err() != nil || err == nil {
		return true, p.drain(dctx, w) // a stop, or the end of everything: what is in flight is still delivered
	}
	return p.sink.Confirmed() != pos, err
}

func (p *Pump) open(ctx context.Context) (change.Position, error) {
	octx, cancel := context.WithTimeout(ctx, p.cfg.OpenTimeout)
	defer cancel()
	return p.sink.Open(octx)
}

// feed runs feeds one after the other until one fails or nothing follows (nil).
func (p *Pump) feed(ctx context.Context, w *writer, pos change.Position) error {
	for {
		f, err := p.planner.Next(ctx, pos)
		if errors.Is(err, io.EOF) {
			return nil
		}
		if err != nil {
			return fmt.Errorf("planning after %s: %w", pos, err)
		}
		w.begin(pos, f.Encoder())
		err = f.Run(ctx, w)
		if cerr := f.Close(); cerr != nil && err == nil {
			err = fmt.Errorf("closing the feed: %w", cerr)
		}
		if err != nil && !errors.Is(err, ErrReplan) {
			return err
		}
		if err := w.send(); err != nil {
			return err
		}
		if err == nil {
			pos = w.passed
		} else {
			pos = w.queued
		}
	}
}

// watch passes confirmations on and ends the session, which began at opened, when the sink fails.
func (p *Pump) watch(ctx context.Context, cancel context.CancelCauseFunc, opened change.Position, failures int) {
	for {
		select {
		case <-p.sink.Updates():
			pos := p.sink.Confirmed()
			if failures > 0 && pos != opened {
				p.cfg.Logger.Info("sink is back", "failures", failures, "position", pos.String())
				failures = 0
			}
			p.planner.Confirmed(pos)
			if err := p.sink.Err(); err != nil {
				cancel(&sinkError{err})
				return
			}
		case <-ctx.Done():
			p.planner.Confirmed(p.sink.Confirmed())
			return
		}
	}
}

// drain delivers what the writer and the sink still hold, until ctx ends.
func (p *Pump) drain(ctx context.Context, w *writer) error {
	if w.enc != nil && w.queued.Compare(w.passed) < 0 && !w.queued.InUnit() && !w.passed.InSnapshot() {
		if err := w.heartbeat(); err != nil {
			return err
		}
	}
	if err := w.send(); err != nil {
		return fmt.Errorf("delivering the last batch: %w", err)
	}
	if err := p.sink.Flush(ctx); err != nil {
		return fmt.Errorf("waiting for the last confirmations: %w", err)
	}
	p.planner.Confirmed(p.sink.Confirmed())
	return nil
}
