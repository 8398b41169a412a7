package bridge

import (
	"context"
	"fmt"
	"time"

	"keyfeed/ingest"
)

// A source that would send everything is refused for as long as
//
//	the sink's position is unknown | it may be one that the source goes on from, where it does not from the log's end: see awaitSinkLocked
//	the keys are too few           | for good: see guard.go
//	the budget is spent            | see budget.go
//
// INFO foretells most of it before PSYNC, which costs the source nothing; the rest is refused when it is answered, which
// costs it a fork in vain. Either way the source is asked again and again: it may go on with the log after all, and then
// nobody should have waited for a full sync.

// askPoll is how often the source is asked again, INFO first, while a full sync has to wait.
const askPoll = 5 * time.Second

// sinkPatience is how long a full sync waits for the sink's position, once in a run.
const sinkPatience = time.Minute

// turn is when the source may be asked again. It is guarded by Bridge.mu.
type turn struct {
	at    time.Time     // zero = now
	pause time.Duration // after the last answer that was refused; doubles, since each one costs a fork
	again bool          // INFO foretold everything before, and that was refused: what it means was logged
}

// inspectFullLocked is what stands between INFO and a PSYNC that the source will answer with everything. planned is what
// resume wanted to ask, r what INFO made of it. b.mu is held.
func (b *Bridge) inspectFullLocked(ctx context.Context, server *ingest.ServerInfo, planned, r ingest.Resume) error {
	if !r.Full && server.Refuses(r) == "" {
		return nil
	}
	if err := ended(ctx); err != nil {
		return err
	}
	if !planned.Full {
		if err := b.awaitSinkLocked(); err != nil {
			return err
		}
	}
	if err := b.guardLocked(server); err != nil {
		return err
	}
	wait, err := b.admitLocked()
	if err != nil {
		b.turn.at, b.turn.again = time.Now().Add(min(b.askPoll(), wait)), true
	}
	return err
}

// ended refuses a full sync on a link that is being ended, since the planner wants another one: the source would begin what
// nobody takes. The planner ends it under b.mu.
func ended(ctx context.Context) error {
	if ctx.Err() == nil {
		return nil
	}
	return fmt.Errorf("%w: the link is being ended: %w", ingest.ErrRetry, context.Cause(ctx))
}

// awaitSinkLocked refuses a full sync while it is not known whether the log continues the sink's position: a directory that
// is older than the sink asks for what the source may have dropped, where the sink needs what the source still has (P6).
//
// A sink that stays away is not waited for: what the source writes meanwhile is in no log, and the next snapshot shows only
// what became of it (P1, P5). b.mu is held.
func (b *Bridge) awaitSinkLocked() error {
	if b.placed {
		return nil
	}
	now := time.Now()
	if b.sinkDue.IsZero() {
		patience := b.cfg.SinkPatience
		if patience == 0 {
			patience = sinkPatience
		}
		b.sinkDue = now.Add(patience)
		if patience > 0 {
			b.log.Info("the source would send everything; waiting for the sink's position first, which it may be able to go on from",
				"at_most", patience.String())
		}
	}
	left := b.sinkDue.Sub(now)
	if left <= 0 {
		return nil
	}
	b.turn.at, b.turn.again = now.Add(min(b.askPoll(), left)), true
	return fmt.Errorf("%w: the source would send everything, and the sink's position is not known yet", ingest.ErrRetry)
}

// placedLocked notes that the planner has seen the sink's position, and had what does not continue it put aside: the link may
// go by what is on disk. b.mu is held.
func (b *Bridge) placedLocked() {
	if b.placed {
		return
	}
	b.placed, b.turn.at = true, time.Time{}
	b.broadcastLocked()
}

// admitLocked refuses a full sync that the budget does not allow yet, and says how long it has to wait. b.mu is held.
func (b *Bridge) admitLocked() (wait time.Duration, err error) {
	if wait = b.fullSyncWaitLocked(); wait == 0 {
		return 0, nil
	}
	return wait, fmt.Errorf("%w: the source sends everything, and the budget of full syncs allows the next one in %s "+
		"(KEYFEED_FULL_SYNCS_PER_HOUR)", ingest.ErrRetry, wait.Round(time.Second))
}

// admitAnswerLocked is admitLocked when the source has answered already. b.mu is held.
func (b *Bridge) admitAnswerLocked() error {
	wait, err := b.admitLocked()
	if err != nil {
		b.turn.pause = max(2*b.turn.pause, b.budget.min)
		b.turn.at = time.Now().Add(min(b.turn.pause, wait))
	}
	return err
}

// agreedLocked forgets what was waited for: the source does what it was asked for. b.mu is held.
func (b *Bridge) agreedLocked() {
	b.turn = turn{}
	b.budget.told, b.budget.next = false, time.Time{}
}

// awaitTurn waits if the source may not be asked for r yet. It reports whether it waited: what to ask for is then decided
// anew, since it may have changed.
func (b *Bridge) awaitTurn(ctx context.Context, r ingest.Resume) (waited bool, err error) {
	for ; ; waited = true {
		b.mu.Lock()
		if r.Full && !waited {
			b.turn.at = time.Now().Add(min(b.fullSyncWaitLocked(), b.askPoll()))
		}
		ch, wait := b.changed, time.Until(b.turn.at)
		b.mu.Unlock()
		if wait <= 0 {
			return waited, nil
		}
		if err := awaitFor(ctx, ch, wait); err != nil {
			return true, err
		}
	}
}

func (b *Bridge) askPoll() time.Duration { return min(askPoll, b.budget.min) }
