package bridge

import (
	"fmt"
	"time"

	"keyfeed/internal/change"
)

// Confirmed implements pump.Planner: what the sink holds needs no room on disk.
func (b *Bridge) Confirmed(pos change.Position) {
	b.mu.Lock()
	defer b.mu.Unlock()
	if pos.IsZero() || pos.Compare(b.confirmed) < 0 {
		return
	}
	b.confirmed = pos
	for len(b.gens) > 0 && b.gens[0].meta.Gen < pos.Gen && b.gens[0] != b.newestLocked() {
		// An event of a newer generation is stored: nothing older will be asked for again.
		if err := b.remove(b.gens[0], "a newer generation has begun"); err != nil {
			b.fail(err)
			return
		}
		b.gens = b.gens[1:]
	}
	for _, g := range b.gens {
		if g.meta.Gen != pos.Gen || pos.InSnapshot() {
			continue
		}
		if err := b.publishedLocked(g); err != nil {
			b.fail(err)
			return
		}
		g.log.Trim(pos.Offset, time.Now())
	}
	b.broadcastLocked()
}

// publishedLocked removes the spool of g once the sink has confirmed all of it (invariant 7). b.mu is held.
func (b *Bridge) publishedLocked(g *generation) error {
	if !g.hasSnapshot() {
		return nil
	}
	// The measure first: killed in between, the next start is here again.
	b.measureLocked(g.counted())
	m := g.meta
	// Begun, too: of a spool in a directory that is older than the sink nobody has noted that yet, and a full sync would
	// replace it, with what its log still holds.
	m.Begun, m.Published = true, true
	if err := b.saveMeta(g, m); err != nil {
		if !noSpace(err) {
			return err
		}
		// Removing the spool makes room, and says the same: a log without a spool is that of a published snapshot.
		b.log.Warn("the disk is full; removing the published snapshot without a note of it", "error", err)
		g.meta = m
	}
	spool := g.spool
	g.spool = nil
	b.log.Info("the snapshot is in the sink", "gen", m.Gen)
	b.broadcastLocked()
	if err := spool.Remove(); err != nil {
		return fmt.Errorf("removing the spool: %w", err)
	}
	return nil
}
