package verify

import (
	"context"
	"fmt"
	"time"
)

// Limits of what waits for another look.
const (
	maxWaiting      = 100_000
	maxWaitingBytes = 16 << 20
)

// suspect is a key that differed.
type suspect struct {
	ref
	due  time.Time // of the next look
	last *result   // of the look before, where only elements are to be looked at
}

// recheck holds the keys that wait for another look, by how many they have had. Each queue is in the order of due times.
type recheck struct {
	rounds [][]suspect
	held   map[ref]int // the keys in rounds, and how many bytes of names they hold
	bytes  int
}

func newRecheck(rounds int) recheck {
	return recheck{rounds: make([][]suspect, max(rounds, 0)), held: map[ref]int{}}
}

func (q *recheck) full() bool { return len(q.held) >= maxWaiting || q.bytes >= maxWaitingBytes }

// firstLook compares keys that a scan found, and then takes the other looks that are due.
func (v *Verifier) firstLook(ctx context.Context, refs []ref) error {
	if err := v.look(ctx, refs, nil, 0); err != nil {
		return err
	}
	return v.catchUp(ctx)
}

// look compares keys. Those that differ wait for round, or are reported when there is none.
func (v *Verifier) look(ctx context.Context, refs []ref, before map[ref]*result, round int) error {
	if err := v.pace(ctx, len(refs)); err != nil {
		return err
	}
	results, err := v.compare(ctx, refs, before)
	if err != nil {
		return err
	}
	q := &v.recheck
	due := time.Now().Add(v.opts.Pause << round)
	for i, k := range refs {
		_, held := q.held[k]
		res := &results[i]
		switch {
		case len(res.differences) == 0 && round > 0:
			v.count.healed.Add(1)
			q.release(k)
		case len(res.differences) == 0:
		case round == 0 && held: // a scan may return a key twice
		case round < len(q.rounds):
			q.hold(k, len(k.key)+bytesOf(res.elements))
			s := suspect{ref: k, due: due}
			if res.elements != nil {
				s.last = &result{kind: res.kind, elements: res.elements}
			}
			q.rounds[round] = append(q.rounds[round], s)
		default:
			q.release(k)
			if err := v.report(Finding{DB: k.db, Key: k.key, Type: res.kind, Differences: res.differences}); err != nil {
				return err
			}
		}
	}
	v.count.waiting.Store(int64(len(q.held)))
	return nil
}

func (q *recheck) hold(k ref, bytes int) {
	q.bytes += bytes - q.held[k]
	q.held[k] = bytes
}

func (q *recheck) release(k ref) {
	q.bytes -= q.held[k]
	delete(q.held, k)
}

// catchUp takes the looks that are due. While too many keys wait it waits for theirs.
func (v *Verifier) catchUp(ctx context.Context) error {
	return v.takeLooks(ctx, func() bool { return !v.recheck.full() })
}

// drain takes all looks that are left.
func (v *Verifier) drain(ctx context.Context) error {
	return v.takeLooks(ctx, func() bool { return len(v.recheck.held) == 0 })
}

// takeLooks takes the looks that are due, and waits for the next ones until it is enough.
func (v *Verifier) takeLooks(ctx context.Context, enough func() bool) error {
	for {
		took, next, err := v.dueLook(ctx)
		switch {
		case err != nil:
			return err
		case took:
		case enough():
			return nil
		default:
			if err := await(ctx, next); err != nil {
				return err
			}
		}
	}
}

// dueLook takes one look at keys that are due, or tells when the next ones are.
func (v *Verifier) dueLook(ctx context.Context) (took bool, next time.Time, err error) {
	now := time.Now()
	for round, queue := range v.recheck.rounds {
		if len(queue) == 0 {
			continue
		}
		if due := queue[0].due; due.After(now) {
			if next.IsZero() || due.Before(next) {
				next = due
			}
			continue
		}
		var refs []ref
		before := map[ref]*result{}
		for _, s := range queue {
			if s.due.After(now) || s.db != queue[0].db || len(refs) == v.batch {
				break
			}
			refs = append(refs, s.ref)
			before[s.ref] = s.last
		}
		v.recheck.rounds[round] = queue[len(refs):]
		v.count.looks.Add(int64(len(refs)))
		return true, next, v.look(ctx, refs, before, round+1)
	}
	return false, next, nil
}

func await(ctx context.Context, t time.Time) error {
	timer := time.NewTimer(time.Until(t))
	defer timer.Stop()
	select {
	case <-timer.C:
		return nil
	case <-ctx.Done():
		return fmt.Errorf("waiting for another look: %w", ctx.Err())
	}
}
