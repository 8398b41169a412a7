//nolint:thelper // these are tests, not helpers: a failure is to name its line here
package sinktest

import (
	"testing"

	"keyfeed/internal/change"
)

func testPositionInsideUnit(t *testing.T, p *player) {
	p.testPositionAt(t, func(pos change.Position) bool { return pos.InUnit() && pos.Count >= 2 })
}

func testPositionInsideSnapshot(t *testing.T, p *player) {
	p.testPositionAt(t, func(pos change.Position) bool { return pos.InSnapshot() && pos.Count == 17 })
}

// testPositionAt ends a client at the first record whose position is wanted, and goes on with another.
func (p *player) testPositionAt(t *testing.T, wanted func(change.Position) bool) {
	t.Helper()
	at := 0
	for i := range p.source.records {
		if wanted(p.source.records[i].Pos) {
			at = i + 1
			break
		}
	}
	if at == 0 {
		t.Fatal("no record has such a position")
	}
	s := p.client(t)
	p.open(t, s)
	p.mustWrite(t, s, 0, at)
	p.mustFlush(t, s, at)
	mustClose(t, s)
	next := p.client(t)
	if i := p.open(t, next); i != at {
		t.Fatalf("the next client starts at %v, want %v", p.source.end(i), p.source.end(at))
	}
	p.mustWrite(t, next, at, at+50)
	p.mustFlush(t, next, at+50)
	p.checkStored(t, at+50)
}

// testReopenAnywhere ends clients at random points, half of them without a Flush, and compares the position of the
// next with what is stored.
func testReopenAnywhere(t *testing.T, p *player) {
	all := len(p.source.records)
	done, last := 0, 0
	for round := 0; done < all; round++ {
		s := p.client(t)
		i := p.open(t, s)
		if i < done {
			t.Fatalf("round %d starts at %d, but %d records were confirmed", round, i, done)
		}
		if i > last {
			t.Fatalf("round %d starts at %d, but only %d records were written", round, i, last)
		}
		p.checkStored(t, i)
		last = min(i+1+p.rng.IntN(400), all)
		p.mustWrite(t, s, i, last)
		if p.rng.IntN(2) == 0 {
			p.mustFlush(t, s, last)
		}
		done = p.source.after(t, s.Confirmed())
		mustClose(t, s)
	}
	p.checkStored(t, all)
}

// testOpenAgainWithoutFailure opens a client a second time with records in flight: they are dropped or taken into
// account.
func testOpenAgainWithoutFailure(t *testing.T, p *player) {
	s := p.client(t)
	p.open(t, s)
	p.mustWrite(t, s, 0, 700)
	done := p.source.after(t, s.Confirmed())
	i := p.open(t, s)
	if i < done || i > 700 {
		t.Fatalf("opened again, the client starts at %d, want between %d and 700", i, done)
	}
	p.ledger.settle(t)
	p.checkStored(t, i)
	p.mustWrite(t, s, i, 1000)
	p.mustFlush(t, s, 1000)
	p.checkStored(t, 1000)
}
