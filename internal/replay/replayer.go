package replay

import (
	"errors"
	"fmt"
	"io"
	"time"
)

// Options change how events are replayed.
type Options struct {
	// Near is how far ahead a deadline must be to be kept, 60 s when 0; a nearer or passed one becomes now + Far.
	Near time.Duration
	// Far is 1 h when 0.
	Far time.Duration
	// Now is the clock, time.Now when nil.
	Now func() time.Time
	// Report is told of everything that makes the copy inexact; the error it returns stops the replay. When it is nil
	// the first problem stops it.
	Report func(InexactError) error
}

// InexactError is one thing that could not be replayed.
type InexactError struct {
	ID   string // of the event
	What string // oversize, unknown, gap, slots, refused
	Text string // for people; holds no data
}

// Error tells the event and what is wrong with it.
func (p InexactError) Error() string { return fmt.Sprintf("event %s: %s: %s", p.ID, p.What, p.Text) }

// Stats counts what a Replayer did.
type Stats struct {
	Events    int64 // applied, repeats not counted
	Repeats   int64 // dropped: id not above the last one
	Commands  int64 // sent to the target
	Snapshots int64 // snapshot_begin events
	Rebuilt   int64 // streams built anew for pending entries without an entry
	LastID    string
	// SnapshotOpen says that a snapshot has begun and not ended: what is in the target is not a state of the source.
	SnapshotOpen bool
}

var (
	// ErrParts is wrapped when the parts of a value do not follow each other: an event is missing.
	ErrParts = errors.New("parts of a value are missing")
	// ErrTxn is wrapped when a transaction ends without its last event: an event is missing.
	ErrTxn = errors.New("a transaction is not complete")
)

// Replayer applies events to a target. One goroutine uses it.
type Replayer struct {
	opts  Options
	p     *pipeline
	stats Stats
	txn   string // id of the transaction whose MULTI was sent
	value valueState
}

// New returns a Replayer that talks RESP2 on conn, which is connected and authenticated, in database 0 or any other.
// The target should be empty or about to get a snapshot, and nobody else should write to it. The caller closes conn.
func New(conn io.ReadWriter, opts Options) *Replayer {
	if opts.Near == 0 {
		opts.Near = time.Minute
	}
	if opts.Far == 0 {
		opts.Far = time.Hour
	}
	if opts.Now == nil {
		opts.Now = time.Now
	}
	r := &Replayer{opts: opts}
	r.p = newPipeline(conn, func(id, cmd string, err error) error {
		return r.report(id, "refused", fmt.Sprintf("the target refused %s: %v", cmd, err))
	})
	return r
}

// Stats returns the counts so far.
func (r *Replayer) Stats() Stats {
	s := r.stats
	s.Commands = r.p.sent
	return s
}

func (r *Replayer) report(id, what, text string) error {
	p := InexactError{ID: id, What: what, Text: text}
	if r.opts.Report == nil {
		return p
	}
	return r.opts.Report(p)
}

// Apply reads one event and applies it. Commands are sent in rounds; [Replayer.Flush] waits for the last of them, so
// an error may concern an event before this one. After an error the Replayer is of no use any more.
func (r *Replayer) Apply(line []byte) error {
	e, err := Parse(line)
	if err != nil {
		return err
	}
	return r.ApplyEvent(e)
}

// ApplyEvent is Apply for an event that has been parsed.
func (r *Replayer) ApplyEvent(e *Event) error {
	if e.ID <= r.stats.LastID {
		r.stats.Repeats++
		return nil
	}
	r.stats.LastID = e.ID
	r.stats.Events++
	if err := r.frame(e); err != nil {
		return err
	}
	if err := r.apply(e); err != nil {
		return err
	}
	if e.Txn != nil && e.Txn.Last {
		r.txn = ""
		return r.p.send(e.ID, nil, []byte("EXEC"))
	}
	return nil
}

// frame opens a transaction before its first event and holds that no event is missing before this one.
func (r *Replayer) frame(e *Event) error {
	if r.value.open && !r.value.continues(e) {
		return fmt.Errorf("%w: %s comes before the last part of the value that began at %s", ErrParts, e.ID, r.value.began)
	}
	id := ""
	if e.Txn != nil {
		id = e.Txn.ID
	}
	if r.txn == id {
		return nil
	}
	if r.txn != "" && !beginsGeneration(e) {
		return fmt.Errorf("%w: %s comes before the last event of %s", ErrTxn, e.ID, r.txn)
	}
	if r.txn != "" { // the generation ended inside the block: the new snapshot holds its effects
		r.txn = ""
		if err := r.p.send(e.ID, nil, []byte("DISCARD")); err != nil {
			return err
		}
	}
	if id == "" {
		return nil
	}
	r.txn = id
	return r.p.send(e.ID, nil, []byte("MULTI"))
}

func beginsGeneration(e *Event) bool {
	return e.Op == "m" && (e.Kind == "snapshot_begin" || e.Kind == "gap")
}

func (r *Replayer) apply(e *Event) error {
	if e.Cause == "oversize" || e.Omitted != nil {
		return r.report(e.ID, "oversize", fmt.Sprintf("%s left out", describe(e)))
	}
	switch e.Op {
	case "r":
		return r.read(e)
	case "c", "u", "d", "t":
		return r.command(e)
	case "m":
		return r.message(e)
	}
	return fmt.Errorf("%w: %s: unknown op %q", ErrEvent, e.ID, e.Op)
}

func describe(e *Event) string {
	if e.Cmd != "" {
		return "the arguments of " + e.Cmd + " were"
	}
	return "a value of type " + e.Type + " was"
}

func (r *Replayer) message(e *Event) error {
	switch e.Kind {
	case "snapshot_begin":
		r.stats.Snapshots++
		r.stats.SnapshotOpen = true
		r.value = valueState{}
		if err := r.p.send(e.ID, nil, []byte("FLUSHALL")); err != nil {
			return err
		}
		// Servers before 7.0 have no functions and refuse the command.
		return r.p.send(e.ID, func(*reply) error { return nil }, []byte("FUNCTION"), []byte("FLUSH"))
	case "snapshot_end":
		r.stats.SnapshotOpen = false
		return nil
	case "heartbeat", "history", "publish":
		return nil
	case "swapdb", "function":
		return r.command(e)
	case "gap":
		return r.report(e.ID, "gap", "the source could not serve what came between")
	case "slots":
		return r.report(e.ID, "slots", "slots were emptied")
	}
	return r.report(e.ID, "unknown", "a message of kind "+e.Kind+" was not replayed")
}

// Flush waits until the target has answered everything sent. It fails when a value or transaction is not complete.
func (r *Replayer) Flush() error {
	if err := r.p.flush(); err != nil {
		return err
	}
	switch {
	case r.value.open:
		return fmt.Errorf("%w: the value that began at %s has no last part", ErrParts, r.value.began)
	case r.txn != "":
		return fmt.Errorf("%w: %s has no last event", ErrTxn, r.txn)
	}
	return nil
}
