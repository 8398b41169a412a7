package bridge

import (
	"context"
	"fmt"
	"io"
	"slices"
	"time"

	"keyfeed/internal/change"
	"keyfeed/internal/event"
	"keyfeed/internal/pump"
	"keyfeed/sinks"
)

// Opened implements pump.Planner.
func (b *Bridge) Opened(pos change.Position) {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.sinkKnown && pos.Compare(b.confirmed) < 0 {
		b.log.Warn("the sink holds less than it had confirmed; what is missing is published again from the disk",
			"confirmed", b.confirmed.String(), "position", pos.String())
	}
	b.sinkPos, b.sinkKnown, b.confirmed = pos, true, pos
	b.countLocked(pos)
	if err := b.removeMark(fencedFile); err != nil {
		b.fail(fmt.Errorf("forgetting that this keyfeed was fenced: %w", err))
	}
	if l, ok := b.sink.(sinks.Limiter); ok {
		b.maxRecord = l.MaxRecord()
	}
	b.broadcastLocked()
}

// Next implements pump.Planner: the start table.
func (b *Bridge) Next(ctx context.Context, pos change.Position) (pump.Feed, error) {
	for {
		b.mu.Lock()
		ch := b.changed
		feed, err := b.planLocked(pos)
		if feed != nil || err != nil || b.unlogged == nil { // else the look was put off
			b.placedLocked()
		}
		b.mu.Unlock()
		switch {
		case noSpace(err): // what must be stored before an event leaves cannot be; others may make room
			b.log.Warn("the disk is full; publishing waits until there is room", "error", err)
			err = awaitFor(ctx, ch, b.cfg.roomRetry())
		case feed != nil || err != nil:
			return feed, err
		default:
			err = await(ctx, ch)
		}
		if err != nil {
			return nil, err
		}
	}
}

// planLocked is one look at the start table. Neither a feed nor an error means: wait for a change. b.mu is held.
//
//	| sink's position                       | on disk                       | do                                        |
//	|---------------------------------------|-------------------------------|-------------------------------------------|
//	| counts events that nobody can count   | a newer complete spool        | publish it from its start                 |
//	| again: see tally.go                   | not that                      | full sync, history_lost or snapshot_lost  |
//	| none                                  | a complete spool              | publish it from its start                 |
//	| none                                  | only a log                    | sink loss: KEYFEED_ON_SINK_LOSS            |
//	| inside a snapshot                     | a newer complete spool        | abandon it for the newer one              |
//	| inside a snapshot                     | the spool with that id        | continue it                               |
//	| inside a snapshot                     | not that spool                | full sync, reason snapshot_lost           |
//	| in the stream                         | its log                       | publish from there; then the next snapshot |
//	| in the stream                         | not its log, a newer spool    | publish the spool from its start          |
//	| in the stream                         | not its log, an older spool   | put both aside, ask from the position     |
//	| behind a cut that a failover made     | the log, cut                  | full sync, reason history_rewritten       |
//	| in the stream                         | not its log                   | put the log aside, ask from the position  |
//	| any                                   | nothing, or being received    | wait for the link                         |
func (b *Bridge) planLocked(pos change.Position) (pump.Feed, error) {
	newest := b.newestLocked()
	uncountable := b.uncountableLocked(pos)
	if newest == nil && !uncountable || b.unlogged != nil && (uncountable || !b.heldLocked(pos)) {
		return nil, nil
	}
	newer := newest != nil && newest.hasSnapshot() && (pos.IsZero() || newest.meta.Gen > pos.Gen)
	switch {
	case uncountable && !newer:
		return nil, b.replaceCountLocked(pos)
	case uncountable:
		return b.snapshotLocked(newest, pos)
	case pos.IsZero():
		if newer {
			return b.snapshotLocked(newest, pos)
		}
		return nil, b.sinkLossLocked(pos)
	case pos.InSnapshot():
		if newer {
			return b.snapshotLocked(newest, pos)
		}
		if newest.hasSnapshot() && newest.spool.Meta().ID == pos.Spool {
			return b.snapshotLocked(newest, pos)
		}
		b.forceLocked(event.ReasonSnapshotLost)
		return nil, nil
	}
	for i, g := range b.gens {
		if !g.holds(pos) || b.reusedLocked(g, pos) {
			continue
		}
		if i+1 < len(b.gens) && !pos.InUnit() && g.inLog(pos) == g.log.Tail().Unit {
			return b.snapshotLocked(newest, pos) // the old log is exhausted
		}
		if b.cfg.SnapshotMode == SnapshotInitialOnly && b.forceFull == "" {
			return nil, io.EOF
		}
		return b.streamLocked(g, pos)
	}
	if newer {
		return b.snapshotLocked(newest, pos)
	}
	if b.rewrittenLocked(pos) {
		if err := b.mayLose(event.ReasonHistoryRewritten); err != nil {
			return nil, err
		}
		b.forceLocked(event.ReasonHistoryRewritten)
		return nil, nil
	}
	b.dropLocked(pos)
	return nil, nil
}

// heldLocked reports whether a log continues pos. b.mu is held.
func (b *Bridge) heldLocked(pos change.Position) bool {
	return slices.ContainsFunc(b.gens, func(g *generation) bool { return g.holds(pos) })
}

// sinkLossLocked decides what happens when the sink holds nothing although it did once. b.mu is held.
func (b *Bridge) sinkLossLocked(pos change.Position) error {
	if b.cfg.OnSinkLoss != PolicyResync {
		return fmt.Errorf("%w: the sink holds no position, but this data directory has published to it before: "+
			"its contents were lost or it is another sink. Set KEYFEED_ON_SINK_LOSS=resync to publish everything anew, "+
			"or point keyfeed at the right sink", ErrOperator)
	}
	b.log.Warn("the sink holds no position; asking the source for everything", "position", pos.String())
	b.forceLocked(event.ReasonRequested)
	return nil
}

// dropLocked puts the disk aside, which does not continue the sink's position, and asks the source from there. b.mu is held.
func (b *Bridge) dropLocked(pos change.Position) {
	if b.dropWanted || b.askSink {
		return // under way
	}
	b.log.Warn("the log on disk does not continue the sink's position; asking the source from there", "position", pos.String())
	b.sinkPos = pos
	tail := b.newestLocked().log.Tail().Unit
	tail.Gen = b.newestLocked().meta.Gen
	b.sinkBehind = pos.Compare(tail) <= 0
	b.dropWanted = true
	b.restartLocked()
}

// forceLocked makes the link ask for everything. b.mu is held.
func (b *Bridge) forceLocked(reason string) {
	if b.forceFull != "" || b.receiving != nil {
		return // under way
	}
	b.forceFull = reason
	b.restartLocked()
}

func (b *Bridge) restartLocked() {
	b.turn.at = time.Time{} // the next question is another one
	if b.restart != nil {
		b.restart()
	}
	b.broadcastLocked()
}

// dropIfWantedLocked puts all generations aside when the disk does not continue the sink's position. They are closed but
// not removed before the source has said that it goes on from there, or by which snapshot they are replaced: it may be
// the sink that is the wrong one, and an operator who corrects that needs them. b.mu is held, and no link runs.
func (b *Bridge) dropIfWantedLocked() error {
	if !b.dropWanted {
		return nil
	}
	b.dropWanted, b.askSink = false, true
	for _, g := range b.gens {
		if err := g.close(); err != nil {
			return err
		}
	}
	b.aside = append(b.aside, b.gens...)
	b.gens = nil
	b.broadcastLocked()
	return nil
}

// forgetAsideLocked removes what was put aside. b.mu is held.
func (b *Bridge) forgetAsideLocked() error {
	for _, g := range b.aside {
		if err := b.remove(g, "it does not continue the sink's position"); err != nil {
			return err
		}
	}
	b.aside = nil
	return nil
}

// holds reports whether the log of g continues pos.
func (g *generation) holds(pos change.Position) bool {
	return g.meta.Gen == pos.Gen && !pos.InSnapshot() && g.log.Verify(g.inLog(pos)) == nil
}

// inLog is the unit end at or before pos, as the log of g knows it: the generation's number may have been raised after
// the log was made.
func (g *generation) inLog(pos change.Position) change.Position {
	pos.Gen, pos.Count, pos.Settings = g.log.Gen(), 0, ""
	return pos
}
