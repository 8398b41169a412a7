package bridge_test

import (
	"context"
	"errors"
	"strings"
	"sync"
	"testing"
	"time"

	"keyfeed/internal/change"
	"keyfeed/internal/testenv"
	"keyfeed/sinks"
)

// place is a broker that fences: the client that opened last is its only writer.
type place struct {
	mu    sync.Mutex
	owner *tenant     // guarded by mu
	left  time.Time   // when the place was last without an owner; guarded by mu
	store *memorySink // what is stored
}

// tenant is one client of a place.
type tenant struct {
	*memorySink

	place   *place
	updates chan struct{}
}

func (p *place) tenant() *tenant {
	return &tenant{memorySink: p.store, place: p, updates: make(chan struct{}, 1)}
}

func (c *tenant) Open(ctx context.Context) (change.Position, error) {
	c.place.mu.Lock()
	defer c.place.mu.Unlock()
	if old := c.place.owner; old != nil && old != c {
		select {
		case old.updates <- struct{}{}: // it learns that it was fenced
		default:
		}
	}
	c.place.owner = c
	return c.memorySink.Open(ctx)
}

func (c *tenant) Err() error {
	c.place.mu.Lock()
	defer c.place.mu.Unlock()
	if c.place.owner != c {
		return sinks.ErrFenced
	}
	return c.memorySink.Err()
}

func (c *tenant) Write(ctx context.Context, b *change.Batch) error {
	if err := c.Err(); err != nil {
		b.Release()
		return err
	}
	return c.memorySink.Write(ctx, b)
}

func (c *tenant) Flush(context.Context) error { return c.Err() }

func (c *tenant) Updates() <-chan struct{} { return c.updates }

func (c *tenant) Close() error {
	c.place.mu.Lock()
	defer c.place.mu.Unlock()
	if c.place.owner == c {
		c.place.owner, c.place.left = nil, time.Now()
	}
	return nil
}

// Standby implements sinks.Stander: an owner that is open shows signs of life all the time.
func (c *tenant) Standby(ctx context.Context, quiet time.Duration) error {
	began := time.Now()
	for {
		c.place.mu.Lock()
		since, busy := c.place.left, c.place.owner != nil
		c.place.mu.Unlock()
		if since.Before(began) {
			since = began
		}
		if !busy && time.Since(since) >= quiet {
			return nil
		}
		select {
		case <-ctx.Done():
			return context.Cause(ctx)
		case <-time.After(time.Millisecond):
		}
	}
}

// TestFencedKeyfeedStandsBy: two keyfeeds on one sink do not take turns. The one that was fenced stands by at its next
// start, without a link to the source, and goes on when the other one has ended.
func TestFencedKeyfeedStandsBy(t *testing.T) {
	a := newRig(t)
	a.cfg.Quiet = 100 * time.Millisecond
	home := &place{store: a.sink}
	b := *a
	b.cfg.DataDir = t.TempDir()

	a.startOn(home.tenant())
	a.set("1")
	a.await("1")
	b.startOn(home.tenant())
	if err := a.end(false); !errors.Is(err, sinks.ErrFenced) {
		t.Fatalf("Run returned %v, want that it was fenced", err)
	}
	a.set("2")
	a.await("2")

	a.startOn(home.tenant())
	testenv.Eventually(t, patience, "standing by", func() bool { return a.b.Status().StandingBy })
	if err := a.b.Ready(); err == nil || !strings.Contains(err.Error(), "standing by") {
		t.Errorf("Ready says %v", err)
	}
	a.set("3")
	a.await("3")
	if state := a.b.Status().Link.State; state != "" {
		t.Errorf("the link of a keyfeed that stands by is %q", state)
	}
	b.stopClean()
	testenv.Eventually(t, patience, "the sink taken over", func() bool { return a.b.Ready() == nil })
	a.set("4")
	a.await("4")
	a.stopClean()
	a.check(1, "initial")

	// The mark is gone: what was stopped in peace starts at once.
	a.startOn(home.tenant())
	testenv.Eventually(t, patience, "streaming", func() bool { return a.b.Ready() == nil })
	if a.b.Status().StandingBy {
		t.Error("stands by without a reason")
	}
	a.stopClean()
	a.check(1, "initial")
}

func TestStandbyEndsWithASignal(t *testing.T) {
	a := newRig(t)
	a.cfg.Quiet = time.Hour
	home := &place{store: a.sink}
	b := *a
	b.cfg.DataDir = t.TempDir()
	a.startOn(home.tenant())
	a.set("1")
	a.await("1")
	b.startOn(home.tenant())
	if err := a.end(false); !errors.Is(err, sinks.ErrFenced) {
		t.Fatalf("Run returned %v, want that it was fenced", err)
	}
	for range 2 { // a stop is not an answer: the mark stays
		a.startOn(home.tenant())
		testenv.Eventually(t, patience, "standing by", func() bool { return a.b.Status().StandingBy })
		a.stopClean()
	}
	b.stopClean()
}

// Without a disk nothing is remembered: the next start takes the sink over.
func TestFencedWithoutADisk(t *testing.T) {
	a := newRig(t)
	a.cfg.Memory, a.cfg.AckPublished = true, true
	home := &place{store: a.sink}
	b := *a
	a.startOn(home.tenant())
	a.set("1")
	a.await("1")
	b.startOn(home.tenant())
	if err := a.end(false); !errors.Is(err, sinks.ErrFenced) {
		t.Fatalf("Run returned %v, want that it was fenced", err)
	}
	a.startOn(home.tenant())
	if err := b.end(false); !errors.Is(err, sinks.ErrFenced) {
		t.Fatalf("Run returned %v, want that it was fenced", err)
	}
	a.stopClean()
}
