package bridge

import (
	"context"
	"fmt"
	"time"

	"keyfeed/ingest"
	"keyfeed/internal/change"
	"keyfeed/internal/event"
)

// resume decides what the source is asked for, first match:
//
//	| known                                    | asked                                            |
//	|------------------------------------------|--------------------------------------------------|
//	| a full sync was decided on               | everything                                       |
//	| a log                                    | from its last whole unit, once it has room       |
//	| no log; the sink's position, in a stream | from there: a lost disk costs no full sync (P6)  |
//	| no log; the sink is inside a snapshot    | everything: only the lost spool could continue it |
//	| nothing                                  | everything                                       |
//
// Without a log it waits until the sink has told its position. Under KEYFEED_SNAPSHOT_MODE=always the first question
// is for everything, unless a snapshot is under way or the budget does not allow one.
func (b *Bridge) resume(ctx context.Context) (ingest.Resume, error) {
	if err := b.awaitRoom(ctx); err != nil {
		return ingest.Resume{}, fmt.Errorf("waiting for room on the disk: %w", err)
	}
	for {
		b.mu.Lock()
		ch := b.changed
		g, pos, known, forced := b.newestLocked(), b.sinkPos, b.sinkKnown, b.forceFull
		always := b.firstAsk && b.cfg.SnapshotMode == SnapshotAlways
		detached := b.detached && !b.placed
		b.mu.Unlock()
		switch {
		case detached:
			// The sink's position decides what to ask for, whatever log there is: see standBy.
		case forced != "":
			return ingest.Resume{Full: true, Reason: forced}, nil
		case g == nil && known && pos.IsZero():
			return ingest.Resume{Full: true, Reason: event.ReasonInitial}, nil
		case g == nil && known && pos.InSnapshot():
			return ingest.Resume{Full: true, Reason: event.ReasonSnapshotLost}, nil
		case always && known && !pos.InSnapshot() && (g == nil || !b.pending(g)):
			if b.skipAlways() {
				continue
			}
			return ingest.Resume{Full: true, Reason: event.ReasonRequested}, nil
		case always && !known:
			// Whether a snapshot is under way is known when the sink has told its position.
		case g != nil:
			return b.resumeLog(ctx, g)
		case known:
			return ingest.Resume{ReplID: pos.ReplID, Offset: pos.Offset, DB: pos.DB}, nil
		}
		if err := await(ctx, ch); err != nil {
			return ingest.Resume{}, err
		}
	}
}

// skipAlways reports whether the snapshot of every start is left out of this one because the budget of full syncs does not
// allow it yet: the source may go on with the log, and would not be followed meanwhile.
func (b *Bridge) skipAlways() bool {
	b.mu.Lock()
	defer b.mu.Unlock()
	wait := b.budget.wait(time.Now())
	if wait == 0 {
		return false
	}
	b.firstAsk = false
	b.log.Warn("the budget of full syncs is spent: no snapshot at this start, although KEYFEED_SNAPSHOT_MODE=always; going on with the stream. "+
		"KEYFEED_FULL_SYNCS_PER_HOUR is the limit, and keyfeed position reset has the next start take one all the same",
		"next_in", wait.Round(time.Second).String())
	return true
}

func (b *Bridge) pending(g *generation) bool {
	b.mu.Lock()
	defer b.mu.Unlock()
	return g.hasSnapshot()
}

// resumeLog asks for what follows the log, once it has room.
func (b *Bridge) resumeLog(ctx context.Context, g *generation) (ingest.Resume, error) {
	tail, err := g.log.CutToUnit()
	if err != nil {
		return ingest.Resume{}, fmt.Errorf("cutting the log to its last unit: %w", err)
	}
	if err := b.waitRoom(ctx, g); err != nil {
		return ingest.Resume{}, fmt.Errorf("waiting for room in the log: %w", err)
	}
	return ingest.Resume{ReplID: tail.ReplID, Offset: tail.Offset, DB: tail.DB}, nil
}

// waitRoom waits while the log is full: until a fifth of it is free, or, under KEYFEED_ON_BACKLOG_FULL=resync, until the
// sink has all of it. A start may find it full, too, and says so like the process before it.
func (b *Bridge) waitRoom(ctx context.Context, g *generation) error {
	refused := g.full.Swap(false)
	if refused || !g.log.HasRoom() {
		b.log.Warn("the backlog is full; the source waits until the sink has taken some of it",
			"bytes", g.log.Size(), "max_bytes", g.log.MaxBytes())
	}
	if refused && b.cfg.OnBacklogFull == PolicyResync {
		return b.waitPublished(ctx, g.log.Tail().Unit)
	}
	return g.log.WaitRoom(ctx)
}

// waitPublished waits until the sink has confirmed pos.
func (b *Bridge) waitPublished(ctx context.Context, pos change.Position) error {
	for {
		b.mu.Lock()
		ch, done := b.changed, b.confirmed.Compare(pos) >= 0
		b.mu.Unlock()
		if done {
			return nil
		}
		if err := await(ctx, ch); err != nil {
			return err
		}
	}
}
