//go:build e2e

package e2e

import (
	"context"
	"errors"
	"testing"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"
	"github.com/twmb/franz-go/pkg/kgo"
)

// streamName and topicName are the defaults for a source named redis.
const (
	streamName = "KEYFEED_redis"
	topicName  = "keyfeed.redis"
)

// readJetStream feeds a collector from the stream until the test ends. The server may come and go, and the stream may
// appear later.
func readJetStream(t *testing.T, url string, c *collector) {
	t.Helper()
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan struct{})
	t.Cleanup(func() { cancel(); <-done })
	nc, err := nats.Connect(url, nats.RetryOnFailedConnect(true), nats.MaxReconnects(-1), nats.ReconnectWait(50*time.Millisecond))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(nc.Close)
	js, err := jetstream.New(nc)
	if err != nil {
		t.Fatal(err)
	}
	go func() {
		defer close(done)
		next := uint64(1) // sequence wanted; a consumer that was lost is made anew from there
		for ctx.Err() == nil {
			next = readStream(ctx, js, c, next)
			select {
			case <-ctx.Done():
			case <-time.After(100 * time.Millisecond):
			}
		}
	}()
}

// readStream reads from sequence next until an error and returns the sequence that is wanted then.
func readStream(ctx context.Context, js jetstream.JetStream, c *collector, next uint64) uint64 {
	attempt, cancel := context.WithTimeout(ctx, 5*time.Second)
	defer cancel()
	consumer, err := js.OrderedConsumer(attempt, streamName, jetstream.OrderedConsumerConfig{
		DeliverPolicy: jetstream.DeliverByStartSequencePolicy, OptStartSeq: next,
	})
	if err != nil {
		return next
	}
	messages, err := consumer.Messages()
	if err != nil {
		return next
	}
	stop := context.AfterFunc(ctx, messages.Stop)
	defer stop()
	defer messages.Stop()
	for {
		m, err := messages.Next()
		if err != nil {
			return next
		}
		meta, err := m.Metadata()
		if err != nil || meta.Sequence.Stream < next {
			continue
		}
		next = meta.Sequence.Stream + 1
		c.add(0, m.Data())
	}
}

// readKafka feeds a collector from the topic until the test ends. The broker may come and go, and the topic may appear
// later.
func readKafka(t *testing.T, broker string, c *collector) {
	t.Helper()
	client, err := kgo.NewClient(
		kgo.SeedBrokers(broker),
		kgo.ConsumeTopics(topicName),
		kgo.ConsumeResetOffset(kgo.NewOffset().AtStart()),
		kgo.FetchIsolationLevel(kgo.ReadCommitted()),
		kgo.MetadataMinAge(100*time.Millisecond),
		kgo.MetadataMaxAge(time.Second),
	)
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan struct{})
	t.Cleanup(func() { cancel(); <-done; client.Close() })
	go func() {
		defer close(done)
		for {
			fetches := client.PollFetches(ctx)
			if ctx.Err() != nil || fetches.IsClientClosed() {
				return
			}
			fetches.EachError(func(_ string, _ int32, err error) {
				if lost, ok := errors.AsType[*kgo.ErrDataLoss](err); ok {
					t.Errorf("the broker has lost events: %v", lost)
				}
			})
			fetches.EachRecord(func(r *kgo.Record) { c.add(int(r.Partition), r.Value) })
		}
	}()
}
