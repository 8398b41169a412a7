package bridge

import (
	"context"
	"fmt"
	"slices"
	"strings"

	"keyfeed/ingest"
	"keyfeed/internal/change"
	"keyfeed/internal/command"
	"keyfeed/internal/event"
)

// Inspect implements ingest.Inspector: between INFO and PSYNC the log is made to end where the source's history and ours
// part, so that a failover ends in a partial resync wherever the protocol allows one.
func (s *store) Inspect(ctx context.Context, server ingest.ServerInfo, r ingest.Resume) (ingest.Resume, error) {
	b := (*Bridge)(s)
	planned := r
	r, err := b.rewind(ctx, &server, planned)
	b.mu.Lock()
	defer b.mu.Unlock()
	b.asked, b.informed = r, server.ReplID != ""
	b.inspected = server
	if err == nil {
		err = b.inspectFullLocked(ctx, &server, planned, r)
	}
	return r, err
}

// rewind gives what to ask a server whose INFO says so much:
//
//	| our id is the server's                         | we are              | do                                             |
//	|------------------------------------------------|---------------------|------------------------------------------------|
//	| id                                             | ahead, it a replica | wait: it has not caught up yet                 |
//	| id                                             | ahead, it a master  | full sync, reason history_rewritten            |
//	| previous id (replid2)                          | past its end, a log | cut the log there, ask from there              |
//	| previous id                                    | past its end, only the sink's position | full sync, reason history_rewritten |
//	| id or previous id, otherwise; neither; no INFO | –                   | ask as planned                                 |
func (b *Bridge) rewind(ctx context.Context, server *ingest.ServerInfo, r ingest.Resume) (ingest.Resume, error) {
	switch {
	case r.Full || server.ReplID == "":
		return r, nil
	case strings.EqualFold(r.ReplID, server.ReplID):
		if r.Offset <= server.Offset {
			return r, nil
		}
		if server.Role == "slave" {
			return r, fmt.Errorf("%w: the source is a replica that is still behind: it is at offset %d, keyfeed holds %d",
				ingest.ErrRetry, server.Offset, r.Offset)
		}
		return b.rewritten(server.Offset, r)
	case server.ReplID2 == "" || !strings.EqualFold(r.ReplID, server.ReplID2):
		return r, nil
	}
	last := server.SecondOffset - 1 // the last byte that both histories have
	b.mu.Lock()
	g, inUnit := b.newestLocked(), b.sinkPos.InUnit()
	b.mu.Unlock()
	switch {
	case g != nil && r.Offset > last:
		return b.cutHistory(ctx, g, last, r)
	case g == nil && (r.Offset > last || r.Offset == last && inUnit):
		// Inside a unit that begins where the histories part: what the source has there is another unit.
		return b.rewritten(last, r)
	}
	return r, nil
}

// rewritten asks for everything because the sink holds changes that the source does not have.
func (b *Bridge) rewritten(last int64, r ingest.Resume) (ingest.Resume, error) {
	b.mu.Lock()
	again := b.turn.again
	b.mu.Unlock()
	if !again {
		b.log.Warn("a failover rewrote the source's history before what the sink holds; asking for everything",
			"last_common_offset", last, "position_offset", r.Offset)
	}
	if err := b.mayLose(event.ReasonHistoryRewritten); err != nil {
		return r, err
	}
	return ingest.Resume{Full: true, Reason: event.ReasonHistoryRewritten}, nil
}

// mayLose is nil when the configuration lets a loss of history pass.
func (b *Bridge) mayLose(reason string) error {
	if b.cfg.OnHistoryLoss != PolicyFail {
		return nil
	}
	return fmt.Errorf("%w: a new snapshot is needed (%s), which KEYFEED_ON_HISTORY_LOSS=fail refuses: the source was failed over "+
		"to a server that does not have the last changes. Set it to resync to go on", ErrOperator, reason)
}

// rewrite is a place in a log where a failover cut it: changes behind it, under the ids named, are in no history any more.
type rewrite struct {
	Offset  int64    `json:"offset"`
	ReplIDs []string `json:"replids"`
}

// maxRewrites bounds how many failovers a sink that is away may miss, each one having cut the log, and still be told so.
const maxRewrites = 16

// cutHistory cuts the log of g to the last unit end at or before last, and asks from there. The cut is noted first: a
// sink that turns out to hold more needs to know why.
//
// The pump may be handing out the very bytes at this moment. Then its position is behind the cut too, and the note makes
// it a rewritten history, declared, rather than a hole.
func (b *Bridge) cutHistory(ctx context.Context, g *generation, last int64, r ingest.Resume) (ingest.Resume, error) {
	if last < g.log.Head() {
		return r, nil // nothing of the log is common; the source will say so
	}
	end, err := unitEnd(ctx, g, last)
	if err != nil {
		return r, fmt.Errorf("looking for the last unit before offset %d: %w", last, err)
	}
	b.log.Warn("a failover rewrote the end of the source's history; dropping what the new master does not have",
		"from_offset", end.Offset, "to_offset", r.Offset)
	b.mu.Lock()
	m := g.meta
	m.Rewrites = append(slices.Clip(m.Rewrites), rewrite{Offset: end.Offset, ReplIDs: []string{end.ReplID, r.ReplID}})
	m.Rewrites = m.Rewrites[max(len(m.Rewrites)-maxRewrites, 0):]
	err = b.saveMeta(g, m)
	b.mu.Unlock()
	if err != nil {
		return r, retryFull(fmt.Errorf("noting the cut: %w", err))
	}
	if end, err = g.log.CutAt(end); err != nil {
		return r, retryFull(fmt.Errorf("cutting the log: %w", err))
	}
	// Our id stays: up to here its history and that of end are the same, and it is the one the source knows.
	return ingest.Resume{ReplID: r.ReplID, Offset: end.Offset, DB: end.DB}, nil
}

// unitEnd is the last end of a unit at or before offset, inside a frame too: the sink may be at any of them. Where the
// bytes cannot be decoded it is the one that the log knows.
func unitEnd(ctx context.Context, g *generation, offset int64) (change.Position, error) {
	from, err := g.log.UnitEndAtOrBefore(offset)
	if err != nil || from.Offset == offset {
		return from, err
	}
	cursor, err := g.log.CursorAt(from)
	if err != nil {
		return from, err
	}
	defer func() { _ = cursor.Close() }() // it was only read
	f := &endFinder{limit: offset, end: from}
	d := command.New(command.Settings{}, command.Start{Gen: from.Gen, ReplID: from.ReplID, Offset: from.Offset, DB: from.DB})
	for !f.passed && cursor.Ready() {
		item, err := cursor.Next(ctx)
		if err != nil {
			return from, err
		}
		if item.History != nil || d.Feed(item.Chunk, f) != nil {
			break
		}
	}
	return f.end, nil
}

// endFinder remembers the last unit end that is not after limit.
type endFinder struct {
	limit  int64
	end    change.Position
	passed bool
}

// Event implements command.Handler.
func (*endFinder) Event(*event.Event) error { return nil }

// Unit implements command.Handler.
func (f *endFinder) Unit(end change.Position, _ int64) error {
	if end.Offset > f.limit {
		f.passed = true
	} else {
		f.end = end
	}
	return nil
}

// rewrittenLocked reports whether a failover took what pos says is stored. b.mu is held.
func (b *Bridge) rewrittenLocked(pos change.Position) bool {
	for _, g := range b.gens {
		if g.meta.Gen != pos.Gen || pos.InSnapshot() {
			continue
		}
		for _, w := range g.meta.Rewrites {
			if (pos.ReplID == w.ReplIDs[0] || pos.ReplID == w.ReplIDs[1]) && (pos.Offset > w.Offset || pos.Offset == w.Offset && pos.InUnit()) {
				return true
			}
		}
	}
	return false
}

// reusedLocked reports whether pos is inside a unit of which g no longer holds the rest, because another history begins
// at its start. b.mu is held.
func (b *Bridge) reusedLocked(g *generation, pos change.Position) bool {
	if !pos.InUnit() || !b.rewrittenLocked(pos) {
		return false
	}
	at, err := g.log.UnitEndAtOrBefore(pos.Offset)
	return err == nil && at.Offset == pos.Offset && at.ReplID != pos.ReplID
}
