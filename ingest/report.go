package ingest

import (
	"log/slog"
	"time"
)

// reportInterval is how often the same trouble is logged.
const reportInterval = 30 * time.Second

// reporter logs failures without filling the log: the first at once, then one line per interval with a count, and one
// line when it is over. It belongs to the goroutine of Run, whose session runs only while Run waits for it.
type reporter struct {
	log      *slog.Logger
	failures int // since the last link that streamed
	since    time.Time
	logged   time.Time
}

func (r *reporter) failed(err error, wait time.Duration) {
	now := time.Now()
	if r.failures == 0 {
		r.since = now
	}
	r.failures++
	if r.failures > 1 && now.Sub(r.logged) < reportInterval {
		return
	}
	r.logged = now
	r.log.Warn("no link to the source", "err", err.Error(), "failures", r.failures, "retry_in", wait.Round(time.Millisecond).String())
}

func (r *reporter) recovered() {
	if r.failures > 0 {
		r.log.Info("the link to the source is back", "failures", r.failures, "away", time.Since(r.since).Round(time.Millisecond).String())
	}
	r.failures = 0
}
