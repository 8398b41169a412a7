package sinktest

import (
	"sync"
	"testing"
	"time"

	"keyfeed/internal/change"
)

// ledger lends batches to a sink and notes that each comes back exactly once.
type ledger struct {
	mu       sync.Mutex
	returned map[*change.Batch]int // guarded by mu
}

func newLedger() *ledger { return &ledger{returned: make(map[*change.Batch]int)} }

// lend makes a batch with bytes of its own, which are overwritten when it comes back.
func (l *ledger) lend(records []change.Record) *change.Batch {
	b := &change.Batch{Records: make([]change.Record, len(records))}
	for i, r := range records {
		r.Value = append([]byte(nil), r.Value...)
		if r.Key != nil {
			r.Key = append([]byte{}, r.Key...)
		}
		b.Records[i] = r
		b.Bytes += len(r.Value) + len(r.Key)
	}
	b.Free = l.take
	l.mu.Lock()
	defer l.mu.Unlock()
	l.returned[b] = 0
	return b
}

func (l *ledger) take(b *change.Batch) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.returned[b]++
	for _, r := range b.Records {
		fill(r.Value)
		fill(r.Key)
	}
	clear(b.Records)
	b.Records = b.Records[:0]
}

// out is the number of batches that are not back.
func (l *ledger) out() int {
	l.mu.Lock()
	defer l.mu.Unlock()
	n := 0
	for _, back := range l.returned {
		if back == 0 {
			n++
		}
	}
	return n
}

// fill is quick also with the race detector, which counts single bytes: the sink's own goroutine waits for it.
func fill(p []byte) {
	if len(p) == 0 {
		return
	}
	p[0] = '#'
	for n := 1; n < len(p); n *= 2 {
		copy(p[n:], p[:n])
	}
}

func (l *ledger) isBack(b *change.Batch) bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.returned[b] > 0
}

// settle checks that every batch comes back once. To be called when all is confirmed, or after Close: a sink may give
// the last batches back a moment after it has confirmed them.
func (l *ledger) settle(t *testing.T) {
	t.Helper()
	for deadline := time.Now().Add(10 * time.Second); l.out() > 0 && time.Now().Before(deadline); {
		<-time.After(time.Millisecond)
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	wrong := 0
	for _, n := range l.returned {
		if n != 1 {
			wrong++
		}
	}
	if wrong > 0 {
		t.Errorf("%d of %d batches did not come back exactly once", wrong, len(l.returned))
	}
}
