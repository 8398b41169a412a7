package ingest

import (
	"time"

	"keyfeed/internal/resp"
)

// stream moves the replication stream from l to log until the link or the log fails. It starts after offset, outside
// MULTI, with database db selected; what has been read behind the handshake is in l's buffer already.
//
// One read, one scan, one append: what one read brought is appended before the next read, so an idle link has no
// latency, and on a busy one the kernel collects the next bytes meanwhile.
func stream(l *link, log Log, offset int64, db int, limits resp.Limits, ack *acker, passed func(offset int64)) error {
	f := newFramer(offset, db, limits)
	l.w = copy(l.buf, l.buf[l.r:l.w])
	l.r = 0
	scanned := 0
	for {
		unitEnd, err := f.frame(l.buf[:l.w], scanned)
		if err != nil {
			return err
		}
		scanned = l.w
		take := unitEnd
		if unitEnd == 0 && l.w == len(l.buf) {
			take = l.w // inside a unit larger than a chunk
		}
		if take > 0 {
			data := l.buf[:take]
			if err := log.Append(f.chunk(offset, data, unitEnd > 0, time.Now().UnixMilli())); err != nil {
				return fromStore("appending to the log", err)
			}
			f.passed(data)
			offset += int64(take)
			l.w = copy(l.buf, l.buf[take:l.w])
			scanned = l.w
			passed(offset)
		}
		if f.takeAsked() {
			ack.now()
		}
		if err := l.fill(); err != nil {
			return err
		}
	}
}
