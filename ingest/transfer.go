package ingest

import (
	"bytes"
	"fmt"
	"sync/atomic"
)

// receive copies the payload to spool at the speed of the link: size bytes, or up to mark. got counts bytes for Status.
func receive(l *link, spool Spool, size int64, mark []byte, got *atomic.Int64) error {
	if mark != nil {
		return receiveMarked(l, spool, mark, got)
	}
	for left := size; left > 0; {
		if l.r == l.w {
			if err := l.fill(); err != nil {
				return cutTransfer(fmt.Errorf("received %d of %d bytes: %w", size-left, size, err))
			}
		}
		n := int(min(int64(l.w-l.r), left))
		if err := put(l, spool, n, got); err != nil {
			return err
		}
		left -= int64(n)
	}
	return nil
}

// receiveMarked copies until the last bytes received are the mark. A real replica compares them the same way
// (replication.c, readSyncBulkPayload), and it is sound because the source sends nothing behind the mark before our
// first ACK. The mark is drawn by the source's child and may be the same in several transfers: it names nothing.
func receiveMarked(l *link, spool Spool, mark []byte, got *atomic.Int64) error {
	for {
		if p := l.buf[l.r:l.w]; len(p) >= markSize {
			if bytes.HasSuffix(p, mark) {
				if err := put(l, spool, len(p)-markSize, got); err != nil {
					return err
				}
				l.r += markSize
				return nil
			}
			// What could be the beginning of the mark stays in the buffer.
			if err := put(l, spool, len(p)-markSize, got); err != nil {
				return err
			}
			copy(l.buf, l.buf[l.r:l.w])
			l.r, l.w = 0, l.w-l.r
		}
		if err := l.fill(); err != nil {
			return cutTransfer(fmt.Errorf("received %d bytes: %w", got.Load(), err))
		}
	}
}

func put(l *link, spool Spool, n int, got *atomic.Int64) error {
	if n == 0 {
		return nil
	}
	if _, err := spool.Write(l.buf[l.r : l.r+n]); err != nil {
		return fromStore("spooling the snapshot", err)
	}
	l.r += n
	got.Add(int64(n))
	return nil
}

func cutTransfer(err error) error {
	return &HandshakeError{Step: stepTransfer, Err: err, Hint: cutHint(err)}
}
