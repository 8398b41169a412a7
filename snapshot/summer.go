package snapshot

import (
	"context"
	"errors"
	"hash"
	"io"
	"sync"

	"github.com/hdt3213/rdb/crc64jones"
)

const (
	crcLen   = 8
	sumBlock = 256 << 10 // bytes read back at once: small enough to stay in a cache close to the processor
)

// summer computes the CRC-64 of a file that is being written, following the writer.
type summer struct {
	file io.ReaderAt
	sum  hash.Hash64

	mu      sync.Mutex
	changed *sync.Cond
	limit   int64 // bytes that may be summed now: written, less the last eight, which may be the checksum
	final   bool  // limit will not grow
	stopped bool
	err     error

	done chan struct{} // closed when the goroutine has ended
}

func startSummer(f io.ReaderAt) *summer {
	s := &summer{file: f, sum: crc64jones.New(), done: make(chan struct{})}
	s.changed = sync.NewCond(&s.mu)
	go s.run()
	return s
}

// advance tells that size bytes are written.
func (s *summer) advance(size int64) {
	s.mu.Lock()
	s.limit = max(size-crcLen, 0)
	s.mu.Unlock()
	s.changed.Signal()
}

// finish waits for the sum of all but the last eight of size bytes, and ends the goroutine in any case.
func (s *summer) finish(ctx context.Context, size int64) (uint64, error) {
	s.advance(size)
	s.mu.Lock()
	s.final = true
	s.mu.Unlock()
	s.changed.Signal()
	stop := context.AfterFunc(ctx, s.end)
	<-s.done
	stop()
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.stopped && s.err == nil {
		return 0, context.Cause(ctx)
	}
	return s.sum.Sum64(), s.err
}

// stop ends the goroutine.
func (s *summer) stop() {
	s.end()
	<-s.done
}

func (s *summer) end() {
	s.mu.Lock()
	s.stopped = true
	s.mu.Unlock()
	s.changed.Signal()
}

// await returns how far the file may be summed; false when it is to end.
func (s *summer) await(at int64) (int64, bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for s.limit == at && !s.final && !s.stopped {
		s.changed.Wait()
	}
	return s.limit, !s.stopped && s.limit > at
}

func (s *summer) run() {
	defer close(s.done)
	buf := make([]byte, sumBlock)
	at := int64(0)
	for {
		limit, ok := s.await(at)
		if !ok {
			return
		}
		n, err := s.file.ReadAt(buf[:min(int64(len(buf)), limit-at)], at)
		if n == 0 {
			if err == nil || errors.Is(err, io.EOF) {
				err = io.ErrUnexpectedEOF // the bytes were written
			}
			s.mu.Lock()
			s.err = err
			s.stopped = true
			s.mu.Unlock()
			return
		}
		_, _ = s.sum.Write(buf[:n]) // a hash never fails
		at += int64(n)
	}
}
