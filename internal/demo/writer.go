package main

import (
	"context"
	"fmt"
	"sync/atomic"
	"time"

	"github.com/redis/go-redis/v9"
)

// writer makes numbered changes, each with a key of its own, so that a missing or doubled one can be named.
type writer struct {
	c *redis.Client
	n atomic.Int64
}

func newWriter(c *redis.Client) *writer { return &writer{c: c} }

func orderKey(n int64) string { return fmt.Sprintf("order:%06d", n) }

// count is the number of changes made.
func (w *writer) count() int64 { return w.n.Load() }

// last is the key of the newest change.
func (w *writer) last() string { return orderKey(w.n.Load()) }

// write makes n changes. Every fourth is a transaction that also touches a list and a counter.
func (w *writer) write(ctx context.Context, n int) error {
	for range n {
		i := w.n.Load() + 1
		var err error
		switch i % 4 {
		case 0:
			_, err = w.c.TxPipelined(ctx, func(p redis.Pipeliner) error {
				p.HSet(ctx, orderKey(i), "item", "coffee", "n", i)
				p.RPush(ctx, "queue:orders", i)
				p.Incr(ctx, "orders:total")
				return nil
			})
		case 1:
			err = w.c.Set(ctx, orderKey(i), i, time.Hour).Err()
		case 2:
			err = w.c.ZAdd(ctx, orderKey(i), redis.Z{Score: float64(i), Member: "total"}).Err()
		default:
			err = w.c.HSet(ctx, orderKey(i), "item", "tea", "n", i).Err()
		}
		if err != nil {
			return fmt.Errorf("change %d: %w", i, err)
		}
		w.n.Store(i)
	}
	return nil
}

// writeUntil makes about a thousand changes a second until ctx ends.
func (w *writer) writeUntil(ctx context.Context) error {
	tick := time.NewTicker(10 * time.Millisecond)
	defer tick.Stop()
	for {
		select {
		case <-tick.C:
		case <-ctx.Done():
			return nil
		}
		// A change once begun is finished, or its number would be missing without anybody's fault.
		if err := w.write(context.WithoutCancel(ctx), 10); err != nil {
			return err
		}
	}
}
