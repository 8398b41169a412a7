package nats

import "strconv"

// fastAckEvery is how many messages of a fast-ingest batch the server is to acknowledge together. It chooses less when
// it has many batches, and never more.
const fastAckEvery = 100

// Operations of a message in a fast-ingest batch (ADR-50; nats-server, getFastBatch).
const (
	fastStart  = '0'
	fastAppend = '1'
	fastCommit = '2' // stores this message and ends the batch
)

// sendFast sends what there is as one fast-ingest batch, without waiting in between, and ends it with the last record.
// While it waits for the end's acknowledgement the next records gather. So no batch ever idles: the server drops one
// that does for 10 s.
//
// In gap mode fail the server takes nothing more of a batch after the first message that it refused or did not get. As
// each message names the one before it, what is stored of the batch is its beginning, and nothing stands in between.
func (s *session) sendFast() error {
	b := s.open(false)
	// The reply subject tells the server what the message is in its batch:
	// <inbox>.<id>.<ack every>.fail.<number>.<operation>.$FI
	prefix := append([]byte(b.subject), strconv.Itoa(fastAckEvery)+".fail."...)
	reply := make([]byte, 0, len(prefix)+32)
	for n := uint64(1); ; n++ {
		op := byte(fastAppend)
		if n == 1 {
			op = fastStart
		}
		if s.failed.Load() {
			return s.lostError()
		}
		ends := !s.out.has(2) || isMarked(s.out.records[1].record)
		if ends {
			op = fastCommit
		}
		reply = strconv.AppendUint(append(reply[:0], prefix...), n, 10)
		reply = append(reply, '.', op, '.', '$', 'F', 'I')
		expected := s.last
		r := s.next(ends)
		if err := s.link.conn.PublishMsg(s.writer.message(r.record, expected, string(reply))); err != nil {
			return classify(err)
		}
		if ends {
			return s.settled()
		}
	}
}
