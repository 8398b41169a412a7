package nats

import (
	"sync"

	"keyfeed/internal/change"
	"keyfeed/sinks"
)

// queue is what Write leaves for the sender. The window bounds it.
type queue struct {
	more chan struct{} // one value: something was added

	mu    sync.Mutex
	items []item // guarded by mu
}

// item is a batch of the pump, from its record first on.
type item struct {
	ticket  *sinks.Ticket
	records []change.Record
	first   int
}

func (q *queue) add(i item) {
	q.mu.Lock()
	q.items = append(q.items, i)
	q.mu.Unlock()
	select {
	case q.more <- struct{}{}:
	default: // one value waits already
	}
}

func (q *queue) take() []item {
	q.mu.Lock()
	defer q.mu.Unlock()
	items := q.items
	q.items = nil
	return items
}

// outbox is what the sender has taken from the queue and not sent yet, record by record.
type outbox struct {
	queue   *queue
	records []outgoing
}

// outgoing is a record to be sent.
type outgoing struct {
	record *change.Record
	item   item // on the last record of its batch; the zero item on the others
}

// fill takes what is queued. It reports whether there is anything to send.
func (o *outbox) fill() bool {
	for _, i := range o.queue.take() {
		for n := i.first; n < len(i.records); n++ {
			o.records = append(o.records, outgoing{record: &i.records[n]})
		}
		o.records[len(o.records)-1].item = i
	}
	return len(o.records) > 0
}

// has reports whether there are n records, and takes what is queued if it needs to.
func (o *outbox) has(n int) bool {
	return len(o.records) >= n || o.fill() && len(o.records) >= n
}

// pop takes the first record out.
func (o *outbox) pop() outgoing {
	r := o.records[0]
	o.records[0] = outgoing{}
	o.records = o.records[1:]
	if len(o.records) == 0 {
		o.records = nil
	}
	return r
}
