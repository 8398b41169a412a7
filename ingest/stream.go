package ingest

import (
	"time"
)

// streamer moves the replication stream from a link to a log, in one goroutine: read as much as a chunk holds, frame,
// append. On a busy link each read takes what the kernel has collected meanwhile; large ones matter, because sender and
// receiver then wake each other less often: with reads of at most 256 KiB BenchmarkDrain reaches two thirds of the rate.
// So does a second goroutine that appends, although it takes work off this one. While the disk is slow the kernel
// collects what the source sends, as it does for any replica, and acknowledging goes on beside.
//
// What one read brought is appended before the next read: an idle link has no latency, and when the link ends, all whole
// units that have been received are in the log. Only a byte that is wrong takes with it what was read together with it.
type streamer struct {
	link   *link
	frame  *framer
	log    Log
	ack    *acker
	passed func(offset int64) // after each chunk is appended
}

// run moves the stream until the link or the log fails; who ends it closes the link's connection. It starts after offset;
// what has been read behind the handshake is in the link's buffer already.
func (s *streamer) run(offset int64) error {
	l := s.link
	l.w = copy(l.buf, l.buf[l.r:l.w])
	l.r = 0
	for scanned := 0; ; {
		unitEnd, err := s.frame.frame(l.buf[:l.w], scanned)
		if err != nil {
			return err
		}
		take := unitEnd
		if unitEnd == 0 && l.w == len(l.buf) {
			take = l.w // inside a unit larger than a chunk
		}
		if take > 0 {
			chunk := s.frame.chunk(offset, l.buf[:take], unitEnd > 0, time.Now().UnixMilli())
			if err := s.log.Append(chunk); err != nil {
				return fromStore("appending to the log", err)
			}
			offset = chunk.End()
			s.passed(offset)
			s.frame.passed(chunk.Data)
			l.w = copy(l.buf, l.buf[take:l.w])
		}
		scanned = l.w
		if s.frame.takeAsked() { // in the chunk, or behind it in a unit that has not ended
			s.ack.now()
		}
		n, err := l.read(l.buf[l.w:])
		if err != nil {
			return err
		}
		l.w += n
	}
}
