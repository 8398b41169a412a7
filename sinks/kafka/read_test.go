package kafka_test

import (
	"errors"
	"testing"

	"github.com/twmb/franz-go/pkg/kgo"

	"keyfeed/sinks/kafka"
)

func TestRead(t *testing.T) {
	cfg := config("redis", cluster(t).ListenAddrs()...)
	if err := kafka.Read(within(t), cfg, kafka.ReadOptions{UntilEnd: true}, nil); !errors.Is(err, kafka.ErrNoTopic) {
		t.Errorf("reading before anything was written gave %v, want ErrNoTopic", err)
	}
	s := opened(t, cfg)
	if n := len(records(t, cfg, kafka.ReadOptions{})); n != 0 {
		t.Errorf("an empty topic has %d records", n)
	}
	mustWrite(t, s, events(0, 100))
	mustWrite(t, s, batch(everywhere(100, -1, "heartbeat")))
	mustFlush(t, s)

	tests := []struct {
		name string
		opts kafka.ReadOptions
		want int
	}{
		{"all", kafka.ReadOptions{}, 100 + partitions},
		{"one copy", kafka.ReadOptions{OneCopy: true}, 101},
		{"from the end", kafka.ReadOptions{FromEnd: true}, 0},
		{"the last of each partition", kafka.ReadOptions{FromEnd: true, Last: 1}, partitions},
		{"the last of each partition, one copy", kafka.ReadOptions{FromEnd: true, Last: 1, OneCopy: true}, 1},
		{"more than there are", kafka.ReadOptions{FromEnd: true, Last: 1000}, 100 + partitions},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			if got := len(records(t, cfg, tt.opts)); got != tt.want {
				t.Errorf("%d records, want %d", got, tt.want)
			}
		})
	}

	boom := errors.New("enough")
	calls := 0
	err := kafka.Read(within(t), cfg, kafka.ReadOptions{}, func(kafka.Record) error { calls++; return boom })
	if !errors.Is(err, boom) || calls != 1 {
		t.Errorf("after %d calls Read gave %v, want the error of the first", calls, err)
	}

	// It follows what is written until its context ends.
	ctx, cancel := contextWithCause(t)
	got := make(chan string, 10)
	done := make(chan error, 1)
	go func() {
		done <- kafka.Read(ctx, cfg, kafka.ReadOptions{FromEnd: true, Last: 1, OneCopy: true}, func(r kafka.Record) error {
			got <- string(r.Value)
			return nil
		})
	}()
	if v := <-got; v != `{"i":100}` { // it reads: what comes now is new
		t.Errorf("the newest record is %s", v)
	}
	mustWrite(t, s, events(101, 102))
	if v := <-got; v != `{"i":101}` {
		t.Errorf("the new record is %s", v)
	}
	cancel(boom)
	if err := <-done; !errors.Is(err, boom) {
		t.Errorf("Read ended with %v, want the cause of its context", err)
	}
}

// TestReadIsCommitted reads topics whose ends are markers of transactions, and records that were taken back.
func TestReadIsCommitted(t *testing.T) {
	cfg := config("redis", cluster(t).ListenAddrs()...)
	createTopic(t, cfg, "keyfeed.redis", 1, nil)
	txn := client(t, cfg, kgo.TransactionalID("keyfeed-redis"))
	put := func(value string, end kgo.TransactionEndTry) {
		t.Helper()
		if err := txn.BeginTransaction(); err != nil {
			t.Fatal(err)
		}
		putInTransaction(t, txn, &kgo.Record{Topic: "keyfeed.redis", Value: []byte(value)})
		if err := txn.EndTransaction(within(t), end); err != nil {
			t.Fatal(err)
		}
	}
	put("a", kgo.TryCommit)
	put("b", kgo.TryAbort)
	put("c", kgo.TryCommit)
	if got := counts(records(t, cfg, kafka.ReadOptions{})); got["a"] != 1 || got["c"] != 1 || len(got) != 2 {
		t.Errorf("read %v, want a and c", got)
	}
	put("d", kgo.TryAbort)
	if got := counts(records(t, cfg, kafka.ReadOptions{})); got["a"] != 1 || got["c"] != 1 || len(got) != 2 {
		t.Errorf("with an aborted end, read %v, want a and c", got)
	}
}
