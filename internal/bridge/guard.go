package bridge

import (
	"context"
	"fmt"
	"strings"
	"time"

	"keyfeed/ingest"
)

// A source that was restarted empty, or replaced by another server, offers a full sync like any other; published, it would
// have every consumer drop what it holds. So the keys of the source are counted, and with KEYFEED_MAX_SHRINK set, a full
// sync with far fewer is held back until an operator has looked:
//
//	INFO on the connection that will ask PSYNC tells the keys   → exit 3 before PSYNC; nothing was asked, nothing is lost
//	INFO is not permitted, or did not foresee the full sync     → exit 3 before the first event of the snapshot
//
// Either way the older log stays on disk, and what it holds is published before the new snapshot. keyfeed position reset
// approves: the snapshot that it asks for passes.

// keysFile in the source's directory holds the last count.
const keysFile = "keys.json"

// keyCount is how many keys the source held, as far as what was published goes.
type keyCount struct {
	Keys  int64 `json:"keys"`
	Known bool  `json:"known"`
}

// countEvery is how often the source is asked for its keys unless Config says otherwise: a connection of its own, for three
// INFO and nothing else. The number in heartbeats may be as old as that.
const countEvery = time.Minute

// shrinks reports whether going from so many keys to so many is more than KEYFEED_MAX_SHRINK allows.
func (c *Config) shrinks(from keyCount, to int64) bool {
	return c.MaxShrink > 0 && from.Known && c.SnapshotMode != SnapshotNever && // a gap has nobody drop anything
		float64(from.Keys-to)*100 > float64(from.Keys)*float64(c.MaxShrink)
}

// guardLocked refuses the full sync of a server whose INFO says that it holds too few keys. b.mu is held.
func (b *Bridge) guardLocked(server *ingest.ServerInfo) error {
	if b.approved || !server.KeysKnown || !b.cfg.shrinks(b.keys, server.Keys) {
		return nil
	}
	return b.shrunk(b.keys.Keys, server.Keys)
}

func (b *Bridge) shrunk(from, to int64) error {
	return fmt.Errorf("%w: a full sync would shrink the source from %d keys to %d, which is more than KEYFEED_MAX_SHRINK=%d percent: "+
		"was the source restarted empty, or is it another one? Nothing of it was published. Bring the data back and start again, "+
		"or approve it with keyfeed position reset", ErrOperator, from, to, b.cfg.MaxShrink)
}

// guardedLocked reports whether a snapshot of this server needs no count of its own: INFO counted, or an operator
// approved. b.mu is held.
func (b *Bridge) guardedLocked(server *ingest.ServerInfo) bool { return b.approved || server.KeysKnown }

// guardSpool counts the keys of g's snapshot, before its first event is published, where nothing else has. The mark that it
// passed is durable: a restart does not count again. Dying before the mark does.
func (b *Bridge) guardSpool(ctx context.Context, g *generation) error {
	b.mu.Lock()
	spool, skip, from := g.spool, g.meta.Guarded || !b.cfg.shrinks(b.keys, 0), b.keys
	b.mu.Unlock()
	if skip || spool == nil {
		return nil
	}
	n, err := spool.CountKeys(ctx)
	if err != nil {
		return err
	}
	b.mu.Lock()
	approved := b.approved
	if !b.cfg.shrinks(from, n) {
		m := g.meta
		m.Guarded = true
		if err = b.saveMeta(g, m); noSpace(err) {
			b.log.Warn("the disk is full; that the snapshot's keys were counted is not noted", "error", err)
			g.meta, err = m, nil // counted again after a restart, unless something of it was published
		}
		b.keepCountLocked(g, n)
		b.mu.Unlock()
		return err
	}
	b.mu.Unlock()
	if approved {
		// The snapshot that the operator asked for is on its way; what is wrong with this one matters no more.
		<-ctx.Done()
		return context.Cause(ctx)
	}
	return b.shrunk(from.Keys, n)
}

// countKeys keeps the count until ctx ends.
func (b *Bridge) countKeys(ctx context.Context) error {
	every := b.cfg.CountEvery
	if every <= 0 {
		every = countEvery
	}
	tick := time.NewTicker(every)
	defer tick.Stop()
	for {
		select {
		case <-ctx.Done():
			return nil
		case <-tick.C:
		}
		if b.replicaState() != ingest.StateStreaming {
			continue
		}
		look, cancel := context.WithTimeout(ctx, countEvery/2)
		server, err := ingest.Look(look, b.cfg.Source)
		cancel()
		if err != nil {
			b.log.Debug("the keys of the source could not be counted", "error", err) // the link tells what is wrong with the source
			continue
		}
		b.counted(&server)
	}
}

func (b *Bridge) replicaState() ingest.State {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.replica == nil {
		return ingest.StateStopped
	}
	return b.replica.Status().State
}

// counted takes over what server says it holds, if server is what the newest log follows: the address may have
// moved, or the server come back empty, while the link has not noticed.
func (b *Bridge) counted(server *ingest.ServerInfo) {
	b.mu.Lock()
	defer b.mu.Unlock()
	g := b.newestLocked()
	if g == nil || !server.KeysKnown || !strings.EqualFold(server.ReplID, g.log.Tail().Unit.ReplID) {
		return
	}
	b.keepCountLocked(g, server.Keys)
}

// keepCountLocked remembers n, unless the snapshot of g may still be refused for it: then it would be what the next start
// compares with. b.mu is held.
func (b *Bridge) keepCountLocked(g *generation, n int64) {
	if b.cfg.MaxShrink > 0 && g.hasSnapshot() && !g.meta.Guarded {
		return
	}
	had := b.keys
	b.keys = keyCount{Keys: n, Known: true}
	if b.memory() || had == b.keys {
		return
	}
	if err := writeState(b.dir, keysFile, b.keys); err != nil {
		b.log.Warn("the keys of the source could not be noted; KEYFEED_MAX_SHRINK compares with an older count after a restart", "error", err)
	}
}

// keysHeld is the count for heartbeats. Any goroutine may call it.
func (b *Bridge) keysHeld() (int64, bool) {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.keys.Keys, b.keys.Known
}
