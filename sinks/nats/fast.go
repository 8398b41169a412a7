package nats

import (
	"strconv"
	"time"
)

// fastAckEvery is how many messages of a fast-ingest batch the server is to acknowledge together. It chooses less when
// it has many batches, and never more.
const fastAckEvery = 100

// Operations of a message in a fast-ingest batch (ADR-50; nats-server, getFastBatch).
const (
	fastStart  = '0'
	fastAppend = '1'
	fastCommit = '2' // stores this message and ends the batch
	fastEnd    = '3' // ends the batch and is not stored
)

const (
	// fastShort is the length up to which a batch ends with its last record at once when nothing is queued behind it, so
	// that a few events are confirmed without delay.
	fastShort = 16

	// fastLinger is how long a longer batch waits for the next record. Ending it costs the time until the server has
	// stored all that is in flight; a pump at work queues within a fraction of this.
	fastLinger = 2 * time.Millisecond
)

// sendFast sends what there is as one fast-ingest batch, without waiting in between, and ends it when nothing more comes.
// While it waits for the end's acknowledgement the next records gather. So no batch ever idles: the server drops one
// that does for 10 s.
//
// In gap mode fail the server takes nothing more of a batch after the first message that it refused or did not get. As
// each message names the one before it, what is stored of the batch is its beginning, and nothing stands in between.
func (s *session) sendFast() error {
	b := s.open(false)
	replies := newFastReplies(b.subject)
	linger := time.NewTimer(fastLinger)
	defer linger.Stop()
	for n := uint64(1); ; n++ {
		if s.failed.Load() {
			return s.lostError()
		}
		op := byte(fastAppend)
		if n == 1 {
			op = fastStart
		}
		dry := !s.out.has(2)
		ends := dry && n <= fastShort || !dry && s.isApart(s.out.records[1].record)
		if ends {
			op = fastCommit
		}
		expected := s.last
		r := s.next(ends)
		if err := s.link.conn.PublishMsg(s.writer.message(r.record, expected, replies.subject(n, op))); err != nil {
			return classify(err)
		}
		if ends {
			return s.settled()
		}
		if dry && !s.moreWithin(linger) || s.isApart(s.out.records[0].record) {
			return s.endFast(replies.subject(n+1, fastEnd))
		}
	}
}

// endFast ends a batch whose last record is sent already.
func (s *session) endFast(reply string) error {
	s.mu.Lock()
	s.batch.sent, s.batch.sealed = s.last-s.batch.base, true
	s.mu.Unlock()
	subject := s.writer.subjects.controlSubject(kindEpoch) // any of the stream
	if err := s.link.conn.PublishRequest(subject, reply, nil); err != nil {
		return classify(err)
	}
	return s.settled()
}

// moreWithin waits for a record until the timer, which it resets, has run out.
func (s *session) moreWithin(timer *time.Timer) bool {
	timer.Reset(fastLinger)
	for {
		if s.out.has(1) {
			return true
		}
		select {
		case <-s.queue.more:
		case <-timer.C:
			return s.out.has(1)
		case <-s.ctx.Done():
			return false
		}
	}
}

// fastReplies makes the reply subjects of a batch, which tell the server what each message is in it:
// <inbox>.<id>.<ack every>.fail.<number>.<operation>.$FI, numbers in decimal.
type fastReplies struct {
	text   []byte
	prefix int
}

func newFastReplies(batch string) *fastReplies {
	text := append([]byte(batch), strconv.Itoa(fastAckEvery)+".fail."...)
	return &fastReplies{text: text, prefix: len(text)}
}

func (f *fastReplies) subject(n uint64, op byte) string {
	f.text = strconv.AppendUint(f.text[:f.prefix], n, 10)
	f.text = append(f.text, '.', op, '.', '$', 'F', 'I')
	return string(f.text)
}
