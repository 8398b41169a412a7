package replay

import (
	"context"
	"errors"
	"fmt"
	"time"
)

// idle is how long a group waits for more before it is applied.
const idle = 20 * time.Millisecond

// session applies a feed over one connection.
type session struct {
	job *Job
	r   *Replayer
	// waiting says that nothing is applied before the next snapshot begins.
	waiting bool
	told    bool
	base    Stats // of the sessions before
	cursor  bool  // reading has begun at the target's cursor
	taken   int64 // events
}

// parsed is an item with its event, which is nil when the target holds it already.
type parsed struct {
	Item

	id    string
	event *Event
}

func parse(it Item, after string) (parsed, error) {
	id, err := LineID(it.Line)
	if err != nil || id <= after {
		return parsed{Item: it, id: id}, err
	}
	e, err := Parse(it.Line)
	return parsed{it, id, e}, err
}

// run reads and parses in one goroutine and applies in another, so that a slow broker and a slow target do not add up.
func (s *session) run(ctx context.Context, place Place) error {
	ctx, cancel := context.WithCancelCause(ctx)
	items := make(chan parsed, 16)
	read := make(chan error, 1)
	go func() {
		defer close(items)
		read <- s.job.Feed.Read(ctx, place, func(it Item) error {
			p, err := parse(it, place.ID)
			if err != nil {
				return err
			}
			select {
			case items <- p:
				return nil
			case <-ctx.Done():
				return context.Cause(ctx)
			}
		})
	}()
	err := s.apply(ctx, items)
	cancel(errStopped)
	for range items { // until the reader has ended
	}
	readErr := <-read
	switch {
	case err != nil:
		return err
	case readErr == nil:
		return s.end()
	}
	if err := s.r.Commit(); err != nil { // what came before a stop, or before the broker failed
		return err
	}
	return readErr
}

var (
	errStopped = errors.New("the replay has stopped")
	// errRewind says that the cursor does not lead to where the target is: the stream was made anew. Without it all that there
	// is will be looked through.
	errRewind = errors.New("the cursor is of another stream")
)

// apply takes the items to their end.
func (s *session) apply(ctx context.Context, items <-chan parsed) error {
	timer := time.NewTimer(idle)
	defer timer.Stop()
	for {
		var it parsed
		var ok bool
		select {
		case it, ok = <-items:
		default:
			timer.Reset(idle)
			select {
			case it, ok = <-items:
			case <-timer.C:
				if err := s.r.Commit(); err != nil {
					return err
				}
				s.count()
				it, ok = <-items
			}
		}
		if !ok || ctx.Err() != nil {
			return nil
		}
		if err := s.take(it); err != nil {
			return err
		}
	}
}

func (s *session) take(it parsed) error {
	e := it.event
	if e == nil || it.id <= s.r.stats.LastID {
		s.r.stats.drop(it.id)
		return nil
	}
	begins := e.Op == "m" && e.Kind == "snapshot_begin"
	if it.Gap && !begins && !s.job.Partial {
		if s.cursor {
			return errRewind
		}
		s.waiting = true
	}
	if s.waiting && !begins {
		return s.skip(e)
	}
	s.waiting = false
	if err := s.r.ApplyEvent(e); err != nil {
		return err
	}
	if it.Cursor != "" && !s.r.Inside() {
		s.r.SetCursor(it.Cursor)
	}
	s.job.tally.Received.Store(e.TsMs)
	if s.taken++; s.taken%64 == 0 {
		s.count()
	}
	return nil
}

// skip passes over what cannot be applied for want of what came before.
func (s *session) skip(e *Event) error {
	s.job.tally.Skipped.Add(1)
	if s.told {
		return nil
	}
	s.told = true
	if last := s.r.stats.LastID; last != "" {
		s.job.Log.Warn("events are missing, waiting for the next snapshot; ask for one with keyfeed position reset", "after", last, "before", e.ID)
		return nil
	}
	s.job.Log.Info("waiting for a snapshot: what comes before it is passed over", "first", e.ID)
	return nil
}

// end judges what the events amount to when there are no more.
func (s *session) end() error {
	if err := s.r.Flush(); err != nil {
		return err
	}
	switch {
	case s.waiting && s.r.stats.LastID != "":
		return fmt.Errorf("%w after %s, and no snapshot follows: ask for one with keyfeed position reset, or go on with -partial", ErrGap, s.r.stats.LastID)
	case s.waiting:
		return fmt.Errorf("%w: there is no snapshot to begin with: ask for one with keyfeed position reset, or begin without with -partial", ErrGap)
	case s.r.stats.SnapshotOpen:
		return fmt.Errorf("%w: the snapshot has no end: the target is not a state of the source yet", ErrGap)
	}
	return nil
}

// count publishes the progress.
func (s *session) count() {
	t, stats := &s.job.tally, s.r.Stats()
	t.Events.Store(s.base.Applied + stats.Applied)
	t.Repeats.Store(s.base.Repeats + stats.Repeats)
	t.Commands.Store(s.base.Commands + stats.Commands)
	t.Inexact.Store(stats.Inexact)
	t.Snapshot.Store(stats.SnapshotOpen)
	t.last.Store(&stats.AppliedID)
}
