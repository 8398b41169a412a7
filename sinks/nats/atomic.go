package nats

import (
	"errors"
	"strconv"
	"time"

	natsgo "github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"
)

const (
	// atomicMessages is the most that servers take in one atomic batch. One that is set to less refuses the batch; the
	// next one is half as large.
	atomicMessages = 1000

	// unitPatience is how long the beginning of a unit waits for the rest. All of it is on disk before any of it is
	// written to a sink, so this is enough unless the process is about to end.
	unitPatience = 2 * time.Second

	headerBatchID       = "Nats-Batch-Id"
	headerBatchSequence = "Nats-Batch-Sequence"
	headerBatchCommit   = "Nats-Batch-Commit"
)

// sendAtomic sends whole units as one atomic batch, and waits for it. The server stores all of it or nothing, so only
// its first message names the one before it.
//
// A unit of more records than a batch takes, or one that the window cannot hold, goes in several batches; a position
// between two of them is inside the unit.
func (s *session) sendAtomic() error {
	n, err := s.gather()
	if err != nil {
		return err
	}
	if n == 1 { // a batch costs the server some milliseconds, whatever its size
		return s.sendSingle()
	}
	b := s.open(false)
	for i := 1; i <= n; i++ {
		if s.failed.Load() {
			return s.lostError()
		}
		expected := s.last
		r := s.next(i == n)
		reply := ""
		if i == 1 || i == n { // the first is answered too: it tells at once that the stream takes no batches
			reply = b.subject + strconv.Itoa(i)
		}
		m := s.writer.message(r.record, expected, reply)
		asPartOf(m.Header, b.id, i, i == n)
		err := s.link.conn.PublishMsg(m)
		s.writer.reset()
		if err != nil {
			return classify(err)
		}
	}
	err = s.settled()
	if api, ok := errors.AsType[*jetstream.APIError](err); ok && api.ErrorCode == codeBatchTooLarge {
		*s.atomicMax = max(1, n/2) // the next epoch tries with less
	}
	return err
}

// asPartOf makes a message the i-th one of a batch.
func asPartOf(h natsgo.Header, id string, i int, last bool) {
	h.Set(headerBatchID, id)
	h.Set(headerBatchSequence, strconv.Itoa(i))
	if last {
		h.Set(headerBatchCommit, "1")
	}
	if i > 1 { // the server refuses it there
		h.Del(jetstream.ExpectedLastSeqHeader)
	}
}

// gather returns how many of the next records make one batch, and waits for the rest of a unit that has begun.
func (s *session) gather() (int, error) {
	patience := time.NewTimer(unitPatience)
	defer patience.Stop()
	for late := false; ; {
		s.out.has(*s.atomicMax)
		n, whole := 0, 0
		for n < min(len(s.out.records), *s.atomicMax) {
			r := s.out.records[n].record
			if s.isApart(r) {
				return n, nil
			}
			n++
			if !r.Pos.InUnit() {
				whole = n
			}
		}
		switch {
		case whole > 0:
			return whole, nil
		case n == *s.atomicMax:
			return n, nil
		}
		// In this order: what Write queued before it found no room is in the queue then.
		blocked := s.window.IsBlocked()
		if s.out.has(n + 1) {
			continue
		}
		if blocked || late || s.flushing.Load() {
			// The rest of the unit waits for room that only these records can make, or it does not come.
			return n, nil
		}
		select {
		case <-s.queue.more:
		case <-s.window.Blocked():
		case <-s.moved: // Flush, among others
		case <-patience.C:
			late = true
		case <-s.ctx.Done():
			return 0, s.lostError()
		}
	}
}
