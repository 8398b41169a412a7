package kafka_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kgo"

	"keyfeed/internal/change"
	"keyfeed/sinks"
	"keyfeed/sinks/kafka"
)

const (
	replid   = "0123456789abcdef0123456789abcdef01234567"
	patience = 60 * time.Second // bounds waits that only a broken sink waits out
)

func within(tb testing.TB) context.Context {
	tb.Helper()
	ctx, cancel := context.WithTimeout(tb.Context(), patience)
	tb.Cleanup(cancel)
	return ctx
}

func posAt(offset int64) change.Position {
	return change.Position{Gen: 1795311158, Offset: offset, ReplID: replid}
}

// event is record i of database db, with a key of its own among ten.
func event(i int, db int32) change.Record {
	return change.Record{
		Value: fmt.Appendf(nil, `{"i":%d}`, i),
		Key:   fmt.Appendf(nil, "user:%d", i%10),
		DB:    db,
		Pos:   posAt(int64(i) + 1),
	}
}

// everywhere is record i for every partition.
func everywhere(i int, db int32, kind string) change.Record {
	return change.Record{
		Value: fmt.Appendf(nil, `{"i":%d}`, i), Route: change.RouteBroadcast, Kind: kind, DB: db, Pos: posAt(int64(i) + 1),
	}
}

func batch(records ...change.Record) *change.Batch {
	b := &change.Batch{Records: records}
	for _, r := range records {
		b.Bytes += len(r.Value) + len(r.Key)
	}
	return b
}

// events are the records from <= i < to of database 0.
func events(from, to int) *change.Batch {
	var out []change.Record
	for i := from; i < to; i++ {
		out = append(out, event(i, 0))
	}
	return batch(out...)
}

// opened returns an open sink that is closed with the test.
func opened(t *testing.T, cfg kafka.Config) *kafka.Sink {
	t.Helper()
	s := newSink(t, cfg)
	t.Cleanup(func() { _ = s.Close() })
	if _, err := s.Open(within(t)); err != nil {
		t.Fatalf("Open: %v", err)
	}
	return s
}

// openError is what Open of a fresh sink gives.
func openError(t *testing.T, cfg kafka.Config) error {
	t.Helper()
	s := newSink(t, cfg)
	t.Cleanup(func() { _ = s.Close() })
	_, err := s.Open(within(t))
	return err
}

func mustWrite(t *testing.T, s sinks.Sink, b *change.Batch) {
	t.Helper()
	if err := s.Write(within(t), b); err != nil {
		t.Fatalf("Write: %v", err)
	}
}

func mustFlush(t *testing.T, s sinks.Sink) {
	t.Helper()
	if err := s.Flush(within(t)); err != nil {
		t.Fatalf("Flush: %v", err)
	}
}

// records reads everything of the source.
func records(t *testing.T, cfg kafka.Config, opts kafka.ReadOptions) []kafka.Record {
	t.Helper()
	opts.UntilEnd = true
	var out []kafka.Record
	err := kafka.Read(within(t), cfg, opts, func(r kafka.Record) error {
		out = append(out, r)
		return nil
	})
	if err != nil {
		t.Fatalf("Read: %v", err)
	}
	return out
}

// positionOf is the position in a progress record.
func positionOf(t *testing.T, value []byte) change.Position {
	t.Helper()
	var p struct {
		Position string `json:"position"`
	}
	if err := json.Unmarshal(value, &p); err != nil {
		t.Fatalf("progress record %q: %v", value, err)
	}
	pos, err := change.ParsePosition(p.Position)
	if err != nil {
		t.Fatal(err)
	}
	return pos
}

// offsetsOf are the last offsets in a progress record of one topic.
func offsetsOf(t *testing.T, value []byte) []int64 {
	t.Helper()
	var p struct {
		Topics []struct {
			Last []int64 `json:"last"`
		} `json:"topics"`
	}
	if err := json.Unmarshal(value, &p); err != nil || len(p.Topics) != 1 {
		t.Fatalf("progress record %q: %v", value, err)
	}
	return p.Topics[0].Last
}

// counts tells how often each value is stored.
func counts(rs []kafka.Record) map[string]int {
	out := map[string]int{}
	for _, r := range rs {
		out[string(r.Value)]++
	}
	return out
}

// wantOnce checks that the events 0 <= i < n are stored exactly once each.
func wantOnce(t *testing.T, cfg kafka.Config, n int) {
	t.Helper()
	got := counts(records(t, cfg, kafka.ReadOptions{}))
	for i := range n {
		if c := got[fmt.Sprintf(`{"i":%d}`, i)]; c != 1 {
			t.Fatalf("event %d is stored %d times", i, c)
		}
	}
	if len(got) != n {
		t.Fatalf("%d events are stored, want %d", len(got), n)
	}
}

// client is a Kafka client for what the sink does not do.
func client(t *testing.T, cfg kafka.Config, opts ...kgo.Opt) *kgo.Client {
	t.Helper()
	cl, err := kgo.NewClient(append([]kgo.Opt{kgo.SeedBrokers(cfg.Brokers...), kgo.MetadataMinAge(50 * time.Millisecond)}, opts...)...)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(cl.Close)
	return cl
}

// createTopic makes a topic as an operator would.
func createTopic(t *testing.T, cfg kafka.Config, name string, partitions int32, settings map[string]string) {
	t.Helper()
	values := map[string]*string{}
	for key, value := range settings {
		values[key] = &value
	}
	if _, err := kadm.NewClient(client(t, cfg)).CreateTopic(within(t), partitions, 1, values, name); err != nil {
		t.Fatalf("creating topic %s: %v", name, err)
	}
}

// putProgress writes a record to the progress topic.
func putProgress(t *testing.T, cfg kafka.Config, source, value string) {
	t.Helper()
	r := &kgo.Record{Topic: "_keyfeed.progress", Key: []byte(source), Value: []byte(value)}
	if value == "" {
		r.Value = nil
	}
	if err := client(t, cfg).ProduceSync(within(t), r).FirstErr(); err != nil {
		t.Fatalf("writing a progress record: %v", err)
	}
}

// putInTransaction has a record stored in the transaction of cl, and leaves it so that its end sees it: see endTransaction.
func putInTransaction(t *testing.T, cl *kgo.Client, r *kgo.Record) {
	t.Helper()
	ctx := within(t)
	if err := cl.ProduceSync(ctx, r).FirstErr(); err != nil {
		t.Fatal(err)
	}
	for {
		if leader, _, _ := cl.PartitionLeader(r.Topic, r.Partition); leader >= 0 {
			return
		}
		select {
		case <-time.After(time.Millisecond):
		case <-ctx.Done():
			t.Fatalf("the client does not show partition %d of topic %s", r.Partition, r.Topic)
		}
	}
}

func wantOperator(t *testing.T, err error) {
	t.Helper()
	if !errors.Is(err, sinks.ErrConfig) {
		t.Fatalf("got error %v, want one for an operator", err)
	}
	t.Log(err)
}

func contextWithCause(t *testing.T) (context.Context, context.CancelCauseFunc) {
	t.Helper()
	ctx, cancel := context.WithCancelCause(t.Context())
	t.Cleanup(func() { cancel(nil) })
	return ctx, cancel
}
