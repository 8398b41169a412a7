package bridge

import (
	"context"
	"fmt"
	"time"

	"keyfeed/ingest"
)

// stallAfter is how long nothing may move unless Config says otherwise.
const stallAfter = 2 * time.Minute

// Stall is a pipeline in which nothing moves although something should.
type Stall struct {
	What  string    `json:"what"`  // what does not move, and where to look
	Since time.Time `json:"since"` // of the last thing that moved
}

// watchdog finds stalls: retries that never lead anywhere look like work from inside. It ends nothing, since a process
// that is started anew finds the same broker; it logs once when something stands still and once when it moves again.
type watchdog struct {
	after  time.Duration
	silent time.Duration // of the source: one without writes sends a PING now and then

	sink, source idle
	position     string // as seen last, as the two below
	published    int64
	open         bool
	keys         int64 // the most that were read of the snapshot: after an error of the sink it is read again from its start
	gen          uint64
}

// idle is one side of the pipeline.
type idle struct {
	moved time.Time
	stall *Stall // nil = moves, or has nothing to do
}

// look takes a status and says what stands still; log lines are the caller's.
func (w *watchdog) look(now time.Time, s *Status) {
	reading := s.Snapshot != nil && s.Snapshot.Phase == "publishing"
	if s.Generation != w.gen {
		w.gen, w.keys = s.Generation, 0
	}
	moved := s.Position != w.position || s.Published != w.published || s.SinkOpen != w.open
	if reading && s.Snapshot.Keys > w.keys {
		w.keys, moved = s.Snapshot.Keys, true
	}
	w.position, w.published, w.open = s.Position, s.Published, s.SinkOpen
	switch {
	case moved, s.SinkOpen && s.Log.Lag == 0 && !reading:
		w.sink.rest(now)
	case !s.SinkOpen:
		w.sink.stands(now, w.after, "the sink has not been opened: see the errors of the sink in the log")
	default:
		w.sink.stands(now, w.after, fmt.Sprintf("the sink confirms nothing, with %d bytes of the log and pending_snapshot=%t to publish: "+
			"see the errors of the sink in the log, and whether it is full", s.Log.Lag, reading))
	}
	switch {
	case s.FullSyncs.NextAt != nil, s.Link.State == string(ingest.StateBlocked), s.Link.State == string(ingest.StateVerifying):
		// It waits for us; said elsewhere.
		w.source.rest(now)
	case w.source.moved.Before(s.Link.LastByte):
		w.source.rest(s.Link.LastByte)
	default:
		w.source.stands(now, w.silent, "no byte has come from the source: is it up and reachable? The last error of the link: "+s.Link.LastError)
	}
}

func (i *idle) rest(now time.Time) { i.moved, i.stall = now, nil }

func (i *idle) stands(now time.Time, after time.Duration, what string) {
	switch {
	case i.moved.IsZero():
		i.moved = now
	case now.Sub(i.moved) >= after && i.stall == nil:
		i.stall = &Stall{What: what, Since: i.moved}
	}
}

// stalled is what stands still, nil when nothing does.
func (w *watchdog) stalled() *Stall {
	if w.sink.stall != nil {
		return w.sink.stall
	}
	return w.source.stall
}

// watchStalls looks until ctx ends.
func (b *Bridge) watchStalls(ctx context.Context) error {
	w := watchdog{after: b.cfg.StallTimeout}
	if w.after <= 0 {
		w.after = stallAfter
	}
	w.silent = max(w.after, b.cfg.Source.IdleTimeout) // the link, too, gives a silent source that long
	tick := time.NewTicker(min(max(w.after/10, 10*time.Millisecond), 5*time.Second))
	defer tick.Stop()
	var told *Stall
	for {
		select {
		case <-ctx.Done():
			return nil
		case <-tick.C:
		}
		s := b.Status()
		w.look(time.Now(), &s)
		now := w.stalled()
		if now == told {
			continue
		}
		if told != nil {
			b.log.Info("changes move again", "stood_still", time.Since(told.Since).Round(time.Second).String(), "what", told.What)
		}
		if told = now; told != nil {
			b.log.Warn("nothing moves", "what", told.What, "since", told.Since.UTC().Format(time.RFC3339), "position", s.Position)
		}
		b.mu.Lock()
		b.stall = told
		b.mu.Unlock()
	}
}
