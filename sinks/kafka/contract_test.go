package kafka_test

import (
	"context"
	"fmt"
	"log/slog"
	"os"
	"strconv"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kfake"

	"keyfeed/internal/testenv"
	"keyfeed/internal/testenv/kafkaenv"
	"keyfeed/sinks"
	"keyfeed/sinks/kafka"
	"keyfeed/sinks/sinktest"
)

// TestMain is also the child of testKilledWriters.
func TestMain(m *testing.M) {
	if addr := os.Getenv(childAddr); addr != "" {
		os.Exit(runChild(addr, os.Getenv(childSource)))
	}
	testenv.RunWithoutLeaks(m)
}

const (
	partitions = 4
	window     = 256
)

// config is a sink that commits often, and waits for a slow broker as long as one does outside of tests.
func config(source string, brokers ...string) kafka.Config {
	return kafka.Config{
		Brokers:            brokers,
		Source:             source,
		CreateTopics:       true,
		Partitions:         partitions,
		Replication:        1,
		CommitInterval:     5 * time.Millisecond,
		MaxBufferedRecords: window,
	}
}

// impatient is a sink that notices soon that a broker is away. On a slow machine it may fail beside one that lives, too.
func impatient(cfg kafka.Config) kafka.Config {
	cfg.DeliveryTimeout = 2 * time.Second
	return cfg
}

func newSink(t *testing.T, cfg kafka.Config) *kafka.Sink {
	t.Helper()
	s, err := kafka.New(cfg)
	if err != nil {
		t.Fatal(err)
	}
	return s
}

// cluster is a kfake that ends with the test.
func cluster(tb testing.TB, opts ...kfake.Opt) *kfake.Cluster {
	tb.Helper()
	c, err := kfake.NewCluster(append([]kfake.Opt{kfake.NumBrokers(1)}, opts...)...)
	if err != nil {
		tb.Fatalf("starting kfake: %v", err)
	}
	tb.Cleanup(c.Close)
	return c
}

// stored reads everything that the source's topics hold.
func stored(ctx context.Context, cfg kafka.Config) ([]sinktest.Stored, error) {
	var out []sinktest.Stored
	err := kafka.Read(ctx, cfg, kafka.ReadOptions{UntilEnd: true}, func(r kafka.Record) error {
		out = append(out, sinktest.Stored{Value: r.Value, Key: r.Key, Place: fmt.Sprintf("%s/%d", r.Topic, r.Partition)})
		return nil
	})
	return out, err
}

func features() sinktest.Features {
	return sinktest.Features{ExactPosition: true, Fences: true, Keys: true, Copies: partitions}
}

func TestContractFake(t *testing.T) { testContractFake(t, false, features()) }

func TestContractFakeAtLeastOnce(t *testing.T) {
	f := features()
	f.ExactPosition, f.Fences = false, false
	testContractFake(t, true, f)
}

func testContractFake(t *testing.T, atLeastOnce bool, f sinktest.Features) {
	t.Helper()
	sinktest.Run(t, func(t *testing.T) sinktest.Harness {
		t.Helper()
		g := newGate(t)
		c := cluster(t, kfake.ListenFn(g.listen))
		cfg := config("redis", c.ListenAddrs()...)
		cfg.AtLeastOnce = atLeastOnce
		return sinktest.Harness{
			New:         func(t *testing.T) sinks.Sink { t.Helper(); return newSink(t, cfg) },
			Impatient:   func(t *testing.T) sinks.Sink { t.Helper(); return newSink(t, impatient(cfg)) },
			Read:        func(ctx context.Context) ([]sinktest.Stored, error) { return stored(ctx, cfg) },
			StopBroker:  g.stop,
			StartBroker: g.start,
			Stall:       g.stall,
			Resume:      g.resume,
			Window:      window,
		}
	}, f)
}

func testContractReal(t *testing.T, srv *kafkaenv.Server) {
	t.Helper()
	var sources atomic.Int64
	sinktest.Run(t, func(t *testing.T) sinktest.Harness {
		t.Helper()
		cfg := config("contract"+strconv.FormatInt(sources.Add(1), 10), srv.Addr())
		cfg.ProgressTopic = "progress." + cfg.Source // else a client that a test closed in a transaction holds up the next
		cfg.Logger = slog.New(slog.NewTextHandler(testWriter{t}, nil))
		return sinktest.Harness{
			New:         func(t *testing.T) sinks.Sink { t.Helper(); return newSink(t, cfg) },
			Impatient:   func(t *testing.T) sinks.Sink { t.Helper(); return newSink(t, impatient(cfg)) },
			Read:        func(ctx context.Context) ([]sinktest.Stored, error) { return stored(ctx, cfg) },
			StopBroker:  func(t *testing.T) { t.Helper(); srv.Kill() },
			StartBroker: func(t *testing.T) { t.Helper(); srv.Restart() },
			Stall:       func(t *testing.T) { t.Helper(); srv.Pause() },
			Resume:      func(t *testing.T) { t.Helper(); srv.Resume() },
			Window:      window,
		}
	}, features())
}

// testWriter puts the log of a sink into the log of its test.
type testWriter struct{ t *testing.T }

func (w testWriter) Write(p []byte) (int, error) {
	w.t.Log(strings.TrimSpace(string(p)))
	return len(p), nil
}
