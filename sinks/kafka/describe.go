package kafka

import (
	"context"
	"fmt"
	"strings"

	"github.com/twmb/franz-go/pkg/kgo"
	"github.com/twmb/franz-go/pkg/kmsg"
	"github.com/twmb/franz-go/pkg/kversion"

	"keyfeed/sinks"
)

// Describe implements sinks.Describer. It is for the goroutine that opened the sink.
func (s *Sink) Describe(ctx context.Context) (string, error) {
	if s.session == nil {
		return "", sinks.ErrClosed
	}
	meta, err := s.session.topics.adm.BrokerMetadata(ctx)
	if err != nil {
		return "", fmt.Errorf("asking for the brokers: %w", classify(err, s.cfg.CreateTopics))
	}
	var places []string
	for _, t := range s.session.topics.all() {
		places = append(places, fmt.Sprintf("%s (%d partitions)", t.name, t.partitions))
	}
	return fmt.Sprintf("Kafka %s at %s, brokers: %d; topic %s; progress in %s; at least once; position %s",
		version(ctx, s.session.cl), strings.Join(s.cfg.Brokers, ","), len(meta.Brokers),
		strings.Join(places, ", "), s.cfg.ProgressTopic, s.Confirmed()), nil
}

// version guesses the broker's version from the requests that it knows.
func version(ctx context.Context, cl *kgo.Client) string {
	resp, err := kmsg.NewPtrApiVersionsRequest().RequestWith(ctx, cl)
	if err != nil {
		return "of unknown version"
	}
	return kversion.FromApiVersionsResponse(resp).VersionGuess()
}
