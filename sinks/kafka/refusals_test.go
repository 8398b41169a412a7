package kafka_test

import (
	"errors"
	"fmt"
	"strings"
	"testing"

	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kfake"

	"keyfeed/internal/change"
	"keyfeed/sinks"
	"keyfeed/sinks/kafka"
)

func readAll() kafka.ReadOptions { return kafka.ReadOptions{} }

func TestTopicsThatAreRefused(t *testing.T) {
	tests := []struct {
		name   string
		topic  string
		parts  int32
		config map[string]string
		says   string
	}{
		{"compacted events", "keyfeed.redis", 3, map[string]string{"cleanup.policy": "compact"}, "KEYFEED_KAFKA_TOPIC"},
		{"events compacted and deleted", "keyfeed.redis", 3, map[string]string{"cleanup.policy": "compact,delete"}, "KEYFEED_KAFKA_TOPIC"},
		{"progress that expires", "_keyfeed.progress", 1, map[string]string{"cleanup.policy": "delete"}, "KEYFEED_KAFKA_PROGRESS_TOPIC"},
		{"progress in many partitions", "_keyfeed.progress", 3, map[string]string{"cleanup.policy": "compact"}, "KEYFEED_KAFKA_PROGRESS_TOPIC"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			cfg := config("redis", cluster(t).ListenAddrs()...)
			createTopic(t, cfg, tt.topic, tt.parts, tt.config)
			err := openError(t, cfg)
			wantOperator(t, err)
			if !strings.Contains(err.Error(), tt.says) {
				t.Errorf("the error does not name %s: %v", tt.says, err)
			}
		})
	}
}

func TestMissingTopicsWithoutLeaveToCreate(t *testing.T) {
	cfg := config("redis", cluster(t).ListenAddrs()...)
	cfg.CreateTopics = false
	err := openError(t, cfg)
	wantOperator(t, err)
	if !strings.Contains(err.Error(), "_keyfeed.progress") {
		t.Errorf("the error does not name the topic: %v", err)
	}
	createTopic(t, cfg, "_keyfeed.progress", 1, map[string]string{"cleanup.policy": "compact"})
	err = openError(t, cfg)
	wantOperator(t, err)
	if !strings.Contains(err.Error(), "keyfeed.redis") {
		t.Errorf("the error does not name the topic: %v", err)
	}
	createTopic(t, cfg, "keyfeed.redis", 2, nil)
	s := opened(t, cfg)
	mustWrite(t, s, events(0, 10))
	mustFlush(t, s)
	wantOnce(t, cfg, 10)
}

func TestProgressThatIsRefused(t *testing.T) {
	t.Parallel()
	for name, value := range map[string]string{
		"not JSON":        "hello",
		"newer version":   `{"v":2}`,
		"another source":  `{"v":1,"source":"other","position":"none","topics":[{"name":"x","partitions":1,"last":[-1]}]}`,
		"no topics":       `{"v":1,"source":"redis","position":"none"}`,
		"missing offsets": `{"v":1,"source":"redis","position":"none","topics":[{"name":"keyfeed.redis","partitions":4,"last":[]}]}`,
		"bad position":    `{"v":1,"source":"redis","position":"here","topics":[{"name":"keyfeed.redis","partitions":1,"last":[-1]}]}`,
	} {
		t.Run(name, func(t *testing.T) {
			cfg := config("redis", cluster(t).ListenAddrs()...)
			s := opened(t, cfg)
			mustWrite(t, s, events(0, 10))
			mustFlush(t, s)
			putProgress(t, cfg, "redis", value)
			err := openError(t, cfg)
			wantOperator(t, err)
			if errors.Is(err, sinks.ErrLost) {
				t.Errorf("a progress record that makes no sense is no loss: %v", err)
			}
			putProgress(t, cfg, "redis", "") // what an operator does
			if got := opened(t, cfg).Confirmed(); !got.IsZero() {
				t.Errorf("after the progress was taken back the sink starts at %v", got)
			}
		})
	}
}

func TestLoss(t *testing.T) {
	tests := []struct {
		name string
		harm func(t *testing.T, c *kfake.Cluster, cfg kafka.Config)
		says string
	}{
		{"topic made anew", func(t *testing.T, c *kfake.Cluster, _ kafka.Config) {
			t.Helper()
			if err := c.DeleteTopic("keyfeed.redis"); err != nil {
				t.Fatal(err)
			}
		}, "made anew"},
		{"more partitions", func(t *testing.T, _ *kfake.Cluster, cfg kafka.Config) {
			t.Helper()
			out, err := kadm.NewClient(client(t, cfg)).UpdatePartitions(within(t), partitions+1, "keyfeed.redis")
			if err = errors.Join(err, out.Error()); err != nil {
				t.Fatal(err)
			}
		}, fmt.Sprintf("has %d partitions", partitions+1)},
		{"records lost", func(t *testing.T, _ *kfake.Cluster, cfg kafka.Config) {
			t.Helper()
			// Kafka does not lose records on demand; a progress record that saw more says the same.
			putProgress(t, cfg, "redis", `{"v":1,"source":"redis","position":"none",`+
				`"topics":[{"name":"keyfeed.redis","partitions":4,"last":[-1,999,-1,-1]}]}`)
		}, "offset 999 was stored"},
		{"another topic", func(t *testing.T, _ *kfake.Cluster, cfg kafka.Config) {
			t.Helper()
			putProgress(t, cfg, "redis", `{"v":1,"source":"redis","position":"none","topics":[{"name":"elsewhere","partitions":1,"last":[5]}]}`)
		}, "elsewhere"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			c := cluster(t)
			cfg := config("redis", c.ListenAddrs()...)
			s := opened(t, cfg)
			mustWrite(t, s, events(0, 100))
			mustFlush(t, s)
			if err := s.Close(); err != nil {
				t.Fatal(err)
			}
			tt.harm(t, c, cfg)
			err := openError(t, cfg)
			wantOperator(t, err)
			if !errors.Is(err, sinks.ErrLost) || !strings.Contains(err.Error(), tt.says) {
				t.Errorf("got %v, want ErrLost that says %q", err, tt.says)
			}

			// What KEYFEED_ON_SINK_LOSS=resync does.
			again := newSink(t, cfg)
			t.Cleanup(func() { _ = again.Close() })
			if err := again.Forget(within(t)); err != nil {
				t.Fatalf("Forget: %v", err)
			}
			if pos, err := again.Open(within(t)); err != nil || !pos.IsZero() {
				t.Fatalf("after Forget, Open gave %v, %v", pos, err)
			}
			mustWrite(t, again, events(0, 10))
			mustFlush(t, again)
			if err := again.Forget(within(t)); err != nil {
				t.Fatalf("Forget of an open sink: %v", err)
			}
			if err := again.Write(within(t), events(10, 20)); err == nil {
				t.Error("Write after Forget gave no error")
			}
			if pos, err := again.Open(within(t)); err != nil || !pos.IsZero() {
				t.Errorf("after Forget, Open gave %v, %v", pos, err)
			}
		})
	}
}

// TestTopicDeletedWhileWriting must not go on in a new topic as if nothing had happened.
func TestTopicDeletedWhileWriting(t *testing.T) {
	c := cluster(t)
	cfg := config("redis", c.ListenAddrs()...)
	s := opened(t, cfg)
	mustWrite(t, s, events(0, 100))
	mustFlush(t, s)
	if err := c.DeleteTopic("keyfeed.redis"); err != nil {
		t.Fatal(err)
	}
	var err error
	for i := 100; err == nil && within(t).Err() == nil; i += 10 {
		if err = s.Write(within(t), events(i, i+10)); err == nil {
			err = s.Flush(within(t))
		}
	}
	t.Logf("the sink failed with: %v", err)
	if _, err := s.Open(within(t)); !errors.Is(err, sinks.ErrLost) {
		t.Fatalf("Open gave %v, want ErrLost", err)
	}
}

func TestRightsThatAreMissing(t *testing.T) {
	c := cluster(t, kfake.EnableSASL(), kfake.EnableACLs(),
		kfake.Superuser("PLAIN", "admin", "admin"), kfake.User("PLAIN", "bob", "bob"))
	cfg := config("redis", c.ListenAddrs()...)
	cfg.SASL = kafka.SASL{Mechanism: "plain", Username: "bob", Password: "bob"}
	err := openError(t, cfg)
	wantOperator(t, err)
	if !strings.Contains(err.Error(), "grant") {
		t.Errorf("the error does not name the remedy: %v", err)
	}
	cfg.SASL = kafka.SASL{Mechanism: "plain", Username: "admin", Password: "admin"}
	s := opened(t, cfg)
	mustWrite(t, s, events(0, 1))
	mustFlush(t, s)
}

func TestConfigNamesEveryProblem(t *testing.T) {
	_, err := kafka.New(kafka.Config{
		Topic: "a b", ProgressTopic: "ä", Compression: "rar", Partitions: -1, MaxBufferedBytes: -1,
		SASL: kafka.SASL{Mechanism: "kerberos"},
	})
	if err == nil {
		t.Fatal("a hopeless configuration was taken")
	}
	for _, want := range []string{"broker", "name", "a b", "ä", "rar", "negative", "kerberos"} {
		if !strings.Contains(err.Error(), want) {
			t.Errorf("the error does not mention %q: %v", want, err)
		}
	}
	for _, cfg := range []kafka.Config{
		{Brokers: []string{"h:1"}, Source: "redis", Topic: "x.{key}"},
		{Brokers: []string{"h:1"}, Source: "redis", Topic: "x.{db}.{db}"},
		{Brokers: []string{"h:1"}, Source: "redis", Topic: "_keyfeed.progress"},
		{Brokers: []string{"h:1"}, Source: "redis", SASL: kafka.SASL{Username: "bob"}},
	} {
		if _, err := kafka.New(cfg); err == nil {
			t.Errorf("%+v was taken", cfg)
		}
	}
}

func TestCallsBeforeOpen(t *testing.T) {
	s := newSink(t, config("redis", "127.0.0.1:1"))
	released := 0
	b := events(0, 3)
	b.Free = func(*change.Batch) { released++ }
	if err := s.Write(t.Context(), b); !errors.Is(err, sinks.ErrClosed) {
		t.Errorf("Write before Open gave %v", err)
	}
	if released != 1 {
		t.Errorf("the batch was released %d times", released)
	}
	if err := s.Flush(t.Context()); !errors.Is(err, sinks.ErrClosed) {
		t.Errorf("Flush before Open gave %v", err)
	}
	if _, err := s.Describe(t.Context()); !errors.Is(err, sinks.ErrClosed) {
		t.Errorf("Describe before Open gave %v", err)
	}
	if n := s.MaxRecord(); n != 0 {
		t.Errorf("MaxRecord before Open is %d", n)
	}
	if err := s.Close(); err != nil {
		t.Errorf("Close: %v", err)
	}
}
