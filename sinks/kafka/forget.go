package kafka

import (
	"context"
	"fmt"

	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kgo"

	"keyfeed/sinks"
)

// Forget takes back the progress of the source, so that the next Open finds no position: for an operator, and for
// KEYFEED_ON_SINK_LOSS=resync after an Open that gave [sinks.ErrLost]. The events stay. It ends what the sink has in flight;
// Open starts it anew. It is for the pump's goroutine.
func (s *Sink) Forget(ctx context.Context) error {
	if s.closed {
		return sinks.ErrClosed
	}
	if s.session != nil {
		s.session.end(ctx, s.patience())
		s.session = nil
	}
	if err := s.forget(ctx); err != nil {
		return fmt.Errorf("forgetting the position in Kafka: %w", classify(err, s.cfg.CreateTopics))
	}
	return nil
}

func (s *Sink) forget(ctx context.Context) error {
	opts, err := producerOptions(s.cfg, func(string) int32 { return defaultBatchBytes })
	if err != nil {
		return err
	}
	cl, err := newClient(s.cfg, opts...)
	if err != nil {
		return err
	}
	defer cl.Close()
	if err := newTopics(s.cfg, kadm.NewClient(cl), s.names).addProgress(ctx); err != nil {
		return err
	}
	tombstone := &kgo.Record{Topic: s.cfg.ProgressTopic, Key: []byte(s.cfg.Source)}
	if s.cfg.AtLeastOnce {
		return produceNow(ctx, cl, tombstone)
	}
	// A transaction of the source fences a writer that runs, which would store its position again.
	if err := cl.BeginTransaction(); err != nil {
		return err
	}
	if err := produceNow(ctx, cl, tombstone); err != nil {
		return err
	}
	in := kadm.TopicsSet{}
	in.Add(s.cfg.ProgressTopic, 0)
	return endTransaction(ctx, cl, kgo.TryCommit, in)
}
