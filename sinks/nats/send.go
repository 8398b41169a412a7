package nats

import (
	"context"
	"fmt"
	"strconv"
	"time"

	"github.com/nats-io/nuid"

	"keyfeed/internal/change"
	"keyfeed/internal/event"
)

// run sends what is queued until the session ends. Each round is a burst in the session's way to publish, and nothing is
// in flight between two rounds.
func (s *session) run() {
	for {
		err := s.await()
		if err == nil {
			err = s.burst()
		}
		if err != nil {
			s.fail(fmt.Errorf("publishing to stream %s: %w", s.cfg.Stream, err))
			return
		}
	}
}

// await waits until there is something to send. Where the bucket cannot show that this writer lives, heartbeats do.
func (s *session) await() error {
	idle := time.NewTicker(keepInterval)
	defer idle.Stop()
	for {
		if s.failed.Load() {
			return s.lostError() // what was queued behind the first error is never sent
		}
		if s.out.fill() {
			return nil
		}
		select {
		case <-s.ctx.Done():
			return context.Cause(s.ctx)
		case <-s.queue.more:
		case <-idle.C:
			if err := s.showLife(); err != nil {
				return err
			}
		}
	}
}

// showLife stores a heartbeat, unless the bucket tells the same.
func (s *session) showLife() error {
	s.keeping.Lock()
	kept := s.keeper.usable
	s.keeping.Unlock()
	if kept {
		return nil
	}
	m := s.epochMessage(tail{sequence: s.lastEvent, position: s.end.position}, s.last, true)
	sequence, err := s.sendEpoch(s.ctx, m)
	if err != nil {
		return err
	}
	if sequence != s.last+1 {
		return fmt.Errorf("a heartbeat was stored under sequence %d, want %d", sequence, s.last+1)
	}
	s.id.began, s.last, s.end.sequence = sequence, sequence, sequence
	return nil
}

func (s *session) burst() error {
	first := s.out.records[0].record
	if !begins(first) { // such a one counts from itself on
		if err := s.adopt(first.Pos.Settings); err != nil {
			return err
		}
	}
	if isMarked(first) {
		return s.sendMarked()
	}
	switch s.publish {
	case PublishFast:
		return s.sendFast()
	case PublishAtomic:
		return s.sendAtomic()
	default:
		return s.sendSingle()
	}
}

// isMarked reports whether a record needs entries in the bucket around it: heartbeats, because they are no events of the
// source's history and would be counted as such after a purge; and what begins a generation, so that no count of events
// spans two.
func isMarked(r *change.Record) bool { return r.Kind == event.KindHeartbeat || begins(r) }

// begins reports whether a record begins a generation.
func begins(r *change.Record) bool {
	return r.Kind == event.KindSnapshotBegin || r.Kind == event.KindGap
}

// isApart reports whether a record cannot go in the burst under way: bursts have the settings of the last record sent.
func (s *session) isApart(r *change.Record) bool {
	return isMarked(r) || r.Pos.Settings != s.end.position.Settings
}

// adopt has the bucket know the settings of the events that follow, before the first of them is sent: after a purge they
// are counted.
func (s *session) adopt(settings string) error {
	if settings == s.end.position.Settings {
		return nil
	}
	s.keeping.Lock() // an entry under the older settings must not replace this one
	defer s.keeping.Unlock()
	s.end.position.Settings = settings
	s.mu.Lock()
	s.stored = s.end // nothing is in flight
	s.mu.Unlock()
	return s.keeper.save(s.ctx, s.end, false)
}

// sendMarked sends one such record by itself. Whether this process dies before, between or after the three steps, the
// entry in the bucket tells exactly what follows the sequence in it.
func (s *session) sendMarked() error {
	s.keeping.Lock() // the regular entries would tell wrongly that events follow
	defer s.keeping.Unlock()
	heartbeat := s.out.records[0].record.Kind == event.KindHeartbeat
	if err := s.keeper.save(s.ctx, s.end, heartbeat); err != nil {
		return err
	}
	if err := s.sendSingle(); err != nil {
		return err
	}
	s.mu.Lock()
	s.stored = s.end
	s.mu.Unlock()
	return s.keeper.save(s.ctx, s.end, false)
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
	s.end, s.lastEvent = mark{sequence: s.last, position: r.record.Pos}, s.last
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
