package ingest

import (
	"context"
	"encoding/hex"
	"errors"
	"fmt"
	"log/slog"
	"time"

	"golang.org/x/sync/errgroup"
)

// Replica follows one server. Make it with [New], start it with Run.
type Replica struct {
	cfg    Config
	store  Store
	log    *slog.Logger
	status status
	report reporter
	back   backoff
}

// New makes a Replica that keeps what it receives in store. It neither dials nor starts anything.
func New(cfg Config, store Store) (*Replica, error) {
	if err := cfg.Validate(); err != nil {
		return nil, fmt.Errorf("configuring the source: %w", err)
	}
	cfg = cfg.withDefaults()
	r := &Replica{cfg: cfg, store: store, log: cfg.Logger}
	r.report.log = cfg.Logger
	r.back.cfg = &r.cfg
	r.status.s.State = StateStopped
	return r, nil
}

// Status may be called by any goroutine at any time.
func (r *Replica) Status() Status { return r.status.get() }

// Run follows the server until ctx ends, and then returns nil. What time may heal is retried inside; Run returns an
// error only when an operator is needed (wrapping [ErrOperator]) or the Store failed (see [Store]). All its goroutines
// have ended when it returns. It is called once.
func (r *Replica) Run(ctx context.Context) error {
	defer r.status.enter(StateStopped)
	for {
		r.status.enter(StateBlocked)
		resume, err := r.store.Resume(ctx)
		if err == nil {
			err = r.attempt(ctx, resume)
		} else {
			err = &storeError{"resuming", err}
		}
		var wait time.Duration
		if wait, err = r.after(ctx, err); err != nil || stopped(ctx) {
			return err
		}
		r.status.enter(StateBackoff)
		timer := time.NewTimer(wait)
		select {
		case <-ctx.Done():
			timer.Stop()
			return nil
		case <-timer.C:
		}
	}
}

// after decides what the end of an attempt means: an error to return, or how long to wait. It is the one place that
// tells what is final.
func (r *Replica) after(ctx context.Context, err error) (time.Duration, error) {
	if stopped(ctx) {
		return 0, nil // what the link said while it was cut means nothing
	}
	ended := linkEnd{}
	if e, ok := errors.AsType[*linkError](err); ok {
		ended, err = e.linkEnd, e.err
	}
	r.status.update(func(s *Status) { s.Failures++; s.LastErr = err.Error() })
	if desync, ok := errors.AsType[*DesyncError](err); ok {
		r.status.update(func(s *Status) { s.Desyncs++ })
		// The one place where bytes of the stream are logged: without them nobody could tell what went wrong.
		r.log.Error("the stream is out of step, a full resync follows", "offset", desync.Offset, "expected", desync.Err.Error(),
			"last_bytes_hex", hex.EncodeToString(desync.Context))
		if err := r.store.Desync(ctx, desync); err != nil && !errors.Is(err, ErrRetry) {
			return 0, fmt.Errorf("declaring the stream lost: %w", err)
		}
		ended.full = true // and the longer backoff: what comes next costs the source a fork
	}
	_, isStore := errors.AsType[*storeError](err)
	switch {
	case errors.Is(err, ErrRetry):
	case isStore, errors.Is(err, ErrOperator):
		return 0, err
	}
	if errors.Is(err, ErrBlocked) {
		return min(blockedPause, r.cfg.BackoffMin), nil // the store has said why it is full
	}
	wait := r.back.next(ended.streamed, ended.full)
	r.report.failed(err, wait)
	return wait, nil
}

// blockedPause keeps a store that says it has room, and then has none, from spinning.
const blockedPause = 100 * time.Millisecond

func stopped(ctx context.Context) bool { return ctx.Err() != nil }

// linkEnd is what the backoff wants to know about a link that has ended.
type linkEnd struct {
	streamed time.Duration // how long it streamed
	full     bool          // it had a full resync
}

// linkError carries that beside the cause.
type linkError struct {
	linkEnd
	err error
}

func (e *linkError) Error() string { return e.err.Error() }
func (e *linkError) Unwrap() error { return e.err }

// attempt is one connection, from dial to its end. It returns only errors, and when all its goroutines have ended.
func (r *Replica) attempt(ctx context.Context, resume Resume) error {
	r.status.enter(StateConnecting)
	dialing, cancel := context.WithTimeout(ctx, r.cfg.DialTimeout)
	conn, err := r.cfg.Dial(dialing)
	cancel()
	if err != nil {
		if _, ok := errors.AsType[*HandshakeError](err); !ok {
			err = &HandshakeError{Step: stepDial, Err: err}
		}
		return err
	}
	r.status.update(func(s *Status) { s.Connects++ })
	s := &session{r: r, link: newLink(conn, &r.status.lastByte)}
	s.ack = newAcker(s.link, r.cfg.WriteTimeout)

	group, ctx := errgroup.WithContext(ctx)
	// Closing the connection is what ends a blocked read or write.
	stop := context.AfterFunc(ctx, func() { _ = conn.Close() })
	defer func() {
		if stop() {
			_ = conn.Close()
		}
	}()
	group.Go(func() error { return s.run(ctx, group, resume) })
	err = group.Wait() // the first error, which ended the others
	end := linkEnd{full: s.full}
	if !s.began.IsZero() {
		end.streamed = time.Since(s.began)
	}
	return &linkError{end, err}
}
