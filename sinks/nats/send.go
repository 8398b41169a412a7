package nats

import (
	"context"
	"fmt"
	"strconv"

	"github.com/nats-io/nuid"
)

// run sends what is queued until the session ends. Each round is a burst in the session's way to publish, and nothing is
// in flight between two rounds.
func (s *session) run() {
	for {
		if !s.out.fill() {
			select {
			case <-s.ctx.Done():
				return
			case <-s.queue.more:
			}
			continue
		}
		if s.failed.Load() {
			return // what was queued behind the first error is never sent
		}
		if err := s.burst(); err != nil {
			s.fail(fmt.Errorf("publishing to stream %s: %w", s.cfg.Stream, err))
			return
		}
	}
}

func (s *session) burst() error {
	switch s.publish {
	case PublishFast:
		return s.sendFast()
	case PublishAtomic:
		return s.sendAtomic()
	default:
		return s.sendSingle()
	}
}

// batch is what is in flight: replies are read by it.
type batch struct {
	open    bool   // not everything of it is acknowledged
	id      string // of the batch on the server; "" for a plain message
	base    uint64 // sequence of the message before its first one
	sent    uint64 // messages of it
	sealed  bool   // nothing more is sent in it
	subject string // replies come to subjects that begin with it
}

// open begins a batch; what came before it is acknowledged whole.
func (s *session) open(plain bool) batch {
	b := batch{open: true, base: s.last, sealed: plain}
	if !plain {
		b.id = nuid.Next() // never used again: with an id that it knows, the server acknowledged what it had not stored
	}
	b.subject = s.inbox + "." + b.id + "."
	if plain {
		b.subject = s.inbox + "." + strconv.FormatUint(b.base, 10) + "."
	}
	s.mu.Lock()
	s.batch = b
	s.mu.Unlock()
	return b
}

// next takes a record out of the outbox and books it, before it is sent, as the message after the last one.
func (s *session) next(seals bool) outgoing {
	r := s.out.pop()
	s.last++
	if !seals && r.item.ticket == nil {
		return r
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.batch.sent = s.last - s.batch.base
	s.batch.sealed = s.batch.sealed || seals
	if i := r.item; i.ticket != nil {
		s.flights = append(s.flights, flight{i.ticket, i.first, len(i.records), s.last, r.record.Pos})
	}
	return r
}

// settled waits until the batch that was sealed is acknowledged whole.
func (s *session) settled() error {
	for {
		s.mu.Lock()
		open, lost := s.batch.open, s.lost
		s.mu.Unlock()
		if lost != nil {
			return lost
		}
		if !open {
			return nil
		}
		select {
		case <-s.moved:
		case <-s.ctx.Done():
			return context.Cause(s.ctx)
		}
	}
}

// sendSingle sends one message. The next one goes when it is acknowledged: there is no chain that could break in the
// middle.
func (s *session) sendSingle() error {
	b := s.open(true)
	expected := s.last
	r := s.next(true)
	if err := s.link.conn.PublishMsg(s.writer.message(r.record, expected, b.subject+"s")); err != nil {
		return classify(err)
	}
	return s.settled()
}
