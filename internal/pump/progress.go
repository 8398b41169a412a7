package pump

import (
	"sync"

	"keyfeed/internal/change"
)

// progress is what the pump's goroutine tells others, once per batch.
type progress struct {
	mu     sync.Mutex
	queued change.Position // end of the last batch handed to the sink; guarded by mu
	passed change.Position // the feed's position when nothing was left behind queued; zero otherwise; guarded by mu
	want   int64           // somebody waits until this offset is stored; guarded by mu
}

func (p *progress) report(queued, passed change.Position) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.queued, p.passed = queued, passed
}

// published is the position up to which everything is in the sink, bytes without events included, when the sink has
// confirmed the given one.
func (p *progress) published(confirmed change.Position) change.Position {
	p.mu.Lock()
	defer p.mu.Unlock()
	if confirmed == p.queued && !p.passed.IsZero() {
		return p.passed
	}
	return confirmed
}

func (p *progress) setWant(offset int64) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.want = max(p.want, offset)
}

// wants reports whether somebody waits for offset, or less, to be stored.
func (p *progress) wants(offset int64) bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.want == 0 || offset < p.want {
		return false
	}
	p.want = 0
	return true
}
