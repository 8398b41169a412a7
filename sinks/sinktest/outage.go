//nolint:thelper // these are tests, not helpers: a failure is to name its line here
package sinktest

import (
	"context"
	"errors"
	"testing"
	"time"

	"keyfeed/sinks"
)

func testBrokerAwayAtOpen(t *testing.T, p *player) {
	s := p.client(t)
	p.open(t, s)
	p.mustWrite(t, s, 0, 10)
	p.mustFlush(t, s, 10)
	p.h.StopBroker(t)
	ctx, cancel := context.WithTimeout(t.Context(), 2*time.Second)
	defer cancel()
	fresh := p.client(t)
	if _, err := fresh.Open(ctx); err == nil || errors.Is(err, sinks.ErrConfig) {
		t.Errorf("Open without a broker gave %v, want an error that a retry may heal", err)
	}
	p.h.StartBroker(t)
	i := p.openEventually(t, fresh)
	if i != 10 {
		t.Fatalf("the broker is back with position %v, want %v", p.source.end(i), p.source.end(10))
	}
	p.mustWrite(t, fresh, i, 20)
	p.mustFlush(t, fresh, 20)
	p.checkStored(t, 20)
}

// testBrokerAwayAndBack takes the broker away while records are written, several times.
func testBrokerAwayAndBack(t *testing.T, p *player) {
	s := p.impatient(t)
	all := len(p.source.records)
	i := p.openEventually(t, s)
	for cut := range 3 {
		upTo := i + (all-i)/4
		if cut == 1 {
			p.carryOn(t, s, i, upTo)
		} else if err := p.write(within(t), s, i, upTo); err != nil {
			mustBeTransient(t, err)
		}
		p.h.StopBroker(t)
		p.checkFails(t, s, upTo)
		p.h.StartBroker(t)
		i = p.openEventually(t, s)
		if i > upTo+1 {
			t.Fatalf("the client starts at %d, but only %d records were written", i, upTo+1)
		}
	}
	p.carryOn(t, s, i, all)
	p.checkStored(t, all)
}

// carryOn writes the records from <= i < to and flushes as the pump does: it opens a client anew that a slow broker fails.
func (p *player) carryOn(t *testing.T, s sinks.Sink, from, to int) {
	t.Helper()
	for ctx := within(t); ; from = p.openEventually(t, s) {
		err := p.write(ctx, s, from, to)
		if err == nil {
			err = s.Flush(ctx)
		}
		if err == nil {
			break
		}
		mustBeTransient(t, err)
	}
	if got, want := s.Confirmed(), p.source.end(to); !same(got, want) {
		t.Fatalf("after Flush, Confirmed() is %v, want %v", got, want)
	}
}

// mustBeTransient expects an error that a retry may heal, and none of the test's own.
func mustBeTransient(t *testing.T, err error) {
	t.Helper()
	if errors.Is(err, sinks.ErrConfig) || errors.Is(err, sinks.ErrFenced) || errors.Is(err, context.DeadlineExceeded) {
		t.Fatalf("got %v, want an error that a retry may heal", err)
	}
}

// checkFails checks how a sink fails whose broker is gone, and that it stays failed.
func (p *player) checkFails(t *testing.T, s sinks.Sink, next int) {
	t.Helper()
	writeErr := s.Write(within(t), p.ledger.lend(p.source.records[next:next+1]))
	flushErr := s.Flush(within(t))
	if flushErr == nil {
		t.Fatal("Flush gave no error although the broker is away")
	}
	mustBeTransient(t, flushErr)
	select {
	case <-s.Updates():
	case <-time.After(patience):
		t.Error("Updates does not tell that the sink failed")
	}
	confirmed := s.Confirmed()
	for range 2 {
		b := p.ledger.lend(p.source.records[next : next+1])
		if err := s.Write(within(t), b); err == nil || err.Error() != flushErr.Error() {
			t.Errorf("Write of a failed sink gave %v, want the first error again: %v", err, flushErr)
		}
		if !p.ledger.isBack(b) {
			t.Error("the batch of a failed Write is not back")
		}
		if err := s.Err(); err == nil || err.Error() != flushErr.Error() {
			t.Errorf("Err() is %v, want the first error: %v", err, flushErr)
		}
	}
	if writeErr != nil && writeErr.Error() != flushErr.Error() {
		t.Errorf("Write gave %v, then Flush %v: want one error", writeErr, flushErr)
	}
	if got := s.Confirmed(); got != confirmed {
		t.Errorf("Confirmed moved from %v to %v after the failure", confirmed, got)
	}
}

// openEventually opens s until that succeeds: a broker that is back may still be starting.
func (p *player) openEventually(t *testing.T, s sinks.Sink) int {
	t.Helper()
	ctx := within(t)
	for {
		pos, err := s.Open(ctx)
		if err == nil {
			return p.source.after(t, pos)
		}
		if errors.Is(err, sinks.ErrConfig) || errors.Is(err, sinks.ErrFenced) || ctx.Err() != nil {
			t.Fatalf("Open after the broker's absence: %v", err)
		}
		select {
		case <-time.After(20 * time.Millisecond):
		case <-ctx.Done():
		}
	}
}
