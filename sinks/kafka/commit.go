package kafka

import (
	"fmt"
	"time"

	"github.com/twmb/franz-go/pkg/kgo"

	"keyfeed/internal/change"
)

// committer is the delivery at least once: events first and then, when all before a position are acknowledged, a progress
// record with it (invariant 2). Its run is one goroutine, which alone writes progress.
type committer struct {
	session   *session
	committed change.Position // of the newest acknowledged progress record, or of Open
	commits   int64
}

// hand implements delivery.
func (c *committer) hand(f *flight) { f.send() }

func (c *committer) run() {
	e := c.session
	window := e.sink.window
	due := time.NewTimer(e.sink.cfg.CommitInterval)
	due.Stop()
	defer due.Stop()
	waiting := false // due is running
	for {
		select {
		case <-e.ctx.Done():
			return
		case <-window.Updates():
			if !waiting && window.Err() == nil {
				due.Reset(e.sink.cfg.CommitInterval)
				waiting = true
			}
		case <-due.C:
			waiting = false
			c.commit()
		case answer := <-e.flushNow:
			c.commit()
			answer <- window.Err()
		}
	}
}

// commit writes a progress record when the acknowledged position has moved, and waits for its acknowledgement.
func (c *committer) commit() {
	e := c.session
	pos := e.sink.window.Confirmed()
	if pos == c.committed || e.sink.window.Err() != nil {
		return
	}
	c.commits++
	record, err := e.progressRecord(pos, c.commits)
	if err != nil {
		e.fail(err)
		return
	}
	acked := make(chan error, 1)
	e.flights.Add(1)
	e.cl.Produce(e.ctx, record, func(_ *kgo.Record, err error) {
		acked <- err
		e.flights.Done()
	})
	timeout := time.NewTimer(e.sink.cfg.DeliveryTimeout)
	defer timeout.Stop()
	select {
	case err = <-acked:
	case <-timeout.C:
		err = e.late()
	case <-e.ctx.Done():
		// The client may still have stored it; the next Open reads whether it has.
		return
	}
	if err != nil {
		e.fail(fmt.Errorf("writing progress to topic %s: %w", e.sink.cfg.ProgressTopic, err))
		return
	}
	c.committed = pos
	e.sink.confirm(pos)
}
