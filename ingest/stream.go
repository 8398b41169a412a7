package ingest

import (
	"context"
	"time"

	"golang.org/x/sync/errgroup"

	"keyfeed/internal/change"
)

// readSize is the most that one read of the stream takes, in bytes. With 256 KiB what the kernel has copied is still in
// the cache of the core when it is scanned, summed and written: BenchmarkDrain is slower with 64 KiB and with 1 MiB.
const readSize = 256 << 10

// inFlight is how many chunks may wait for the disk behind the one that is being filled.
const inFlight = 2

// streamer moves the replication stream from a link to a log: one goroutine reads and frames, one appends, so that the
// socket is drained while the disk is written. Chunks travel with their buffers, which come back when they are appended.
//
// What one read brought is handed over before the next read: an idle link has no latency, and on a busy one the kernel
// collects the next bytes meanwhile.
type streamer struct {
	link   *link
	frame  *framer
	log    Log
	ack    *acker
	passed func(offset int64) // after each chunk is appended

	queue chan item
	free  chan []byte
}

// item is what the reading goroutine hands to the appending one.
type item struct {
	chunk change.Chunk // may be empty
	buf   []byte       // of which chunk.Data is the beginning; nil without a chunk
	asked bool         // a GETACK is in the chunk, or stands behind it in a unit that has not ended
}

// run moves the stream until the link or the log fails, or ctx ends. It starts after offset; what has been read behind
// the handshake is in the link's buffer already. The appending goroutine is group's, and ends when run has returned and
// everything handed over is appended.
func (s *streamer) run(ctx context.Context, group *errgroup.Group, offset int64) error {
	s.queue = make(chan item, inFlight)
	s.free = make(chan []byte, inFlight)
	for range inFlight {
		s.free <- make([]byte, chunkLimit)
	}
	group.Go(s.appendAll)
	defer close(s.queue)

	l := s.link
	l.w = copy(l.buf, l.buf[l.r:l.w])
	l.r = 0
	for scanned := 0; ; {
		unitEnd, err := s.frame.frame(l.buf[:l.w], scanned)
		if err != nil {
			return err
		}
		scanned = l.w
		it := item{asked: s.frame.takeAsked()}
		take := unitEnd
		if unitEnd == 0 && l.w == len(l.buf) {
			take = l.w // inside a unit larger than a chunk
		}
		if take > 0 {
			it.chunk = s.frame.chunk(offset, l.buf[:take], unitEnd > 0, time.Now().UnixMilli())
			it.buf = l.buf
			s.frame.passed(it.chunk.Data)
			offset += int64(take)
			select {
			case next := <-s.free:
				l.w = copy(next, l.buf[take:l.w])
				l.buf, scanned = next, l.w
			case <-ctx.Done():
				return ctx.Err()
			}
		}
		if take > 0 || it.asked {
			select {
			case s.queue <- it:
			case <-ctx.Done():
				return ctx.Err()
			}
		}
		n, err := l.read(l.buf[l.w:min(len(l.buf), l.w+readSize)])
		if err != nil {
			return err
		}
		l.w += n
	}
}

// appendAll appends what was handed over, to the end: what has been received is not asked for again.
func (s *streamer) appendAll() error {
	for it := range s.queue {
		if it.buf != nil {
			if err := s.log.Append(it.chunk); err != nil {
				return fromStore("appending to the log", err)
			}
			s.passed(it.chunk.End())
			s.free <- it.buf
		}
		if it.asked {
			s.ack.now()
		}
	}
	return nil
}
