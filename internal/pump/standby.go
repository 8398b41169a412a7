package pump

import (
	"context"
	"errors"
	"fmt"
	"time"

	"keyfeed/sinks"
)

// StandBy waits until no other writer has been seen at the sink for as long as quiet, without disturbing one. It returns
// nil then, or when ctx ends, or when the sink cannot see other writers; an error needs an operator. Called before Run, by
// the same goroutine.
//
// A look that fails says nothing about other writers, so the next one waits for the whole quiet time again.
func (p *Pump) StandBy(ctx context.Context, quiet time.Duration) error {
	s, ok := p.sink.(sinks.Stander)
	if !ok {
		return nil
	}
	back := newBackoff(&p.cfg)
	for {
		err := s.Standby(ctx, quiet)
		if err == nil || ctx.Err() != nil {
			return nil //nolint:nilerr // what a look said while it was stopped means nothing
		}
		if !transient(err) {
			return errors.Join(fmt.Errorf("standing by: %w", err), p.closeSink())
		}
		wait := back.next()
		p.cfg.Logger.Warn("the sink does not show whether another keyfeed writes to it, will look again",
			"error", err, "backoff_ms", wait.Milliseconds())
		if !pause(ctx, wait) {
			return nil
		}
	}
}
