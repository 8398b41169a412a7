package kafka

import (
	"context"
	"fmt"
	"sync/atomic"
	"time"

	"github.com/twmb/franz-go/pkg/kgo"

	"keyfeed/internal/change"
	"keyfeed/sinks"
)

// broadcastHeader marks the copies of an event that goes to every partition, so that a reader of all partitions can
// keep one of them.
const broadcastHeader = "keyfeed-broadcast"

// flight is one batch on its way: its records as the client wants them, and how many of them are not answered.
type flight struct {
	session *session
	ticket  *sinks.Ticket
	events  int
	end     change.Position // of the batch
	bytes   int             // of keys and values, copies counted
	unitEnd bool            // a unit ends inside the batch
	tail    int             // bytes after the last end of a unit
	left    atomic.Int64    // copies without an answer
	records []kgo.Record    // in order; copies of a broadcast event are neighbours
	places  []*place        // by record
	known   []*place        // one per topic, kept when the flight is used anew
}

// place is a flight's view of one topic: the client's promise for its records needs to know both.
type place struct {
	flight *flight
	topic  *topic
	done   func(*kgo.Record, error)
}

// produce makes the records of b, which ticket follows, and has them sent. It does not wait for Kafka, except the first
// time that a topic is needed.
func (e *session) produce(ctx context.Context, ticket *sinks.Ticket, b *change.Batch) error {
	f := e.newFlight(ticket, len(b.Records))
	if err := f.fill(ctx, b); err != nil {
		e.fail(err)
		ticket.DoneRange(0, len(b.Records), e.sink.window.Err())
		return e.sink.window.Err()
	}
	f.left.Store(int64(len(f.records)))
	e.flights.Add(1)
	e.delivery.hand(f) //nolint:contextcheck // a record outlives the Write that queued it
	return nil
}

// send hands the records to the client.
func (f *flight) send() {
	e, records, places := f.session, f.records, f.places // f may be used anew once the last record is handed over
	for i := range records {
		e.cl.Produce(e.ctx, &records[i], places[i].done)
	}
}

func (e *session) newFlight(ticket *sinks.Ticket, events int) *flight {
	f, ok := e.free.Get().(*flight)
	if !ok {
		f = &flight{session: e}
	}
	f.ticket, f.events = ticket, events
	f.bytes, f.unitEnd, f.tail = 0, false, 0
	return f
}

// fill makes the client's records: topic, partition and record key for each copy of each event.
func (f *flight) fill(ctx context.Context, b *change.Batch) error {
	e := f.session
	now := time.Now()
	var at *place
	lastDB := int32(-2) // no database
	f.end = b.End()
	for i := range b.Records {
		r := &b.Records[i]
		if r.Route == change.RouteBroadcast {
			if err := f.broadcast(ctx, r, now); err != nil {
				return err
			}
			f.passed(r)
			continue
		}
		if at == nil || r.DB != lastDB {
			t, err := e.topics.get(ctx, r.DB)
			if err != nil {
				return fmt.Errorf("finding the topic of database %d: %w", r.DB, err)
			}
			at, lastDB = f.place(t), r.DB
		}
		f.add(at, kgo.Record{Key: recordKey(r.Key), Value: r.Value, Timestamp: now})
		last := &f.records[len(f.records)-1]
		last.Partition = e.partition.of(last, at.topic.partitions)
		f.passed(r)
	}
	return nil
}

// passed notes that all copies of r are added.
func (f *flight) passed(r *change.Record) {
	if !r.Pos.InUnit() {
		f.unitEnd, f.tail = true, 0
	}
}

// broadcast adds a copy for every partition of the event's topic; of all known topics where it belongs to no database.
func (f *flight) broadcast(ctx context.Context, r *change.Record, now time.Time) error {
	to := f.session.topics.all()
	if r.DB >= 0 {
		t, err := f.session.topics.get(ctx, r.DB)
		if err != nil {
			return fmt.Errorf("finding the topic of database %d: %w", r.DB, err)
		}
		to = []*topic{t}
	}
	for _, t := range to {
		at := f.place(t)
		for partition := range t.partitions {
			f.add(at, kgo.Record{
				Value:     r.Value,
				Partition: partition,
				Headers:   f.session.broadcast,
				Timestamp: now,
			})
		}
	}
	return nil
}

func (f *flight) add(at *place, r kgo.Record) {
	r.Topic = at.topic.name
	f.bytes += len(r.Key) + len(r.Value)
	f.tail += len(r.Key) + len(r.Value)
	f.records = append(f.records, r)
	f.places = append(f.places, at)
}

// place returns the flight's view of t. A source has a handful of databases.
func (f *flight) place(t *topic) *place {
	for _, at := range f.known {
		if at.topic == t {
			return at
		}
	}
	at := &place{flight: f, topic: t}
	at.done = at.answer
	f.known = append(f.known, at)
	return at
}

// answer is the client's promise, called once per record on a goroutine of the client. It must not block.
func (at *place) answer(r *kgo.Record, err error) {
	f := at.flight
	switch {
	case err != nil:
		// Before the record counts as answered, so that its batch cannot be confirmed (invariant 8).
		f.session.fail(fmt.Errorf("writing to partition %d of topic %s: %w", r.Partition, r.Topic, err))
	case r.Offset >= 0:
		at.topic.last[r.Partition].Store(r.Offset)
	}
	if f.left.Add(-1) == 0 {
		f.land()
	}
}

// land gives the batch back: all of its records are answered, and the client refers to none any more.
func (f *flight) land() {
	e := f.session
	f.ticket.DoneRange(0, f.events, nil)
	clear(f.records)
	clear(f.places)
	f.ticket, f.records, f.places = nil, f.records[:0], f.places[:0]
	e.free.Put(f)
	e.flights.Done()
}
