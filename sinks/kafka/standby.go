package kafka

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kgo"

	"keyfeed/sinks"
)

// stoodStill is how late an answer may be for the silence before it to count: a Kafka that stands still keeps every writer
// silent.
const stoodStill = time.Second

// Standby implements sinks.Stander: it watches the progress topic for records of other writers. It reads uncommitted ones
// too: they are signs of life, and the open transaction of another source, left by kill -9, would hide committed ones.
func (s *Sink) Standby(ctx context.Context, quiet time.Duration) error {
	e, err := s.observer()
	if err != nil {
		return err
	}
	defer e.cl.Close()
	if err := (&standby{session: e, next: -1}).wait(ctx, quiet); err != nil {
		return fmt.Errorf("standing by at Kafka: %w", classify(e.told(ctx, err), true))
	}
	return nil
}

// standby is one call of Standby.
type standby struct {
	session *session
	next    int64 // offset of the progress topic to read next, -1 = its end
}

func (b *standby) wait(ctx context.Context, quiet time.Duration) error {
	for silent := time.Duration(0); silent < quiet; {
		began := time.Now()
		alive, err := b.look(ctx)
		if err == nil {
			err = context.Cause(ctx)
		}
		if err != nil {
			return err
		}
		took := time.Since(began)
		if silent += took; alive || took > fetchWaitMs*time.Millisecond+stoodStill {
			silent = 0
		}
	}
	return nil
}

// look waits up to fetchWaitMs for progress records and reports whether one is of another writer.
func (b *standby) look(ctx context.Context) (alive bool, err error) {
	r := b.session.reader()
	if b.next < 0 {
		b.next, err = b.end(ctx)
	}
	var part kgo.FetchPartition
	if err == nil {
		var next int64
		if part, next, err = r.fetch(ctx, b.next, kgo.ReadUncommitted()); err == nil {
			b.next = next
		}
	}
	switch {
	case errors.Is(err, kerr.UnknownTopicOrPartition), errors.Is(err, kerr.UnknownTopicID), errors.Is(err, kerr.OffsetOutOfRange):
		// There is no such topic, or not that one any more: nobody writes there now.
		b.next = -1
		return false, sleep(ctx, fetchWaitMs*time.Millisecond)
	case retriable(err):
		b.next = -1
		return true, sleep(ctx, retryPause) // nothing was seen, so nothing is known
	case err != nil:
		return false, fmt.Errorf("reading topic %s: %w", r.topic, err)
	}
	for _, rec := range part.Records {
		if string(rec.Key) == b.session.sink.cfg.Source && rec.Value != nil {
			p, err := parseProgress(rec.Value, b.session.sink.cfg.Source)
			alive = alive || err != nil || p.Instance != b.session.sink.instance
		}
	}
	return alive, nil
}

// end is where the progress topic ends now.
func (b *standby) end(ctx context.Context) (int64, error) {
	r := b.session.reader()
	meta, err := r.adm.Metadata(ctx, r.topic)
	if err == nil {
		err = meta.Topics[r.topic].Err // a missing topic is an answer here: no reason to ask again
	}
	if err != nil {
		return -1, err
	}
	return offsetOf(ctx, r.adm.ListEndOffsets, r.topic)
}

// observer makes a session that only reads. Its client has no transactional id and never asks for a producer id.
func (s *Sink) observer() (*session, error) {
	if s.closed {
		return nil, sinks.ErrClosed
	}
	cfg := s.cfg
	cfg.CreateTopics = false
	e := &session{sink: s, dials: &dialWatch{}}
	var err error
	if e.cl, err = newClient(cfg, kgo.WithHooks(e.dials)); err != nil {
		return nil, err
	}
	e.topics = newTopics(cfg, kadm.NewClient(e.cl), s.names)
	return e, nil
}
