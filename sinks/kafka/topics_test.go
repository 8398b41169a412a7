package kafka_test

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"

	"keyfeed/internal/change"
	"keyfeed/sinks"
	"keyfeed/sinks/kafka"
)

// TestTopicPerDatabase writes events of several databases and of none.
func TestTopicPerDatabase(t *testing.T) {
	cfg := config("redis", cluster(t).ListenAddrs()...)
	cfg.Topic = "keyfeed.{source}.{db}"
	s := opened(t, cfg)
	publish := event(3, -1)
	mustWrite(t, s, batch(
		everywhere(0, -1, "snapshot_begin"), // only the topic of database 0 is known yet
		event(1, 0),
		event(2, 7),
		publish,
		everywhere(4, 7, "truncate"),
		everywhere(5, -1, "heartbeat"),
		everywhere(6, 9, "truncate"), // of a database without an event
	))
	mustFlush(t, s)
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	want := map[string]map[string]int{ // event to topic to copies
		`{"i":0}`: {"keyfeed.redis.0": partitions},
		`{"i":1}`: {"keyfeed.redis.0": 1},
		`{"i":2}`: {"keyfeed.redis.7": 1},
		`{"i":3}`: {"keyfeed.redis.0": 1},
		`{"i":4}`: {"keyfeed.redis.7": partitions},
		`{"i":5}`: {"keyfeed.redis.0": partitions, "keyfeed.redis.7": partitions},
		`{"i":6}`: {"keyfeed.redis.9": partitions},
	}
	check := func() {
		t.Helper()
		got := map[string]map[string]int{}
		for _, r := range records(t, cfg, kafka.ReadOptions{}) {
			if got[string(r.Value)] == nil {
				got[string(r.Value)] = map[string]int{}
			}
			got[string(r.Value)][r.Topic]++
		}
		for value, topics := range want {
			if fmt.Sprint(got[value]) != fmt.Sprint(topics) {
				t.Errorf("%s is stored in %v, want %v", value, got[value], topics)
			}
		}
	}
	check()

	// The next sink knows the topics from the progress record.
	s = opened(t, cfg)
	mustWrite(t, s, batch(everywhere(7, -1, "heartbeat")))
	mustFlush(t, s)
	want[`{"i":7}`] = map[string]int{"keyfeed.redis.0": partitions, "keyfeed.redis.7": partitions, "keyfeed.redis.9": partitions}
	check()
	line, err := s.Describe(within(t))
	if err != nil {
		t.Fatal(err)
	}
	for _, part := range []string{"keyfeed.redis.9 (4 partitions)", "_keyfeed.progress", cfg.Brokers[0], s.Confirmed().String()} {
		if !strings.Contains(line, part) {
			t.Errorf("Describe does not tell %q: %s", part, line)
		}
	}
}

// TestTopicOfALaterDatabaseIsRefused fails the sink in Write, where a topic is first needed.
func TestTopicOfALaterDatabaseIsRefused(t *testing.T) {
	cfg := config("redis", cluster(t).ListenAddrs()...)
	cfg.Topic = "keyfeed.{source}.{db}"
	createTopic(t, cfg, "keyfeed.redis.5", 1, map[string]string{"cleanup.policy": "compact"})
	s := opened(t, cfg)
	mustWrite(t, s, events(0, 3))
	mustFlush(t, s)
	released := 0
	b := batch(event(3, 5))
	b.Free = func(*change.Batch) { released++ }
	err := s.Write(within(t), b)
	wantOperator(t, err)
	if released != 1 {
		t.Errorf("the batch was released %d times", released)
	}
	if got := s.Err(); got == nil || got.Error() != err.Error() {
		t.Errorf("Err() is %v, want %v", got, err)
	}
	if err := s.Flush(within(t)); !errors.Is(err, sinks.ErrConfig) {
		t.Errorf("Flush gave %v", err)
	}
}

func TestRecordsAsStored(t *testing.T) {
	cfg := config("redis", cluster(t).ListenAddrs()...)
	s := opened(t, cfg)
	long := event(0, 0)
	long.Key = slices.Repeat([]byte("k"), 64<<10+1)
	empty := event(1, 0)
	empty.Key = nil
	mustWrite(t, s, batch(long, empty, everywhere(2, 0, "truncate")))
	mustFlush(t, s)
	for _, r := range records(t, cfg, kafka.ReadOptions{}) {
		switch string(r.Value) {
		case `{"i":0}`:
			if len(r.Key) != 32 || len(r.Headers) != 0 {
				t.Errorf("a key over 64 KiB is stored as %d bytes with headers %v", len(r.Key), r.Headers)
			}
		case `{"i":1}`:
			if r.Key == nil || len(r.Key) != 0 || len(r.Headers) != 0 || r.IsBroadcast() {
				t.Errorf("the empty key is stored as %v with headers %v", r.Key, r.Headers)
			}
		case `{"i":2}`:
			if r.Key != nil || !r.IsBroadcast() || len(r.Headers) != 1 || len(r.Headers[0].Value) != 0 {
				t.Errorf("a copy is stored with key %v and headers %v", r.Key, r.Headers)
			}
		}
	}
}
