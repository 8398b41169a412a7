package replay

import (
	"fmt"
	"io"
	"strings"
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
	// Bookmark makes the target remember, in one transaction with the events, what it holds: see [Replayer.Open].
	Bookmark bool
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
	// Applied and AppliedID are Events and LastID of what the target has confirmed.
	Applied   int64
	AppliedID string
	// SnapshotOpen says that a snapshot has begun and not ended: what is in the target is not a state of the source.
	SnapshotOpen bool
	// Inexact counts what could not be replayed, over all runs into this target.
	Inexact int64
}

// drop counts an event that is passed over because its id is not above the last one. The heartbeat of a writer that begins
// has generation 0, outside the order, and is no repeat.
func (s *Stats) drop(id string) {
	if !strings.HasPrefix(id, "0000000000:") {
		s.Repeats++
	}
}

// Replayer applies events to a target. One goroutine uses it.
type Replayer struct {
	opts  Options
	p     *pipeline
	stats Stats
	db    int    // that the commands of the event at hand run in
	txn   string // id of the transaction that is open
	value valueState
	group group
	book  *bookmark // nil: nothing is remembered
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
	if opts.Bookmark {
		r.book = newBookmark()
	}
	r.group.reset()
	r.p = newPipeline(conn, r.refused)
	return r
}

// Stats returns the counts so far.
func (r *Replayer) Stats() Stats {
	s := r.stats
	s.Commands = r.p.sent
	return s
}

// refused judges an error reply to a command that was run.
func (r *Replayer) refused(id, cmd string, err error) error {
	if state := stateError(cmd, err); state != nil {
		return state
	}
	return r.report(id, "refused", fmt.Sprintf("the target refused %s: %v", cmd, err))
}

func (r *Replayer) report(id, what, text string) error {
	r.stats.Inexact++
	p := InexactError{ID: id, What: what, Text: text}
	if r.opts.Report == nil {
		return p
	}
	return r.opts.Report(p)
}

// Apply reads one event and applies it. Commands are sent in groups; [Replayer.Commit] sends the last of them, so an
// error may concern an event before this one. After an error the Replayer is of no use any more.
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
		r.stats.drop(e.ID)
		return nil
	}
	if err := r.book.check(e); err != nil {
		return err
	}
	if err := r.frame(e); err != nil {
		return err
	}
	if err := r.apply(e); err != nil {
		return err
	}
	r.stats.LastID = e.ID
	r.stats.Events++
	if e.Txn != nil && e.Txn.Last {
		r.txn = ""
		if err := r.closeBlock(); err != nil {
			return err
		}
	}
	if !r.Inside() {
		r.book.reach(e.ID)
	}
	return r.bound()
}

// Inside reports whether the last event was inside a transaction or a value: what came of it is not remembered, and the
// next run will ask for all of it again.
func (r *Replayer) Inside() bool { return r.txn != "" || r.value.open }

// frame holds that no event is missing before this one, and drops a transaction whose rest will never come.
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
	if r.txn != "" {
		if !beginsGeneration(e) {
			return fmt.Errorf("%w: %s comes before the last event of %s", ErrTxn, e.ID, r.txn)
		}
		if err := r.dropBlock(e.ID); err != nil { // the generation ended inside the block: the new snapshot holds its effects
			return err
		}
	}
	r.txn = id
	return nil
}

func beginsGeneration(e *Event) bool {
	return e.Op == "m" && (e.Kind == "snapshot_begin" || e.Kind == "gap")
}

func (r *Replayer) apply(e *Event) error {
	switch ours, err := r.book.isOurs(e); {
	case err != nil:
		return err
	case ours && e.Keys != nil:
		return r.report(e.ID, "reserved", e.Cmd+" has a key of the replay itself")
	case ours:
		return nil
	}
	if e.Cause == "oversize" || e.Omitted != nil {
		return r.report(e.ID, "oversize", describe(e)+" left out")
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
		return r.empty(e.ID)
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

// empty drops all data and functions of the target, and what it remembers of an older generation's problems.
func (r *Replayer) empty(id string) error {
	if err := r.Commit(); err != nil {
		return err
	}
	// Servers before 7.0 have no functions and refuse the command, which inside MULTI would undo the rest.
	if err := r.p.send(id, func(*reply) error { return nil }, []byte("FUNCTION"), []byte("FLUSH")); err != nil {
		return err
	}
	r.db = noDB
	r.send(id, []byte("FLUSHALL"))
	r.stats.Inexact = 0
	return nil
}

// Flush is Commit at the end of the events. It fails when a value or transaction is not complete.
func (r *Replayer) Flush() error {
	if err := r.Commit(); err != nil {
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
