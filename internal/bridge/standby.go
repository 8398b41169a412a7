package bridge

import (
	"context"
	"errors"
	"fmt"
	"time"

	"keyfeed/sinks"
)

// fencedFile says that another keyfeed took this one's sink over, so that the next start does not take it back at once:
// two that were started by mistake would take turns for ever, each with a log of its own.
//
// It is written when Run ends fenced, and removed after the first Open that succeeds. A process that dies between the
// two stands by once more although nobody else is there, which costs the quiet time; one that dies after it was fenced
// and before the mark is written takes the sink back once, and the other one is marked then.
const fencedFile = "fenced"

const (
	// quietTimes is for how many heartbeat intervals no other writer may be seen before a fenced process takes the sink over.
	quietTimes = 3
	// quietLeast is three times what a writer takes at most between two signs of life: see sinks.Stander.
	quietLeast = 15 * time.Second
)

// standBy waits while another keyfeed writes to the sink, if this one was fenced before. The source is left alone
// meanwhile: following it would cost it a second replica, which WAIT counts, for a log that nobody reads.
//
// It is left alone until the sink's position has been looked up, too. This one's log ended when it was fenced, and the
// source may no longer have what follows it: asking for that would cost a full sync, where asking for what follows the
// sink's position, which the other keyfeed kept moving, costs none (P6).
func (b *Bridge) standBy(ctx context.Context) error {
	fenced, err := b.hasMark(fencedFile)
	if err != nil {
		return fmt.Errorf("looking whether this keyfeed was fenced: %w", err)
	}
	if !fenced {
		return nil
	}
	b.mu.Lock()
	b.detached = true
	b.mu.Unlock()
	b.setStanding(true)
	defer b.setStanding(false)
	quiet := b.quiet()
	b.log.Warn("another keyfeed took the sink over from this one; standing by until it has not been seen for a while. "+
		"Run one keyfeed per source: stop either", "quiet", quiet.String())
	if err := b.pump.StandBy(ctx, quiet); err != nil || ctx.Err() != nil {
		return err
	}
	b.log.Info("no other keyfeed writes to the sink; taking it over")
	return nil
}

func (b *Bridge) quiet() time.Duration {
	if b.cfg.Quiet > 0 {
		return b.cfg.Quiet
	}
	return max(quietTimes*b.cfg.Pump.HeartbeatInterval, quietLeast)
}

func (b *Bridge) setStanding(on bool) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.standing = on
}

// fenced notes for the next start that err was another writer's takeover.
func (b *Bridge) fenced(err error) error {
	if !errors.Is(err, sinks.ErrFenced) || b.memory() {
		return err
	}
	if merr := writeMark(b.dir, fencedFile); merr != nil {
		return errors.Join(err, fmt.Errorf("noting that another keyfeed took over: %w", merr))
	}
	return err
}
