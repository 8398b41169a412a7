//nolint:thelper // these are tests, not helpers: a failure is to name its line here
package sinktest

import (
	"context"
	"errors"
	"testing"
	"time"
)

// grace is how long a sink that does not block is given to show it. A sink that blocks passes whatever its value is.
const grace = 300 * time.Millisecond

// fillUntilBlocked writes records one by one until the sink blocks, at most far beyond its window.
func (p *player) fillUntilBlocked(ctx context.Context, write func(ctx context.Context, i int) error) (wrote chan int, ended chan error) {
	wrote, ended = make(chan int, len(p.source.records)), make(chan error, 1)
	go func() {
		for i := range min(4*p.h.Window, len(p.source.records)) {
			if err := write(ctx, i); err != nil {
				ended <- err
				return
			}
			wrote <- i
		}
		ended <- nil
	}()
	return wrote, ended
}

func testWindowBlocks(t *testing.T, p *player) {
	s := p.client(t)
	p.open(t, s)
	p.h.Stall(t)
	defer p.h.Resume(t)
	boom := errors.New("the pump ends")
	ctx, cancel := context.WithCancelCause(t.Context())
	defer cancel(nil)
	wrote, ended := p.fillUntilBlocked(ctx, func(ctx context.Context, i int) error {
		return s.Write(ctx, p.ledger.lend(p.source.records[i:i+1]))
	})
	limit := time.NewTimer(patience)
	defer limit.Stop()
	for n := 0; n < p.h.Window; n++ {
		select {
		case <-wrote:
		case err := <-ended:
			t.Fatalf("Write within the window ended after %d records of %d: %v", n, p.h.Window, err)
		case <-limit.C:
			t.Fatalf("Write blocks after %d records, the window has room for %d", n, p.h.Window)
		}
	}
	select {
	case err := <-ended:
		t.Fatalf("%d records were taken by a window of %d, the last with error %v", len(wrote)+p.h.Window, p.h.Window, err)
	case <-time.After(grace):
	}
	cancel(boom)
	select {
	case err := <-ended:
		if !errors.Is(err, boom) && !errors.Is(err, context.Canceled) {
			t.Errorf("Write ended with %v, want the cause of its context", err)
		}
	case <-limit.C:
		t.Fatal("Write goes on waiting after its context ended")
	}
	if s.Err() == nil {
		t.Error("a Write was given up, yet Err() is nil")
	}
}

func testFlushEndsWithContext(t *testing.T, p *player) {
	s := p.client(t)
	p.open(t, s)
	p.h.Stall(t)
	p.mustWrite(t, s, 0, 1)
	ctx, cancel := context.WithCancel(t.Context())
	flushed := make(chan error, 1)
	go func() { flushed <- s.Flush(ctx) }()
	cancel()
	select {
	case err := <-flushed:
		if !errors.Is(err, context.Canceled) {
			t.Errorf("Flush ended with %v, want the cause of its context", err)
		}
	case <-time.After(patience):
		t.Fatal("Flush goes on waiting after its context ended")
	}
	if err := s.Err(); err != nil {
		t.Errorf("giving up a Flush failed the sink: %v", err)
	}
	if got := s.Confirmed(); !got.IsZero() {
		t.Errorf("Confirmed() is %v while the place takes nothing", got)
	}
	p.h.Resume(t)
	p.mustFlush(t, s, 1)
	p.checkStored(t, 1)
}

func testCloseDoesNotWait(t *testing.T, p *player) {
	s := p.client(t)
	p.open(t, s)
	p.h.Stall(t)
	p.mustWrite(t, s, 0, 1)
	closed := make(chan error, 1)
	go func() { closed <- s.Close() }()
	select {
	case err := <-closed:
		t.Logf("Close: %v", err) // it may tell that the place hangs
	case <-time.After(patience):
		t.Error("Close waits for a place that takes nothing")
	}
	p.h.Resume(t)
	next := p.client(t)
	i := p.open(t, next)
	p.mustWrite(t, next, i, 50)
	p.mustFlush(t, next, 50)
	p.checkStored(t, 50)
}
