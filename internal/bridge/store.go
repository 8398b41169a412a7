package bridge

import (
	"context"
	"errors"
	"fmt"

	"keyfeed/backlog"
	"keyfeed/ingest"
	"keyfeed/internal/event"
	"keyfeed/snapshot"
)

// store is the bridge as the replication link sees it. All methods are called by the link's goroutine.
type store Bridge

// Resume implements ingest.Store; see resume.go.
func (s *store) Resume(ctx context.Context) (ingest.Resume, error) {
	b := (*Bridge)(s)
	r, err := b.resume(ctx)
	for err == nil {
		var waited bool
		if waited, err = b.awaitTurn(ctx, r); err == nil && !waited {
			break
		}
		if err == nil {
			r, err = b.resume(ctx)
		}
	}
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
		if replid != "" && b.sinkPos.InUnit() && !b.informed {
			// Whether the unit of which the sink has the beginning is in the new history, only INFO could have told.
			b.forceFull = event.ReasonHistoryRewritten
			return nil, fmt.Errorf("%w: the source was failed over while the sink holds a part of a unit", ingest.ErrRetry)
		}
		var err error
		if g, err = b.continueSinkLocked(); err != nil {
			return nil, retryFull(err)
		}
	}
	if replid != "" {
		if err := g.log.AppendHistory(replid); err != nil {
			return nil, retryFull(fmt.Errorf("noting the new replication id: %w", err))
		}
	}
	b.firstAsk, b.askSink = false, false
	b.agreedLocked()
	if err := b.rememberLocked(&b.inspected); err != nil {
		return nil, err
	}
	if b.inspected.KeysKnown {
		b.keepCountLocked(g, b.inspected.Keys)
	}
	b.broadcastLocked()
	return &appender{b: b, g: g}, nil
}

// continueSinkLocked begins a log at the sink's position. b.mu is held.
func (b *Bridge) continueSinkLocked() (*generation, error) {
	if err := b.forgetAsideLocked(); err != nil {
		return nil, err
	}
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

// FullSync implements ingest.Store: a new generation begins. The older logs stay as they are until it is complete: where
// it never will be, the source may turn out to continue them.
func (s *store) FullSync(ctx context.Context, full ingest.FullSync) (ingest.Spool, error) {
	b := (*Bridge)(s)
	b.mu.Lock()
	defer b.mu.Unlock()
	if err := ended(ctx); err != nil {
		return nil, err
	}
	b.recognizeLocked(&full.Server)
	reason, err := b.reasonLocked()
	if err != nil {
		return nil, err
	}
	if err := b.guardLocked(&full.Server); err != nil {
		return nil, err
	}
	if err := b.admitAnswerLocked(); err != nil {
		return nil, err
	}
	if err := b.spendLocked(); err != nil {
		return nil, retryFull(err)
	}
	b.agreedLocked()
	if err := b.forgetAsideLocked(); err != nil {
		return nil, err
	}
	m := meta{Gen: b.nextGenLocked(full.ArrivedMs), Reason: reason, Settings: b.settings(), Guarded: b.guardedLocked(&full.Server)}
	if full.Server.KeysKnown {
		m.Keys = &full.Server.Keys
	}
	g, err := b.newGenerationLocked(m)
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
	b.log.Info("the source sends everything: a new generation", "gen", g.meta.Gen, "reason", reason, "replid", full.ReplID, "offset", full.Offset)
	return &spool{b: b, g: g, w: w, server: full.Server, approved: b.approved}, nil
}

// reasonLocked says why the source sends everything, or refuses it by policy. b.mu is held.
func (b *Bridge) reasonLocked() (string, error) {
	if b.asked.Full {
		return b.asked.Reason, nil
	}
	if b.askSink && b.sinkBehind {
		if b.cfg.OnSinkLoss != PolicyResync {
			return "", fmt.Errorf("%w: the log on disk does not reach back to the sink's position %s, and the source does not have "+
				"the changes after it: the sink lost what it had confirmed, or it is the sink or the data directory of another source. "+
				"Point keyfeed at the right ones, or set KEYFEED_ON_SINK_LOSS=resync to go on with a new snapshot",
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
