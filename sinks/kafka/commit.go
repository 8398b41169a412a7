package kafka

import (
	"fmt"
	"time"

	"github.com/twmb/franz-go/pkg/kgo"

	"keyfeed/internal/change"
)

// committer makes what is acknowledged durable as a position: at least once, so events first and then, when all before a
// position are acknowledged, a progress record with it (invariant 2). It is one goroutine, which alone writes progress.
type committer struct {
	session   *session
	committed change.Position // of the newest acknowledged progress record, or of Open
	commits   int64

	// The watch on Kafka's answers.
	watched   change.Position // what was acknowledged at the last look
	unchanged int             // looks in a row at which something was owed and nothing had come
}

// looksPerTimeout is how often per DeliveryTimeout the committer looks whether answers come. The sink fails after
// DeliveryTimeout at the earliest and one look later at the latest.
const looksPerTimeout = 4

func (c *committer) run() {
	e := c.session
	window := e.sink.window
	due := time.NewTimer(e.sink.cfg.CommitInterval)
	due.Stop()
	defer due.Stop()
	waiting := false // due is running
	look := time.NewTicker(max(e.sink.cfg.DeliveryTimeout/looksPerTimeout, time.Millisecond))
	defer look.Stop()
	for {
		select {
		case <-e.ctx.Done():
			e.sink.signal()
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
		case <-look.C:
			c.look()
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
	p := progress{
		Version:  progressVersion,
		Source:   e.sink.cfg.Source,
		Position: pos.String(),
		Instance: e.sink.instance,
		Epoch:    e.sink.epoch,
		Commit:   c.commits,
		TsMs:     time.Now().UnixMilli(),
		Topics:   e.topics.progress(),
	}
	value, err := p.encode()
	if err != nil {
		e.fail(err)
		return
	}
	record := &kgo.Record{Topic: e.sink.cfg.ProgressTopic, Partition: 0, Key: []byte(e.sink.cfg.Source), Value: value}
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
		err = c.late()
	case <-e.ctx.Done():
		// The client may still have stored it; the next Open reads whether it has.
		return
	}
	if err != nil {
		e.fail(fmt.Errorf("writing progress to topic %s: %w", e.sink.cfg.ProgressTopic, err))
		return
	}
	c.committed = pos
	e.sink.confirmed.Store(&pos)
	e.sink.signal()
}

// look fails the session when something is owed and no answer has come for DeliveryTimeout: the client itself retries for
// ever, because it cannot tell a record that was lost from one that was stored without an answer.
func (c *committer) look() {
	owed, _ := c.session.sink.window.Pending()
	now := c.session.sink.window.Confirmed()
	if owed == 0 || now != c.watched {
		c.watched, c.unchanged = now, 0
		return
	}
	if c.unchanged++; c.unchanged > looksPerTimeout {
		c.session.fail(c.late())
	}
}

func (c *committer) late() error {
	return c.session.dials.explain(fmt.Errorf("no acknowledgement from Kafka for %v", c.session.sink.cfg.DeliveryTimeout))
}

// progress tells what the known topics hold. An offset may belong to a record after the position that the progress
// record carries; it is stored all the same.
func (ts *topics) progress() []topicProgress {
	var out []topicProgress
	for _, t := range ts.all() {
		p := topicProgress{Name: t.name, ID: t.id, Partitions: t.partitions, Last: make([]int64, t.partitions)}
		for i := range p.Last {
			p.Last[i] = t.last[i].Load()
		}
		out = append(out, p)
	}
	return out
}
