package ingest

import (
	"math/rand/v2"
	"time"
)

// backoff spaces attempts: exponential, with half of each wait random so that keyfeeds cut off together do not come back
// together. Attempts after a full resync that did not lead to a lasting link have their own, longer scale: each costs
// the source a fork, and an overrun output buffer cuts the next one at the same point.
type backoff struct {
	cfg         *Config
	wait, after time.Duration // the last wait of each scale; 0 = none since a good link
}

// next is the wait after a link that lasted streaming as long as given, and had a full resync or not.
func (b *backoff) next(streamed time.Duration, full bool) time.Duration {
	if streamed >= b.cfg.BackoffMax {
		b.wait = 0
	}
	if streamed >= b.cfg.FullSyncBackoffMin {
		b.after = 0
	}
	if full && streamed < b.cfg.FullSyncBackoffMin {
		b.after = grow(b.after, b.cfg.FullSyncBackoffMin, b.cfg.FullSyncBackoffMax)
		return jitter(b.after)
	}
	b.wait = grow(b.wait, b.cfg.BackoffMin, b.cfg.BackoffMax)
	return jitter(b.wait)
}

func grow(d, first, most time.Duration) time.Duration {
	if d == 0 {
		return first
	}
	return min(2*d, most)
}

// jitter is between half of d and d.
func jitter(d time.Duration) time.Duration {
	return d/2 + rand.N(d/2+1) //nolint:gosec // spreads load, guards nothing
}
