package sinks

import "keyfeed/internal/change"

// Ticket follows one batch through its [Window]. It stays valid after the window has failed and begun another epoch:
// then it confirms nothing, and only counts until its batch can be released.
type Ticket struct {
	w     *Window
	batch *change.Batch // nil once released
	left  []int32       // acknowledgements missing, per record
	open  int           // records with acknowledgements missing
	next  int           // confirmed records: left[:next] are all zero
	ended bool          // the epoch of the ticket has failed
}

func newTicket(w *Window, b *change.Batch) *Ticket {
	t := &Ticket{w: w, batch: b, left: make([]int32, len(b.Records)), open: len(b.Records)}
	for i := range t.left {
		t.left[i] = 1
	}
	return t
}

// Need says that record i needs n acknowledgements, n >= 1, instead of one: a record that goes to every partition has
// a copy in each. To be called before the first Done for i.
func (t *Ticket) Need(i, n int) {
	t.w.mu.Lock()
	defer t.w.mu.Unlock()
	t.left[i] = int32(n)
}

// Done says that one acknowledgement of record i has come; with an error, that it never will, which fails the window.
// To be called exactly once per needed acknowledgement, also after the window has failed and for records that were
// never sent: the batch is released with the last one, because until then the client may read its bytes.
func (t *Ticket) Done(i int, err error) { t.DoneRange(i, i+1, err) }

// DoneRange is Done for one acknowledgement of each record from <= i < to, under one lock.
func (t *Ticket) DoneRange(from, to int, err error) {
	w := t.w
	w.mu.Lock()
	var free []*change.Batch
	if err != nil {
		free = w.failLocked(err) // before anything is counted, so that no failed record is confirmed (invariant 8)
	}
	for i := from; i < to; i++ {
		if t.left[i]--; t.left[i] == 0 {
			t.open--
		}
	}
	switch {
	case t.ended:
		if t.open == 0 {
			free = t.takeBatch(free)
		}
	case len(w.queue) > 0 && w.queue[0] == t:
		free = w.advanceLocked()
	}
	w.mu.Unlock()
	release(free)
}

// takeBatch appends the batch of t to free, at most once. The lock of the window is held.
func (t *Ticket) takeBatch(free []*change.Batch) []*change.Batch {
	if t.batch == nil {
		return free
	}
	free = append(free, t.batch)
	t.batch = nil
	return free
}
