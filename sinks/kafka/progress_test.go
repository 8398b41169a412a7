package kafka_test

import (
	"errors"
	"fmt"
	"testing"

	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kfake"
	"github.com/twmb/franz-go/pkg/kgo"
	"github.com/twmb/franz-go/pkg/kmsg"

	"keyfeed/sinks/kafka"
)

// TestProgressIsFound puts things behind the newest progress record of a source and between it and others.
func TestProgressIsFound(t *testing.T) {
	c := cluster(t)
	fake := config("redis", c.ListenAddrs()...)
	testProgressIsFound(t, fake, c.Compact)
}

func testProgressIsFound(t *testing.T, cfg kafka.Config, compact func()) {
	t.Helper()
	s := opened(t, cfg)
	for i := range 40 { // 40 progress records
		mustWrite(t, s, events(i, i+1))
		mustFlush(t, s)
	}
	check := func(when string) {
		t.Helper()
		if got := opened(t, cfg).Confirmed(); got != posAt(40) {
			t.Errorf("%s: the next sink starts at %v, want %v", when, got, posAt(40))
		}
	}
	check("as written")

	// Far more records of others than one step backwards takes in.
	cl := client(t, cfg)
	var others []*kgo.Record
	for i := range 5000 {
		others = append(others, &kgo.Record{Topic: "_keyfeed.progress", Key: fmt.Appendf(nil, "other%d", i%7), Value: []byte(`{}`)})
	}
	if err := cl.ProduceSync(within(t), others...).FirstErr(); err != nil {
		t.Fatal(err)
	}
	check("behind 5000 records of other sources")
	if compact != nil {
		compact()
		check("after compaction")
	}

	// A transaction that was aborted must not count, and leaves a marker as the last record.
	txn := client(t, cfg, kgo.TransactionalID("other"))
	transact := func(value []byte, commit kgo.TransactionEndTry) {
		t.Helper()
		begin(t, txn, cfg.Source, value)
		if err := txn.EndTransaction(within(t), commit); err != nil {
			t.Fatal(err)
		}
	}
	transact([]byte(`{"v":99}`), kgo.TryAbort)
	check("behind an aborted transaction")

	// One that is open may hold a newer position: Open waits for its end.
	begin(t, txn, cfg.Source, nil)
	waiting := newSink(t, cfg)
	t.Cleanup(func() { _ = waiting.Close() })
	done := make(chan error, 1)
	go func() {
		_, err := waiting.Open(within(t))
		done <- err
	}()
	waitForFetches(t, cfg, done)
	if err := txn.EndTransaction(within(t), kgo.TryCommit); err != nil {
		t.Fatal(err)
	}
	if err := <-done; err != nil {
		t.Fatalf("Open: %v", err)
	}
	if got := waiting.Confirmed(); !got.IsZero() { // the transaction held a tombstone
		t.Errorf("Open did not wait for the open transaction: %v", got)
	}
}

// begin opens a transaction that holds one record for the progress of the source.
func begin(t *testing.T, txn *kgo.Client, source string, value []byte) {
	t.Helper()
	if err := txn.BeginTransaction(); err != nil {
		t.Fatal(err)
	}
	putInTransaction(t, txn, &kgo.Record{Topic: "_keyfeed.progress", Key: []byte(source), Value: value})
}

// waitForFetches returns when an Open that began has surely asked for the progress: a later Open would see the same end.
// It fails when the Open ends meanwhile.
func waitForFetches(t *testing.T, cfg kafka.Config, done <-chan error) {
	t.Helper()
	adm := kadm.NewClient(client(t, cfg))
	for range 20 { // round trips of the same kind as those of Open
		select {
		case err := <-done:
			t.Fatalf("Open ended with %v while a transaction was open", err)
		default:
		}
		if _, err := adm.ListEndOffsets(within(t), "_keyfeed.progress"); err != nil {
			t.Fatal(err)
		}
	}
}

// TestOpenEndsWithItsContext while a transaction of another writer stays open.
func TestOpenEndsWithItsContext(t *testing.T) {
	c := cluster(t)
	cfg := config("redis", c.ListenAddrs()...)
	s := opened(t, cfg)
	mustWrite(t, s, events(0, 5))
	mustFlush(t, s)
	begin(t, client(t, cfg, kgo.TransactionalID("other")), cfg.Source, []byte("x"))
	ctx, cancel := contextWithCause(t)
	fetched := c.Fault(kfake.Fault{Keys: []kmsg.Key{kmsg.Fetch}, Count: -1, Observe: true})
	next := newSink(t, cfg)
	t.Cleanup(func() { _ = next.Close() })
	done := make(chan error, 1)
	go func() {
		_, err := next.Open(ctx)
		done <- err
	}()
	if err := fetched.Wait(within(t), 2); err != nil {
		t.Fatal(err)
	}
	boom := errors.New("the pump ends")
	cancel(boom)
	if err := <-done; !errors.Is(err, boom) {
		t.Errorf("Open ended with %v, want the cause of its context", err)
	}
}
