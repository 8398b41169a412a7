package pump

import (
	"context"
	"math/rand/v2"
	"time"
)

// backoff gives the waits between attempts to reach the sink: jittered, and doubling up to a limit.
type backoff struct {
	min, max time.Duration
	delay    time.Duration
}

func newBackoff(c *Config) *backoff {
	return &backoff{min: c.BackoffMin, max: c.BackoffMax, delay: c.BackoffMin}
}

// reset begins again with the shortest wait.
func (b *backoff) reset() { b.delay = b.min }

// next is the next wait: from half of the delay to all of it.
func (b *backoff) next() time.Duration {
	wait := b.delay/2 + rand.N(b.delay/2+1)
	b.delay = min(2*b.delay, b.max)
	return wait
}

// pause waits, and reports whether ctx goes on.
func pause(ctx context.Context, wait time.Duration) bool {
	timer := time.NewTimer(wait)
	defer timer.Stop()
	select {
	case <-timer.C:
		return true
	case <-ctx.Done():
		return false
	}
}
