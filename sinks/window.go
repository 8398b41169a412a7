package sinks

import (
	"context"
	"sync"

	"keyfeed/internal/change"
)

// Window is what a sink has taken and not yet confirmed: a queue of batches, bounded in records and in bytes, whose
// records may be acknowledged in any order while only the contiguous prefix of them is confirmed.
//
// A sink keeps the books of its life in one:
//
//	w := sinks.NewWindow(maxRecords, maxBytes)
//	err := w.Reset(pos)           // at the end of Open: a new epoch begins at pos
//	t, err := w.Add(ctx, b)       // in Write: waits for room; on error b is released already
//	t.Done(i, err)                // from any goroutine, once per record (or per copy, see Ticket.Need)
//	w.Fail(err)                   // on an error that belongs to no record
//	w.Drop()                      // when nothing in flight refers to a batch any more
//	w.Close()                     // in Close
//
// Confirmed, Updates, Err and Flush are what [Sink] asks for under these names.
//
// After the first failure nothing more is confirmed, whatever is acknowledged later (invariant 8), until Reset. A batch
// is released exactly once: when all of its records are done, failed ones included, or by Drop, Reset or Close.
//
// Add, Flush and Reset are for one goroutine, the pump's; all else may be called from any goroutine.
type Window struct {
	maxRecords int
	maxBytes   int
	updates    chan struct{} // one value; see Sink.Updates
	wake       chan struct{} // one value; for the one goroutine in Add or Flush
	blocked    chan struct{} // one value; see Blocked

	mu      sync.Mutex // guards what follows, and the fields of every Ticket
	base    change.Position
	queue   []*Ticket // of this epoch, not confirmed whole, oldest first; base is confirmed before queue[0]
	orphans []*Ticket // of failed epochs, kept until their batches are released
	records int       // in queue and not confirmed
	bytes   int       // len(Value)+len(Key) of them
	err     error     // sticky until Reset
	closed  bool

	waiting                    bool // Add waits for room for the batch of this size
	waitingRecords, waitingLen int
}

// NewWindow returns a window for at most maxRecords records and maxBytes bytes. A batch beyond these limits is taken
// when the window is empty. The window is failed with [ErrClosed] until the first Reset.
func NewWindow(maxRecords, maxBytes int) *Window {
	return &Window{
		maxRecords: maxRecords,
		maxBytes:   maxBytes,
		updates:    make(chan struct{}, 1),
		wake:       make(chan struct{}, 1),
		blocked:    make(chan struct{}, 1),
		err:        ErrClosed,
	}
}

// Reset begins an epoch with nothing in flight and pos confirmed. The caller has made sure that nothing in flight can
// still be stored or read; batches that are still held are released. It returns ErrClosed after Close.
func (w *Window) Reset(pos change.Position) error {
	w.Fail(ErrClosed) // ends the epoch before, if there is one
	w.Drop()
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.closed {
		return ErrClosed
	}
	w.base, w.err = pos, nil
	drain(w.updates)
	drain(w.wake)
	return nil
}

// Add takes b over and returns its ticket, after waiting until the window has room. When it returns an error, b has
// been released and the window has failed: at the end of ctx too, because a queue that misses a batch must not go on.
// A batch without records is released at once; its ticket is done.
func (w *Window) Add(ctx context.Context, b *change.Batch) (*Ticket, error) {
	size := 0
	for i := range b.Records {
		size += recordSize(&b.Records[i])
	}
	for {
		t, err := w.tryAdd(b, size)
		if err != nil || t != nil && t.open == 0 {
			b.Release()
			return t, err
		}
		if t != nil {
			return t, nil
		}
		select {
		case <-w.wake:
		case <-ctx.Done():
			w.Fail(context.Cause(ctx))
		}
	}
}

// tryAdd returns neither a ticket nor an error while the window is full.
func (w *Window) tryAdd(b *change.Batch, size int) (*Ticket, error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.err != nil {
		return nil, w.err
	}
	n := len(b.Records)
	if n == 0 {
		return &Ticket{w: w}, nil
	}
	if w.waiting = !w.fitsLocked(n, size); w.waiting {
		w.waitingRecords, w.waitingLen = n, size
		w.signal(w.blocked)
		return nil, nil
	}
	t := newTicket(w, b)
	w.queue = append(w.queue, t)
	w.records += n
	w.bytes += size
	return t, nil
}

func (w *Window) fitsLocked(records, bytes int) bool {
	return w.records == 0 || w.records+records <= w.maxRecords && w.bytes+bytes <= w.maxBytes
}

// IsBlocked reports whether Add waits, and nothing but further confirmations can end that: a sink that holds records
// back, to send them together with later ones, must not wait for these then.
func (w *Window) IsBlocked() bool {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.waiting && w.err == nil && !w.fitsLocked(w.waitingRecords, w.waitingLen)
}

// Blocked receives a value after Add found no room. It holds one value; receive, then look at IsBlocked.
func (w *Window) Blocked() <-chan struct{} { return w.blocked }

// Fail ends the epoch with err, unless it has ended: the first error stays. What Confirmed says now stays until Reset.
func (w *Window) Fail(err error) {
	w.mu.Lock()
	free := w.failLocked(err)
	w.mu.Unlock()
	release(free)
}

// Drop releases every batch that a failed epoch still holds. To be called when nothing in flight refers to them: the
// client that might have read their bytes has ended. It does nothing to an epoch that has not failed.
func (w *Window) Drop() {
	w.mu.Lock()
	var free []*change.Batch
	for _, t := range w.orphans {
		free = t.takeBatch(free)
	}
	w.orphans = nil
	w.mu.Unlock()
	release(free)
}

// Close fails the window for good with ErrClosed and releases every batch. The same condition as for Drop holds.
func (w *Window) Close() {
	w.mu.Lock()
	free := w.failLocked(ErrClosed)
	w.err, w.closed = ErrClosed, true
	w.mu.Unlock()
	release(free)
	w.Drop()
}

// Flush waits until everything taken is confirmed. It returns the error of the window when that has failed, and the
// cause of ctx when that ends first; the window goes on working then.
func (w *Window) Flush(ctx context.Context) error {
	for {
		w.mu.Lock()
		err, left := w.err, w.records
		w.mu.Unlock()
		if err != nil || left == 0 {
			return err
		}
		select {
		case <-w.wake:
		case <-ctx.Done():
			return context.Cause(ctx)
		}
	}
}

// Confirmed is the position of the last record of the contiguous run of done ones.
func (w *Window) Confirmed() change.Position {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.confirmedLocked()
}

// Updates receives a value after Confirmed moved or the window failed; see [Sink].
func (w *Window) Updates() <-chan struct{} { return w.updates }

// Err is the error that ended the epoch; nil while it goes on.
func (w *Window) Err() error {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.err
}

// Pending is how many records, and bytes of them, are taken and not confirmed.
func (w *Window) Pending() (records, bytes int) {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.records, w.bytes
}

func (w *Window) confirmedLocked() change.Position {
	if len(w.queue) > 0 && w.queue[0].next > 0 {
		head := w.queue[0]
		return head.batch.Records[head.next-1].Pos
	}
	return w.base
}

// failLocked freezes what is confirmed (invariant 8) and returns the batches that nothing refers to any more.
func (w *Window) failLocked(err error) (free []*change.Batch) {
	if w.err != nil {
		return nil
	}
	w.base = w.confirmedLocked()
	w.err = err
	for _, t := range w.queue {
		t.ended = true
		if t.open == 0 {
			free = t.takeBatch(free)
		} else {
			w.orphans = append(w.orphans, t)
		}
	}
	w.queue, w.records, w.bytes = nil, 0, 0
	w.signalLocked()
	return free
}

// advanceLocked confirms what is contiguous now, and returns the batches that are confirmed whole.
func (w *Window) advanceLocked() (free []*change.Batch) {
	moved := false
	for len(w.queue) > 0 {
		t := w.queue[0]
		for t.next < len(t.left) && t.left[t.next] == 0 {
			w.records--
			w.bytes -= recordSize(&t.batch.Records[t.next])
			t.next++
			moved = true
		}
		if t.next < len(t.left) {
			break
		}
		w.base = t.batch.End()
		free = t.takeBatch(free)
		w.queue[0] = nil
		w.queue = w.queue[1:]
	}
	if moved {
		w.signalLocked()
	}
	return free
}

func (w *Window) signalLocked() {
	w.signal(w.updates)
	w.signal(w.wake)
}

func (*Window) signal(c chan struct{}) {
	select {
	case c <- struct{}{}:
	default: // one value waits already; who receives it looks at the newest state
	}
}

func drain(c chan struct{}) {
	select {
	case <-c:
	default:
	}
}

// release gives batches back outside the lock, because Free is foreign code.
func release(batches []*change.Batch) {
	for _, b := range batches {
		b.Release()
	}
}

func recordSize(r *change.Record) int { return len(r.Value) + len(r.Key) }
