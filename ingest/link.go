package ingest

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"net"
	"sync/atomic"
	"time"
)

// chunkLimit is the largest chunk in bytes, what a frame of the backlog holds, and the size of the read buffer.
const chunkLimit = 1 << 20

// lineLimit bounds a status or error line, and bulkLimit a bulk reply of the handshake (INFO), in bytes. What is longer
// did not come from a Redis.
const (
	lineLimit = 16 << 10
	bulkLimit = 512 << 10
)

var errLineTooLong = errors.New("a line longer than any Redis sends")

// link is a connection with one read buffer for everything that arrives on it: lines, the payload, the stream. One
// buffer, so that bytes read together with a line are never lost between two readers.
//
// Reading belongs to one goroutine; writes go straight to conn.
type link struct {
	conn net.Conn
	buf  []byte // fixed size
	r, w int    // buf[r:w] has been received and not been taken

	// idle, when positive, is the read deadline, renewed before every read: any byte counts. Otherwise the deadline is
	// what the handshake has set.
	idle time.Duration
	last *atomic.Int64 // Unix ms of the last byte, for Status
}

func newLink(conn net.Conn, last *atomic.Int64) *link {
	return &link{conn: conn, buf: make([]byte, chunkLimit), last: last}
}

// fill reads once, behind what is buffered. The buffer must have room.
func (l *link) fill() error {
	if l.r == l.w {
		l.r, l.w = 0, 0
	}
	if l.w == len(l.buf) {
		copy(l.buf, l.buf[l.r:l.w])
		l.r, l.w = 0, l.w-l.r
	}
	n, err := l.read(l.buf[l.w:])
	l.w += n
	return err
}

// read reads once into p. It reports an error only when no byte came.
func (l *link) read(p []byte) (int, error) {
	now := time.Now()
	if l.idle > 0 {
		err := l.conn.SetReadDeadline(now.Add(l.idle))
		if err != nil && !errors.Is(err, net.ErrClosed) && !errors.Is(err, io.ErrClosedPipe) {
			return 0, fmt.Errorf("setting the read deadline: %w", err)
		}
		// Of a closed connection Read says at once who closed it, which the deadline's error does not.
	}
	n, err := l.conn.Read(p)
	if n > 0 {
		l.last.Store(time.Now().UnixMilli())
		return n, nil
	}
	var ne net.Error
	if l.idle > 0 && errors.As(err, &ne) && ne.Timeout() {
		return 0, fmt.Errorf("no byte from the source for %v: %w", l.idle, err)
	}
	return 0, err
}

// peek is the next byte.
func (l *link) peek() (byte, error) {
	if l.r == l.w {
		if err := l.fill(); err != nil {
			return 0, err
		}
	}
	return l.buf[l.r], nil
}

// line takes the next line without its end, which is LF or CR LF. It is valid until the next read.
func (l *link) line() ([]byte, error) {
	seen := 0
	for {
		if i := bytes.IndexByte(l.buf[l.r+seen:l.w], '\n'); i >= 0 {
			if seen+i > lineLimit {
				return nil, errLineTooLong
			}
			p := l.buf[l.r : l.r+seen+i]
			l.r += seen + i + 1
			return bytes.TrimSuffix(p, []byte("\r")), nil
		}
		if seen = l.w - l.r; seen > lineLimit {
			return nil, errLineTooLong
		}
		if err := l.fill(); err != nil {
			return nil, err
		}
	}
}

// bulk takes n bytes and the CR LF behind them. n must be at most bulkLimit.
func (l *link) bulk(n int) ([]byte, error) {
	for l.w-l.r < n+2 {
		if err := l.fill(); err != nil {
			return nil, err
		}
	}
	p := l.buf[l.r : l.r+n]
	if l.buf[l.r+n] != '\r' || l.buf[l.r+n+1] != '\n' {
		return nil, errNotRESP
	}
	l.r += n + 2
	return p, nil
}

// write sends p within timeout.
func (l *link) write(p []byte, timeout time.Duration) error {
	if err := l.conn.SetWriteDeadline(time.Now().Add(timeout)); err != nil {
		return fmt.Errorf("setting the write deadline: %w", err)
	}
	_, err := l.conn.Write(p)
	return err
}
