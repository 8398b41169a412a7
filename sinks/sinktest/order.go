//nolint:thelper // these are tests, not helpers: a failure is to name its line here
package sinktest

import (
	"fmt"
	"sync"
	"testing"

	"keyfeed/internal/change"
)

func testOrderAndContent(t *testing.T, p *player) {
	s := p.client(t)
	i := p.open(t, s)
	all := len(p.source.records)
	stop := make(chan struct{})
	var watchers sync.WaitGroup
	watchers.Go(func() { // any goroutine may look at any time
		last := change.Position{}
		for {
			select {
			case <-stop:
				return
			case <-s.Updates():
			}
			now := s.Confirmed()
			if now.Compare(last) < 0 {
				t.Errorf("Confirmed went back from %v to %v", last, now)
			}
			last = now
			if err := s.Err(); err != nil {
				t.Errorf("Err() is %v", err)
			}
		}
	})
	p.mustWrite(t, s, i, all)
	p.mustFlush(t, s, all)
	close(stop)
	watchers.Wait()
	p.ledger.settle(t) // all is confirmed, so all batches are back, before Close
	p.checkStored(t, all)
	mustClose(t, s)
	p.checkStored(t, all)
	if i := p.open(t, p.client(t)); i != all {
		t.Errorf("the next client starts at %v, want %v", p.source.end(i), p.source.end(all))
	}
}

func testOneRecordBatches(t *testing.T, p *player) {
	s := p.client(t)
	p.open(t, s)
	for i := range 100 {
		if err := s.Write(within(t), p.ledger.lend(p.source.records[i:i+1])); err != nil {
			t.Fatal(err)
		}
		if i%10 == 9 {
			p.mustFlush(t, s, i+1)
		}
	}
	p.checkStored(t, 100)
}

func testUpdatesWithoutFlush(t *testing.T, p *player) {
	s := p.client(t)
	p.open(t, s)
	to := 100
	for p.source.end(to).InUnit() {
		to++ // a sink may wait for the rest of a unit that has begun
	}
	p.mustWrite(t, s, 0, to)
	ctx := within(t)
	for !same(s.Confirmed(), p.source.end(to)) {
		select {
		case <-s.Updates():
		case <-ctx.Done():
			t.Fatalf("Confirmed stays at %v without a Flush, want %v", s.Confirmed(), p.source.end(to))
		}
	}
	p.checkStored(t, to)
}

func testManyKeys(t *testing.T, p *player) {
	s := p.client(t)
	p.open(t, s)
	for i := range p.source.records {
		if r := &p.source.records[i]; r.Route == change.RouteKey {
			r.Key = fmt.Appendf(nil, "key %d: with\r\nevery \x00 .byte* >\xff", i%500)
		}
	}
	all := len(p.source.records)
	p.mustWrite(t, s, 0, all)
	p.mustFlush(t, s, all)
	p.checkStored(t, all)
}
