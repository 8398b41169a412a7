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

// The measure is what the consumers hold: a full sync that the sink does not have yet is none, or several of them while the
// sink is away would take away more together than each one alone. One that an operator approved is.

// keysFile in the source's directory holds the measure.
const keysFile = "keys.json"

// keyCount is how many keys the source held, as far as what was published goes.
type keyCount struct {
	Keys  int64 `json:"keys"`
	Known bool  `json:"known"`
}

// countEvery is how often the source is asked for its keys unless Config says otherwise: a connection of its own, for three
// INFO and nothing else. The number in heartbeats may be as old as that.
const countEvery = time.Minute

// guards reports whether KEYFEED_MAX_SHRINK means anything: a gap has nobody drop anything.
func (c *Config) guards() bool { return c.MaxShrink > 0 && c.SnapshotMode != SnapshotNever }

// shrinks reports whether going from so many keys to so many is more than KEYFEED_MAX_SHRINK allows.
func (c *Config) shrinks(from keyCount, to int64) bool {
	return c.guards() && from.Known && float64(from.Keys-to)*100 > float64(from.Keys)*float64(c.MaxShrink)
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

// guardSpool counts the keys of g's snapshot, before its first event is published, where nothing else has. The count is
// durable: a restart does not count again. Dying before that does.
func (b *Bridge) guardSpool(ctx context.Context, g *generation) error {
	b.mu.Lock()
	spool, counts := g.spool, b.cfg.guards() && g.meta.Keys == nil
	b.mu.Unlock()
	if !counts || spool == nil {
		return nil
	}
	n, err := spool.CountKeys(ctx)
	if err != nil {
		return err
	}
	b.mu.Lock()
	from, approved := b.keys, b.approved
	refused := !g.meta.Guarded && b.cfg.shrinks(from, n)
	if !refused {
		err = b.noteKeysLocked(g, n)
	}
	b.mu.Unlock()
	switch {
	case !refused:
		return err
	case approved:
		// The snapshot that the operator asked for is on its way; what is wrong with this one matters no more.
		<-ctx.Done()
		return context.Cause(ctx)
	}
	return b.shrunk(from.Keys, n)
}

// noteKeysLocked keeps the count of g's snapshot, which passed. b.mu is held.
func (b *Bridge) noteKeysLocked(g *generation, n int64) error {
	m := g.meta
	m.Guarded, m.Keys = true, &n
	err := b.saveMeta(g, m)
	if noSpace(err) {
		b.log.Warn("the disk is full; that the snapshot's keys were counted is not noted", "error", err)
		g.meta, err = m, nil // counted again after a restart, unless something of it was published
	}
	return err
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

// keepCountLocked remembers that the source held n keys in g. What no consumer holds yet is not the measure: a snapshot that
// is not in the sink may be refused or replaced, and what is compared with it would add up. b.mu is held.
func (b *Bridge) keepCountLocked(g *generation, n int64) {
	g.keys = keyCount{Keys: n, Known: true}
	if b.cfg.guards() && g.hasSnapshot() {
		return
	}
	b.measureLocked(g.keys)
}

// measureLocked makes n what the next full sync is compared with. b.mu is held.
func (b *Bridge) measureLocked(n keyCount) {
	if !n.Known || n == b.keys {
		return
	}
	b.keys = n
	if b.memory() {
		return
	}
	if err := writeState(b.dir, keysFile, n); err != nil {
		b.log.Warn("the keys of the source could not be noted; KEYFEED_MAX_SHRINK compares with an older count after a restart", "error", err)
	}
}

// keysHeld is the count for heartbeats. Any goroutine may call it.
func (b *Bridge) keysHeld() (int64, bool) {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.keys.Keys, b.keys.Known
}
