package kafka_test

import (
	"encoding/json"
	"errors"
	"fmt"
	"testing"

	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kgo"

	"keyfeed/internal/change"
	"keyfeed/sinks"
	"keyfeed/sinks/kafka"
)

// ownEvents are events that say whose they are.
func ownEvents(cfg kafka.Config, from, to int) *change.Batch {
	b := events(from, to)
	for i := range b.Records {
		b.Records[i].Value = fmt.Appendf(nil, `{"i":%d,"source":{"name":%q}}`, from+i, cfg.Source)
	}
	return b
}

// newestProgress is the value of the newest progress record.
func newestProgress(t *testing.T, cfg kafka.Config) string {
	t.Helper()
	all := committed(t, cfg, "_keyfeed.progress")[0]
	return string(all[len(all)-1].Value)
}

// rewound stores 200 events and then the progress record again that said 100, as if the progress topic had lost its end.
func rewound(t *testing.T, cfg kafka.Config) {
	t.Helper()
	s := opened(t, cfg)
	mustWrite(t, s, ownEvents(cfg, 0, 100))
	mustFlush(t, s)
	old := newestProgress(t, cfg)
	mustWrite(t, s, ownEvents(cfg, 100, 200))
	mustFlush(t, s)
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	putProgress(t, cfg, cfg.Source, old)
}

func wantLost(t *testing.T, cfg kafka.Config) {
	t.Helper()
	err := openError(t, cfg)
	wantOperator(t, err)
	if !errors.Is(err, sinks.ErrLost) {
		t.Errorf("the error is %v, want a loss", err)
	}
}

func TestProgressTopicLostItsEnd(t *testing.T) {
	t.Run("own topic", func(t *testing.T) {
		cfg := config("redis", cluster(t).ListenAddrs()...)
		rewound(t, cfg)
		wantLost(t, cfg)
	})
	t.Run("a record by hand behind it", func(t *testing.T) { // says nothing
		cfg := config("redis", cluster(t).ListenAddrs()...)
		s := opened(t, cfg)
		mustWrite(t, s, ownEvents(cfg, 0, 100))
		mustFlush(t, s)
		if err := client(t, cfg).ProduceSync(within(t), &kgo.Record{Topic: "keyfeed.redis", Value: []byte("by hand")}).FirstErr(); err != nil {
			t.Fatal(err)
		}
		if got := opened(t, cfg).Confirmed(); got != posAt(100) {
			t.Errorf("the position is %v, want %v", got, posAt(100))
		}
	})
	t.Run("topic of many sources", func(t *testing.T) { // a documented limit
		cfg := config("redis", cluster(t).ListenAddrs()...)
		cfg.Topic = "all"
		rewound(t, cfg)
		if got := opened(t, cfg).Confirmed(); got != posAt(100) {
			t.Errorf("the position is %v, want %v", got, posAt(100))
		}
	})
	t.Run("written at least once", func(t *testing.T) { // looks the same after any crash
		cfg := config("redis", cluster(t).ListenAddrs()...)
		cfg.AtLeastOnce = true
		rewound(t, cfg)
		for range 2 { // as the next delivery, then as the one after it
			cfg.AtLeastOnce = false
			s := opened(t, cfg)
			if got := s.Confirmed(); got != posAt(100) {
				t.Errorf("the position is %v, want %v", got, posAt(100))
			}
			if err := s.Close(); err != nil {
				t.Fatal(err)
			}
		}
	})
}

// TestCommittedEventIsNotShown: the progress record names an event that a consumer does not find.
func TestCommittedEventIsNotShown(t *testing.T) {
	cfg := config("redis", cluster(t).ListenAddrs()...)
	s := opened(t, cfg)
	mustWrite(t, s, ownEvents(cfg, 0, 100))
	mustFlush(t, s)
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	partition := int32(0)
	taken := client(t, cfg, kgo.TransactionalID("somebody"), kgo.RecordPartitioner(kgo.ManualPartitioner()))
	if err := taken.BeginTransaction(); err != nil {
		t.Fatal(err)
	}
	r := &kgo.Record{Topic: "keyfeed.redis", Partition: partition, Value: []byte("taken back")}
	putInTransaction(t, taken, r)
	if err := taken.EndTransaction(within(t), kgo.TryAbort); err != nil {
		t.Fatal(err)
	}
	value := newestProgress(t, cfg)
	putProgress(t, cfg, cfg.Source, withLast(t, value, partition, r.Offset))
	wantLost(t, cfg)

	// What retention has deleted is no loss.
	offsets := kadm.Offsets{}
	offsets.Add(kadm.Offset{Topic: "keyfeed.redis", Partition: partition, At: r.Offset + 1})
	if _, err := kadm.NewClient(client(t, cfg)).DeleteRecords(within(t), offsets); err != nil {
		t.Fatal(err)
	}
	if got := opened(t, cfg).Confirmed(); got != posAt(100) {
		t.Errorf("the position is %v, want %v", got, posAt(100))
	}
}

// withLast is a progress record with another last offset of a partition.
func withLast(t *testing.T, value string, partition int32, last int64) string {
	t.Helper()
	var p map[string]any
	if err := json.Unmarshal([]byte(value), &p); err != nil {
		t.Fatal(err)
	}
	p["topics"].([]any)[0].(map[string]any)["last"].([]any)[partition] = last
	out, err := json.Marshal(p)
	if err != nil {
		t.Fatal(err)
	}
	return string(out)
}
