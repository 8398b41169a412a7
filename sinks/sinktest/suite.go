package sinktest

import (
	"context"
	"math/rand/v2"
	"testing"
	"time"

	"keyfeed/sinks"
)

// patience bounds every wait; it only matters when a sink is broken.
const patience = 60 * time.Second

// Run runs the suite. newHarness makes an empty place and is called once per test; what it starts it ends with
// t.Cleanup.
func Run(t *testing.T, newHarness func(t *testing.T) Harness, features Features) {
	t.Helper()
	for _, test := range []struct {
		name  string
		run   func(t *testing.T, p *player)
		needs func(h *Harness, f *Features) bool
	}{
		{"EmptyPlace", testEmptyPlace, nil},
		{"CloseEndsEverything", testCloseEndsEverything, nil},
		{"EmptyBatch", testEmptyBatch, nil},
		{"OrderAndContent", testOrderAndContent, nil},
		{"OneRecordBatches", testOneRecordBatches, nil},
		{"UpdatesWithoutFlush", testUpdatesWithoutFlush, nil},
		{"PositionInsideUnit", testPositionInsideUnit, nil},
		{"PositionInsideSnapshot", testPositionInsideSnapshot, nil},
		{"ReopenAnywhere", testReopenAnywhere, nil},
		{"OpenAgainWithoutFailure", testOpenAgainWithoutFailure, nil},
		{"WriteAfterContextEnded", testWriteAfterContextEnded, nil},
		{"LargeRecords", testLargeRecords, nil},
		{"RecordTooLarge", testRecordTooLarge, nil},
		{"ManyKeys", testManyKeys, nil},
		{"NoGoroutineLeft", testNoGoroutineLeft, nil},
		{"RivalTakesOver/Fences", testRivalTakesOver, fences},
		{"PausedWriterWakesUp/Fences", testPausedWriterWakesUp, fences},
		{"RivalsUntilOneIsLeft/Fences", testRivalsUntilOneIsLeft, fences},
		{"Standby/Fences", testStandby, fences},
		{"StandbyEndsWithContext/Fences", testStandbyEndsWithContext, fences},
		{"Look", testLook, nil},
		{"WindowBlocks/Stall", testWindowBlocks, canStall},
		{"FlushEndsWithContext/Stall", testFlushEndsWithContext, canStall},
		{"CloseDoesNotWait/Stall", testCloseDoesNotWait, canStall},
		{"BrokerAwayAtOpen/StopBroker", testBrokerAwayAtOpen, canStop},
		{"BrokerAwayAndBack/StopBroker", testBrokerAwayAndBack, canStop},
	} {
		t.Run(test.name, func(t *testing.T) {
			h := newHarness(t)
			if test.needs != nil && !test.needs(&h, &features) {
				t.Skip("the place cannot do this or be disturbed like this: see Harness and Features")
			}
			test.run(t, newPlayer(t, h, features))
		})
	}
}

func canStall(h *Harness, _ *Features) bool { return h.Stall != nil }

func canStop(h *Harness, _ *Features) bool { return h.StopBroker != nil }

func fences(_ *Harness, f *Features) bool { return f.Fences }

// player plays the pump against one place.
type player struct {
	h      Harness
	f      Features
	rng    *rand.Rand
	source *source
	ledger *ledger
}

func newPlayer(t *testing.T, h Harness, f Features) *player {
	t.Helper()
	seed := rand.Uint64()
	t.Logf("seed %d", seed)
	rng := rand.New(rand.NewPCG(seed, 0))
	p := &player{h: h, f: f, rng: rng, source: newSource(rng, 2000), ledger: newLedger()}
	return p
}

// client makes a client that is closed at the end of the test, when all batches must be back.
func (p *player) client(t *testing.T) sinks.Sink {
	t.Helper()
	return p.closed(t, p.h.New(t))
}

// impatient is a client that notices soon that the broker is away.
func (p *player) impatient(t *testing.T) sinks.Sink {
	t.Helper()
	if p.h.Impatient == nil {
		return p.client(t)
	}
	return p.closed(t, p.h.Impatient(t))
}

func (p *player) closed(t *testing.T, s sinks.Sink) sinks.Sink {
	t.Helper()
	t.Cleanup(func() {
		if err := s.Close(); err != nil {
			t.Errorf("Close at the end: %v", err)
		}
		p.ledger.settle(t)
	})
	return s
}

// open opens s, and returns the index of the record to continue with.
func (p *player) open(t *testing.T, s sinks.Sink) int {
	t.Helper()
	pos, err := s.Open(within(t))
	if err != nil {
		t.Fatalf("Open: %v", err)
	}
	if got := s.Confirmed(); got != pos {
		t.Fatalf("after Open, Confirmed() is %v, want what Open returned: %v", got, pos)
	}
	if err := s.Err(); err != nil {
		t.Fatalf("after Open, Err() is %v", err)
	}
	return p.source.after(t, pos)
}

// write writes the records from <= i < to in batches of random size, and stops at the first error.
func (p *player) write(ctx context.Context, s sinks.Sink, from, to int) error {
	for from < to {
		n := min(1+p.rng.IntN(64), to-from)
		if err := s.Write(ctx, p.ledger.lend(p.source.records[from:from+n])); err != nil {
			return err
		}
		from += n
	}
	return nil
}

func (p *player) mustWrite(t *testing.T, s sinks.Sink, from, to int) {
	t.Helper()
	if err := p.write(within(t), s, from, to); err != nil {
		t.Fatalf("Write: %v", err)
	}
}

// mustFlush flushes, and checks that the end of the records before index to is confirmed.
func (p *player) mustFlush(t *testing.T, s sinks.Sink, to int) {
	t.Helper()
	if err := s.Flush(within(t)); err != nil {
		t.Fatalf("Flush: %v", err)
	}
	if got, want := s.Confirmed(), p.source.end(to); !same(got, want) {
		t.Fatalf("after Flush, Confirmed() is %v, want %v", got, want)
	}
}

func mustClose(t *testing.T, s sinks.Sink) {
	t.Helper()
	if err := s.Close(); err != nil {
		t.Fatalf("Close: %v", err)
	}
}

func contextWithCause(t *testing.T) (context.Context, context.CancelCauseFunc) {
	t.Helper()
	ctx, cancel := context.WithCancelCause(t.Context())
	t.Cleanup(func() { cancel(nil) })
	return ctx, cancel
}

func within(t *testing.T) context.Context {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	t.Cleanup(cancel)
	return ctx
}
