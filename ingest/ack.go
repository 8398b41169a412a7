package ingest

import (
	"context"
	"fmt"
	"strconv"
	"time"
)

// ackInterval is how often a replica acknowledges (replication.c, replicationCron).
const ackInterval = time.Second

// acker writes REPLCONF ACK, from its own goroutine: a slow disk must not make the source think that the link is dead.
//
// Before the log exists, while a received snapshot is being made durable, it acknowledges 0: the source counts the link
// as alive by any ACK, and after a payload without a size it sends no stream before the first ACK it notices. It notices
// by a cron tick after its child has ended, so a single one can be lost; one every second is not.
type acker struct {
	link    *link
	timeout time.Duration
	logs    chan Log      // one: the log, when it exists
	force   chan struct{} // one: a GETACK has been appended
	forced  chan int64    // what AckNow gave
}

func newAcker(l *link, timeout time.Duration) *acker {
	return &acker{
		link:    l,
		timeout: timeout,
		logs:    make(chan Log, 1),
		force:   make(chan struct{}, 1),
		forced:  make(chan int64),
	}
}

// begin hands over the log. It is called once.
func (a *acker) begin(log Log) { a.logs <- log }

// now asks for an ACK as soon as what has been appended is durable. Calls while one is waiting are one.
func (a *acker) now() {
	select {
	case a.force <- struct{}{}:
	default:
	}
}

// run acknowledges at once, every second, and after every GETACK, until ctx ends or a write fails.
func (a *acker) run(ctx context.Context, start func(func() error)) error {
	tick := time.NewTicker(ackInterval)
	defer tick.Stop()
	var log Log
	var buf []byte
	for offset := int64(0); ; {
		buf = appendAck(buf[:0], offset)
		if err := a.link.write(buf, a.timeout); err != nil {
			return fmt.Errorf("acknowledging: %w", err)
		}
		select {
		case <-ctx.Done():
			return ctx.Err()
		case log = <-a.logs:
			// AckNow may take as long as a disk or a broker does; the ticker goes on beside it.
			start(func() error { return a.answer(ctx, log) })
			offset = log.Acked()
		case offset = <-a.forced:
		case <-tick.C:
			if log != nil {
				offset = log.Acked() // invariant 1: only what the log says
			}
		}
	}
}

// answer serves GETACKs, one at a time: one that comes during AckNow is served by the next.
func (a *acker) answer(ctx context.Context, log Log) error {
	for {
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-a.force:
		}
		offset, err := log.AckNow(ctx)
		if err != nil {
			return fromStore("making the log durable for GETACK", err)
		}
		select {
		case <-ctx.Done():
			return ctx.Err()
		case a.forced <- offset:
		}
	}
}

func appendAck(dst []byte, offset int64) []byte {
	var digits [20]byte
	n := strconv.AppendInt(digits[:0], offset, 10)
	dst = append(dst, "*3\r\n$8\r\nREPLCONF\r\n$3\r\nACK\r\n$"...)
	dst = strconv.AppendInt(dst, int64(len(n)), 10)
	dst = append(dst, '\r', '\n')
	dst = append(dst, n...)
	return append(dst, '\r', '\n')
}
