package local

import (
	"fmt"
	"time"

	"keyfeed/internal/change"
	"keyfeed/sinks"
)

// item is one encoded batch.
type item struct {
	ticket  *sinks.Ticket // nil for bytes that are no records
	records int
	end     change.Position
	encoded []byte
}

// writer is the goroutine of one Open.
type writer struct {
	sink    *Sink
	queue   chan item     // has room for every batch that the window admits, so sending never waits
	buffers chan []byte   // encoded bytes that are written, for reuse
	hurry   chan struct{} // store the position now
	stop    chan struct{} // closed: end
	done    chan struct{} // closed by run when it has ended
	unsaved []item        // written, the position not stored
	records int           // of unsaved

	stopping bool // stop is closed; owned by the goroutine that calls Open and Close
}

func newWriter(s *Sink) *writer {
	return &writer{
		sink:    s,
		queue:   make(chan item, s.cfg.MaxRecords+1), // a batch in the window has a record at least; one for Restarted
		buffers: make(chan []byte, 4),
		hurry:   make(chan struct{}, 1),
		stop:    make(chan struct{}),
		done:    make(chan struct{}),
	}
}

func (w *writer) buffer() []byte {
	select {
	case b := <-w.buffers:
		return b[:0]
	default:
		return nil
	}
}

func (w *writer) run() {
	defer close(w.done)
	if err := w.loop(); err != nil {
		w.sink.Fail(fmt.Errorf("writing to %s: %w", w.sink.cfg.Name, err))
	}
}

func (w *writer) loop() error {
	due := time.NewTimer(w.sink.cfg.Interval)
	defer due.Stop()
	due.Stop()
	for !w.isStopped() {
		select {
		case <-w.stop:
		case it := <-w.queue:
			if len(w.unsaved) == 0 {
				due.Reset(w.sink.cfg.Interval)
			}
			if err := w.write(it); err != nil {
				return err
			}
			if w.records >= w.sink.cfg.MaxRecords/2 { // the window must not run full between two intervals
				if err := w.save(); err != nil {
					return err
				}
			}
		case <-due.C:
			if err := w.save(); err != nil {
				return err
			}
		case <-w.hurry:
			if err := w.drain(); err != nil {
				return err
			}
		}
	}
	return nil
}

// isStopped is asked before each step and not only in a select, which chooses by chance between two that are ready: a
// Write that hung while Close gave up on it may return much later, when another client owns the place and its position
// file. What that Write took is then stored again by the other one, which at-least-once allows; an older position in
// the file is not.
func (w *writer) isStopped() bool {
	select {
	case <-w.stop:
		return true
	default:
		return false
	}
}

// drain writes what is queued and stores its position.
func (w *writer) drain() error {
	for !w.isStopped() {
		select {
		case it := <-w.queue:
			if err := w.write(it); err != nil {
				return err
			}
		default:
			return w.save()
		}
	}
	return nil
}

func (w *writer) write(it item) error {
	if len(it.encoded) > 0 {
		if err := w.sink.cfg.Write(it.encoded); err != nil {
			return err
		}
	}
	if it.ticket == nil {
		return nil
	}
	select {
	case w.buffers <- it.encoded:
	default: // enough are kept
	}
	it.encoded = nil
	w.unsaved = append(w.unsaved, it)
	w.records += it.records
	return nil
}

// save makes what is written durable, then the position, then confirms (invariant 2).
func (w *writer) save() error {
	if len(w.unsaved) == 0 || w.isStopped() {
		return nil
	}
	if err := w.sink.cfg.Sync(); err != nil {
		return err
	}
	end := w.unsaved[len(w.unsaved)-1].end
	if path := w.sink.cfg.Path; path != "" {
		if err := storePosition(path, end); err != nil {
			return err
		}
	} else {
		w.sink.memory = end
	}
	for i, it := range w.unsaved {
		it.ticket.DoneRange(0, it.records, nil)
		w.unsaved[i] = item{}
	}
	w.unsaved, w.records = w.unsaved[:0], 0
	return nil
}
