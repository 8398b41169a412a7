package replay

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"sync/atomic"
	"time"
)

// Item is one event as a [Feed] gives it.
type Item struct {
	Line   []byte // the receiver's to keep
	Cursor string // where to read on after this event; "" = as before
	// Gap says that events between the place asked for and this one may be gone.
	Gap bool
}

// Feed is where events are read. Read calls fn with each event, in the order of ids, from one that is not behind after on:
// events that after holds may come again. It returns nil at the end of the events, where there is one, the cause of ctx
// when that ends, and fn's error.
type Feed interface {
	Read(ctx context.Context, after Place, fn func(Item) error) error
}

// Job is a whole replay: it goes on where the target says, and comes back after the target was away.
type Job struct {
	Target Target
	Feed   Feed
	// Once says that the feed cannot be read a second time: a pipe.
	Once bool
	// Follow waits for a target that is away for ever; otherwise a few tries without progress end the job.
	Follow bool
	// Overwrite begins anew, whatever the target holds: the next snapshot replaces it.
	Overwrite bool
	// Partial applies what comes, also where no snapshot stands before it or events are missing.
	Partial bool
	// KeepGoing counts and logs what cannot be replayed exactly; otherwise the first such event ends the job.
	KeepGoing bool
	Log       *slog.Logger

	tally    Tally
	noCursor bool
	begun    bool // reading has
}

// Tally is the progress of a job. Any goroutine may read it.
type Tally struct {
	Events, Repeats, Skipped, Commands, Inexact atomic.Int64
	// Received is the time in Unix ms when keyfeed received the last event; 0 before the first.
	Received atomic.Int64
	// Snapshot says that a snapshot is being applied.
	Snapshot atomic.Bool
	last     atomic.Pointer[string]
}

// LastID is the id up to which the target holds everything, "" before the first.
func (t *Tally) LastID() string {
	if id := t.last.Load(); id != nil {
		return *id
	}
	return ""
}

// Tally is the progress so far.
func (j *Job) Tally() *Tally { return &j.tally }

const (
	retryMin = 250 * time.Millisecond
	retryMax = 5 * time.Second
	tries    = 5 // without progress, when the job does not follow
	// stopGrace bounds applying what is complete after ctx has ended.
	stopGrace = 10 * time.Second
)

// Run replays until the feed has ended (nil), or ctx (nil too: what is complete has been applied). Errors wrap
// [ErrTarget], [ErrFenced], [ErrGap], [ErrAway], an [InexactError], or are the feed's.
func (j *Job) Run(ctx context.Context) error {
	wait, failures := retryMin, 0
	for {
		before := j.tally.Events.Load()
		err := j.session(ctx)
		if ctx.Err() != nil && (err == nil || errors.Is(err, ErrAway) || errors.Is(err, context.Cause(ctx))) {
			return nil
		}
		if errors.Is(err, errRewind) {
			j.noCursor = true
			continue
		}
		if !errors.Is(err, ErrAway) || j.Once && j.begun {
			return err
		}
		if j.tally.Events.Load() > before {
			wait, failures = retryMin, 0
		}
		if !errors.Is(err, errNotYet) {
			failures++
		}
		if !j.Follow && failures >= tries {
			return err
		}
		j.Log.Warn("trying again", "in", wait.String(), "error", err)
		select {
		case <-ctx.Done():
			return nil
		case <-time.After(wait):
		}
		wait = min(2*wait, retryMax)
	}
}

// session is one connection to the target.
func (j *Job) session(ctx context.Context) error {
	conn, err := j.Target.Dial(ctx)
	if err != nil {
		return err
	}
	defer conn.Close()
	// Whatever the target does, a stop comes to its end.
	stop := context.AfterFunc(ctx, func() { _ = conn.SetDeadline(time.Now().Add(stopGrace)) })
	defer stop()
	r := New(conn, Options{Bookmark: true, Report: j.report})
	place, err := j.begin(r)
	if err != nil {
		return err
	}
	if j.noCursor {
		place.Cursor = ""
	}
	s := &session{job: j, r: r, cursor: place.Cursor != "", waiting: place.ID == "" && !j.Partial, base: Stats{
		Applied: j.tally.Events.Load(), Repeats: j.tally.Repeats.Load(), Commands: j.tally.Commands.Load(),
	}}
	j.begun = true
	err = s.run(ctx, place)
	s.count()
	return err
}

// begin looks at the target and decides where to go on.
func (j *Job) begin(r *Replayer) (Place, error) {
	condition, err := r.Inspect()
	if err != nil {
		return Place{}, err
	}
	place, err := r.Remembered()
	if err != nil {
		return place, err
	}
	switch {
	case j.Overwrite:
		place = Place{}
	case !place.Known && condition.Keys > 0:
		return place, fmt.Errorf("%w: it holds %d keys that no replay has written: use an empty server, or -overwrite, which drops them all", ErrTarget, condition.Keys)
	case place.Inexact > 0 && !j.KeepGoing:
		return place, fmt.Errorf("%w: it is not exact, %d events up to %s could not be applied: begin anew with -overwrite, or go on with -keep-going",
			ErrTarget, place.Inexact, place.ID)
	}
	if condition.Evicts != "" {
		j.Log.Warn("the target drops keys when its memory is full: set maxmemory-policy noeviction there", "policy", condition.Evicts)
	}
	err = r.Claim(place)
	if errors.Is(err, ErrFenced) {
		return place, fmt.Errorf("%w: another replay wrote to it just now", ErrAway) // perhaps the last word of one that was killed
	}
	if err != nil {
		return place, err
	}
	j.Overwrite = false // the target is ours: what it holds from here on counts
	j.Log.Info("replaying", "target", j.Target.String(), "server", condition.Server, "after", place.ID)
	return place, nil
}

func (j *Job) report(p InexactError) error {
	if !j.KeepGoing {
		return p
	}
	j.Log.Warn("not exact", "event", p.ID, "what", p.What, "text", p.Text)
	return nil
}
