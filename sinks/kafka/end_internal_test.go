package kafka

import (
	"context"
	"errors"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kfake"
	"github.com/twmb/franz-go/pkg/kgo"
)

// TestEndWaitsForThePartition: a transaction is not ended before the client shows where its records went; else the end
// would be another one than the one that was asked for.
func TestEndWaitsForThePartition(t *testing.T) {
	c, err := kfake.NewCluster(kfake.NumBrokers(1), kfake.SeedTopics(1, "t"))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(c.Close)
	cl, err := kgo.NewClient(kgo.SeedBrokers(c.ListenAddrs()...), kgo.TransactionalID("id"))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(cl.Close)
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	if err := cl.BeginTransaction(); err != nil {
		t.Fatal(err)
	}
	in := kadm.TopicsSet{}
	in.Add("t", 0)
	ended, stop := context.WithCancelCause(ctx)
	boom := errors.New("boom")
	stop(boom)
	if err := endTransaction(ended, cl, kgo.TryCommit, in); !errors.Is(err, boom) {
		t.Fatalf("with a partition that the client does not know the end gave %v, want the cause of its context", err)
	}
	if err := produceNow(ctx, cl, &kgo.Record{Topic: "t", Value: []byte("x")}); err != nil {
		t.Fatal(err)
	}
	if err := endTransaction(ctx, cl, kgo.TryCommit, in); err != nil {
		t.Fatal(err)
	}
}
