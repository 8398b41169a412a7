package kafka

import (
	"context"
	"fmt"
	"strings"

	"github.com/twmb/franz-go/pkg/kgo"
	"github.com/twmb/franz-go/pkg/kmsg"
	"github.com/twmb/franz-go/pkg/kversion"

	"keyfeed/internal/change"
	"keyfeed/sinks"
)

// Describe implements sinks.Describer. It is for the goroutine that opened the sink.
func (s *Sink) Describe(ctx context.Context) (string, error) {
	if s.session == nil {
		return "", sinks.ErrClosed
	}
	return s.session.describe(ctx, s.Confirmed())
}

func (e *session) describe(ctx context.Context, pos change.Position) (string, error) {
	cfg := &e.sink.cfg
	meta, err := e.topics.adm.BrokerMetadata(ctx)
	if err != nil {
		return "", fmt.Errorf("asking for the brokers: %w", classify(err, cfg.CreateTopics))
	}
	var places []string
	for _, t := range e.topics.all() {
		places = append(places, fmt.Sprintf("%s (%d partitions)", t.name, t.partitions))
	}
	return fmt.Sprintf("Kafka %s at %s, brokers: %d; topic %s; progress in %s; %s; position %s",
		version(ctx, e.cl), strings.Join(cfg.Brokers, ","), len(meta.Brokers),
		strings.Join(places, ", "), cfg.ProgressTopic, e.sink.promise(), pos), nil
}

func (s *Sink) promise() string {
	if s.cfg.AtLeastOnce {
		return "at least once"
	}
	return "exactly once, transactional id " + transactionalID(s.cfg)
}

// version guesses the broker's version from the requests that it knows.
func version(ctx context.Context, cl *kgo.Client) string {
	resp, err := kmsg.NewPtrApiVersionsRequest().RequestWith(ctx, cl)
	if err != nil {
		return "of unknown version"
	}
	return kversion.FromApiVersionsResponse(resp).VersionGuess()
}
