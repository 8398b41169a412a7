package bridge

import (
	"context"
	"errors"
	"fmt"
	"time"

	"keyfeed/backlog"
	"keyfeed/ingest"
	"keyfeed/internal/change"
	"keyfeed/internal/event"
	"keyfeed/snapshot"
	"keyfeed/snapshot/rdb"
)

// store is the bridge as the replication link sees it. All methods are called by the link's goroutine.
type store Bridge

// Resume implements ingest.Store; see resume.go.
func (s *store) Resume(ctx context.Context) (ingest.Resume, error) {
	b := (*Bridge)(s)
	r, err := b.resume(ctx)
	b.mu.Lock()
	defer b.mu.Unlock()
	b.asked = r
	return r, err
}

// Continue implements ingest.Store: the stream goes on where the newest log ends, or, where the disk was lost or
// dropped, in a new log that begins at the sink's position.
func (s *store) Continue(_ context.Context, replid string) (ingest.Log, error) {
	b := (*Bridge)(s)
	b.mu.Lock()
	defer b.mu.Unlock()
	g := b.newestLocked()
	if g == nil {
		var err error
		if g, err = b.continueSinkLocked(); err != nil {
			return nil, err
		}
	}
	if replid != "" {
		if err := g.log.AppendHistory(replid); err != nil {
			return nil, retryFull(fmt.Errorf("noting the new replication id: %w", err))
		}
	}
	b.firstAsk, b.askSink = false, false
	b.broadcastLocked()
	return &appender{b: b, g: g}, nil
}

// continueSinkLocked begins a log at the sink's position. b.mu is held.
func (b *Bridge) continueSinkLocked() (*generation, error) {
	pos := b.sinkPos
	g, err := b.newGenerationLocked(meta{Gen: pos.Gen, Begun: true, Published: true, Settings: b.settings()})
	if err != nil {
		return nil, err
	}
	g.log, err = b.createLog(g, backlog.Origin{Gen: pos.Gen, ReplID: b.asked.ReplID, Offset: b.asked.Offset, DB: b.asked.DB})
	if err != nil {
		return nil, errors.Join(err, b.remove(g, "its log could not be made"))
	}
	b.startLog(g)
	b.gens = append(b.gens, g)
	b.log.Info("resuming from the sink's position; the disk held no log", "position", pos.String())
	return g, nil
}

// FullSync implements ingest.Store: a new generation begins; the older logs are sealed.
func (s *store) FullSync(_ context.Context, full ingest.FullSync) (ingest.Spool, error) {
	b := (*Bridge)(s)
	b.mu.Lock()
	defer b.mu.Unlock()
	reason, err := b.reasonLocked()
	if err != nil {
		return nil, err
	}
	for _, g := range b.gens {
		if err := g.seal(); err != nil {
			return nil, fmt.Errorf("sealing the log of generation %d: %w", g.meta.Gen, err)
		}
	}
	b.broadcastLocked()
	g, err := b.newGenerationLocked(meta{Gen: b.nextGenLocked(full.ArrivedMs), Reason: reason, Settings: b.settings()})
	if err != nil {
		return nil, retryFull(err)
	}
	w, err := snapshot.Create(g.dir, b.spoolConfig(), snapshot.Origin{
		Gen: g.meta.Gen, ReplID: full.ReplID, Offset: full.Offset, ArrivedMs: full.ArrivedMs,
		Server: full.Server.Kind, ServerVersion: full.Server.Version,
	})
	if err != nil {
		return nil, retryFull(errors.Join(fmt.Errorf("making the spool: %w", err), b.remove(g, "its spool could not be made")))
	}
	b.receiving = g
	b.log.Info("receiving a snapshot", "gen", g.meta.Gen, "reason", reason, "replid", full.ReplID, "offset", full.Offset)
	return &spool{b: b, g: g, w: w}, nil
}

// reasonLocked says why the source sends everything, or refuses it by policy. b.mu is held.
func (b *Bridge) reasonLocked() (string, error) {
	if b.asked.Full {
		return b.asked.Reason, nil
	}
	if b.askSink {
		if b.cfg.OnSinkLoss != PolicyResync {
			return "", fmt.Errorf("%w: the sink's position %s is behind everything that the disk held, and the source no "+
				"longer has the changes after it. Set KEYFEED_ON_SINK_LOSS=resync to go on with a new snapshot",
				ErrOperator, b.sinkPos)
		}
	} else if b.cfg.OnHistoryLoss == PolicyFail {
		return "", fmt.Errorf("%w: the source no longer has the changes after offset %d and offers a new snapshot, which "+
			"KEYFEED_ON_HISTORY_LOSS=fail refuses. Set it to resync to go on; a larger repl-backlog-size on the source "+
			"makes this rarer", ErrOperator, b.asked.Offset)
	}
	return event.ReasonHistoryLost, nil
}

// Desync implements ingest.Store: what follows the log cannot be had from this stream.
func (s *store) Desync(_ context.Context, err *ingest.DesyncError) error {
	b := (*Bridge)(s)
	b.mu.Lock()
	defer b.mu.Unlock()
	b.log.Error("the stream cannot be continued; asking the source for everything", "offset", err.Offset)
	b.forceFull = event.ReasonHistoryLost
	return nil
}

// spool receives one snapshot for the link.
type spool struct {
	b *Bridge
	g *generation
	w *snapshot.Writer
}

// Size implements ingest.Spool.
func (s *spool) Size(n int64) { s.w.Expect(n) }

// Write implements ingest.Spool.
func (s *spool) Write(p []byte) (int, error) {
	n, err := s.w.Write(p)
	return n, retryFull(err)
}

// Commit implements ingest.Spool: from here on the generation can be published (invariant 7).
func (s *spool) Commit(ctx context.Context) (ingest.Log, int, error) {
	b := s.b
	sp, err := s.w.Commit(ctx)
	if err != nil {
		s.Abort(err)
		return nil, 0, refused(fmt.Errorf("verifying the snapshot: %w", err))
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	s.g.spool = sp
	m := sp.Meta()
	s.g.log, err = b.createLog(s.g, s.g.origin())
	if err != nil {
		return nil, 0, retryFull(errors.Join(err, b.remove(s.g, "its log could not be made")))
	}
	b.startLog(s.g)
	if err := b.replacePendingLocked(); err != nil {
		return nil, 0, err
	}
	for _, g := range b.gens {
		g.newerNow()
	}
	if err := b.answered(); err != nil {
		return nil, 0, err
	}
	b.gens = append(b.gens, s.g)
	b.receiving, b.forceFull, b.firstAsk, b.askSink = nil, "", false, false
	b.broadcastLocked()
	b.log.Info("the snapshot is complete", "gen", s.g.meta.Gen, "bytes", m.Size)
	return &appender{b: b, g: s.g}, m.DB, nil
}

// replacePendingLocked removes generations of which nothing was published: the new one replaces them. b.mu is held.
func (b *Bridge) replacePendingLocked() error {
	for len(b.gens) > 0 {
		g := b.newestLocked()
		if g.meta.Begun {
			return nil
		}
		b.gens = b.gens[:len(b.gens)-1]
		if err := b.remove(g, "a newer snapshot replaces it before anything of it was published"); err != nil {
			return err
		}
	}
	return nil
}

// Abort implements ingest.Spool.
func (s *spool) Abort(cause error) {
	b := s.b
	b.mu.Lock()
	defer b.mu.Unlock()
	b.receiving = nil
	err := s.w.Abort()
	if err = errors.Join(err, b.remove(s.g, "its snapshot did not arrive whole")); err != nil {
		b.log.Warn("removing an unfinished snapshot did not succeed; it is removed at the next start", "error", err, "cause", cause)
	}
	b.broadcastLocked()
}

// appender is the log of a generation as the link sees it.
type appender struct {
	b *Bridge
	g *generation
}

// Append implements ingest.Log.
func (a *appender) Append(c change.Chunk) error {
	err := a.g.log.Append(c)
	if errors.Is(err, backlog.ErrFull) {
		a.g.full.Store(true)
	}
	return retryFull(err)
}

// Acked implements ingest.Log (invariant 1).
func (a *appender) Acked() int64 {
	if !a.b.cfg.AckPublished {
		return a.g.log.Synced()
	}
	pos := a.b.pump.Published()
	a.b.mu.Lock()
	defer a.b.mu.Unlock()
	if pos.Gen != a.g.meta.Gen || pos.InSnapshot() {
		return 0 // older than this stream: nothing of it is in the sink
	}
	return pos.Offset
}

// ackPatience bounds how long a GETACK waits for the sink: the 1 s ticker acknowledges what comes later.
const ackPatience = 5 * time.Second

// AckNow implements ingest.Log.
func (a *appender) AckNow(ctx context.Context) (int64, error) {
	if !a.b.cfg.AckPublished {
		if err := a.g.log.Sync(); err != nil {
			return 0, retryFull(fmt.Errorf("syncing the log: %w", err))
		}
		return a.g.log.Synced(), nil
	}
	want := a.g.log.Tail().Unit.Offset
	a.b.pump.Want(want)
	ctx, cancel := context.WithTimeout(ctx, ackPatience)
	defer cancel()
	for {
		a.b.mu.Lock()
		ch := a.b.changed
		a.b.mu.Unlock()
		if acked := a.Acked(); acked >= want {
			return acked, nil
		}
		if await(ctx, ch) != nil {
			return a.Acked(), nil
		}
	}
}

// refused sorts the errors of a snapshot that was received whole: damage may heal, a format that we cannot read does not.
func refused(err error) error {
	if _, ok := errors.AsType[*rdb.UnsupportedError](err); ok {
		return fmt.Errorf("%w: %w", ErrOperator, err)
	}
	return retryFull(err)
}

// retryFull makes errors that time heals ones that the link retries: a full disk or log, a damaged snapshot.
func retryFull(err error) error {
	for _, heals := range []error{backlog.ErrFull, snapshot.ErrFull, snapshot.ErrDamaged} {
		if errors.Is(err, heals) {
			return fmt.Errorf("%w: %w", ingest.ErrRetry, err)
		}
	}
	if errors.Is(err, snapshot.ErrTooLarge) {
		return fmt.Errorf("%w: %w", ErrOperator, err)
	}
	return err
}
