package kafka_test

import (
	"fmt"
	"testing"

	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kgo"

	"keyfeed/internal/change"
	"keyfeed/sinks/kafka"
)

// committed reads a topic to its end with a consumer that knows nothing of keyfeed, read_committed, by partition.
func committed(t *testing.T, cfg kafka.Config, topic string) map[int32][]*kgo.Record {
	t.Helper()
	cl := client(t, cfg, kgo.ConsumeTopics(topic), kgo.ConsumeResetOffset(kgo.NewOffset().AtStart()),
		kgo.FetchIsolationLevel(kgo.ReadCommitted()), kgo.KeepControlRecords())
	ends, err := kadm.NewClient(cl).ListEndOffsets(within(t), topic)
	if err == nil {
		err = ends.Error()
	}
	if err != nil {
		t.Fatalf("asking where topic %s ends: %v", topic, err)
	}
	left := map[int32]int64{}
	ends.Each(func(o kadm.ListedOffset) {
		if o.Offset > 0 {
			left[o.Partition] = o.Offset
		}
	})
	out := map[int32][]*kgo.Record{}
	for len(left) > 0 {
		fetches := cl.PollFetches(within(t))
		if err := fetches.Err(); err != nil {
			t.Fatalf("consuming topic %s: %v", topic, err)
		}
		fetches.EachRecord(func(r *kgo.Record) {
			if r.Offset+1 >= left[r.Partition] {
				delete(left, r.Partition)
			}
			if !r.Attrs.IsControl() {
				out[r.Partition] = append(out[r.Partition], r)
			}
		})
	}
	return out
}

// wantCommittedOnce checks that a consumer finds the events 0 <= i < n, each once, those of a partition in order.
func wantCommittedOnce(t *testing.T, cfg kafka.Config, n int) {
	t.Helper()
	seen := map[int]bool{}
	for partition, records := range committed(t, cfg, "keyfeed."+cfg.Source) {
		last := -1
		for _, r := range records {
			var i int
			if _, err := fmt.Sscanf(string(r.Value), `{"i":%d`, &i); err != nil {
				t.Fatalf("stored value %.100q: %v", r.Value, err)
			}
			if seen[i] || i < last {
				t.Fatalf("partition %d holds event %d after %d; seen before: %v", partition, i, last, seen[i])
			}
			seen[i], last = true, i
		}
	}
	for i := range n {
		if !seen[i] {
			t.Fatalf("event %d of %d is missing", i, n)
		}
	}
	if len(seen) != n {
		t.Fatalf("%d events are stored, want %d", len(seen), n)
	}
}

// positions are those of all committed progress records of the source, as a transaction left them.
func positions(t *testing.T, cfg kafka.Config) []change.Position {
	t.Helper()
	var out []change.Position
	for _, r := range committed(t, cfg, "_keyfeed.progress")[0] {
		if string(r.Key) == cfg.Source && r.Value != nil {
			out = append(out, positionOf(t, r.Value))
		}
	}
	return out
}
