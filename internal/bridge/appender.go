package bridge

import (
	"context"
	"errors"
	"fmt"
	"time"

	"keyfeed/backlog"
	"keyfeed/internal/change"
)

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
