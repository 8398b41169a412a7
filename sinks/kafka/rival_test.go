package kafka_test

import (
	"errors"
	"strings"
	"sync/atomic"
	"testing"

	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kfake"
	"github.com/twmb/franz-go/pkg/kgo"
	"github.com/twmb/franz-go/pkg/kmsg"
	"github.com/twmb/franz-go/pkg/sasl/plain"

	"keyfeed/sinks"
	"keyfeed/sinks/kafka"
)

// TestRivalHiddenByAnOpenTransaction lets a rival claim the source behind a transaction of a third writer, which keeps
// readers of what is committed from seeing the claim. The first writer fences the rival then, must see it all the same, and
// end; the rival goes on.
func TestRivalHiddenByAnOpenTransaction(t *testing.T) {
	c := cluster(t)
	seedTopics(t, c, "redis")
	cfg := config("redis", c.ListenAddrs()...)
	first := opened(t, cfg)
	mustWrite(t, first, events(0, 10))
	mustFlush(t, first)

	// The rival has fenced and read; its claim waits until the third one's transaction is open.
	claims, goOn := make(chan struct{}), make(chan struct{})
	var held atomic.Bool
	c.ControlKey(kmsg.Produce.Int16(), func(kmsg.Request) (kmsg.Response, error, bool) {
		if held.CompareAndSwap(false, true) {
			close(claims)
			c.SleepControl(func() { <-goOn })
		}
		return nil, nil, false
	})
	rival := newSink(t, cfg)
	t.Cleanup(func() { _ = rival.Close() })
	claimed := make(chan error, 1)
	go func() {
		_, err := rival.Open(within(t))
		claimed <- err
	}()
	<-claims
	third := client(t, cfg, kgo.TransactionalID("third"))
	begin(t, third, "other", []byte("{}"))
	close(goOn)
	if err := <-claimed; err != nil {
		t.Fatalf("Open of the rival: %v", err)
	}
	mustWrite(t, rival, events(10, 20))
	mustFlush(t, rival)

	if err := first.Write(within(t), events(10, 15)); err == nil {
		err = first.Flush(within(t))
		if err == nil {
			t.Fatal("the first writer goes on beside its rival")
		}
	}
	// The first one sees only its own claim and fences; then it waits for the third one's end.
	fences := c.Fault(kfake.Fault{Keys: []kmsg.Key{kmsg.InitProducerID}, Observe: true, TopLevel: true, Count: -1})
	fenced := make(chan error, 1)
	go func() {
		_, err := first.Open(within(t))
		fenced <- err
	}()
	if err := fences.Wait(within(t), 1); err != nil {
		t.Fatal("the first writer did not fence: nothing was tested")
	}
	if err := third.EndTransaction(within(t), kgo.TryAbort); err != nil {
		t.Fatal(err)
	}
	if err := <-fenced; !errors.Is(err, sinks.ErrFenced) {
		t.Fatalf("Open of the first writer gave %v, want ErrFenced", err)
	}

	w := &writer{sink: rival, openWithin: patience, opened: func(int) {}}
	if err := w.until(within(t), 100); err != nil {
		t.Fatalf("the rival did not go on: %v", err)
	}
	wantCommittedOnce(t, cfg, 100)
}

// TestRightsOnTheTransactionalID gives a user everything but the transactional id.
func TestRightsOnTheTransactionalID(t *testing.T) {
	c := cluster(t, kfake.EnableSASL(), kfake.EnableACLs(),
		kfake.Superuser("PLAIN", "admin", "admin"), kfake.User("PLAIN", "bob", "bob"))
	seedTopics(t, c, "redis")
	cfg := config("redis", c.ListenAddrs()...)
	login := plain.Auth{User: "admin", Pass: "admin"}.AsMechanism()
	adm := kadm.NewClient(client(t, cfg, kgo.SASL(login)))
	grant := func(b *kadm.ACLBuilder) {
		t.Helper()
		b = b.Allow("User:bob").AllowHosts("*").ResourcePatternType(kadm.ACLPatternLiteral)
		out, err := adm.CreateACLs(within(t), b)
		for _, r := range out {
			err = errors.Join(err, r.Err)
		}
		if err != nil {
			t.Fatal(err)
		}
	}
	grant(kadm.NewACLs().Topics("_keyfeed.progress", "keyfeed.redis").
		Operations(kadm.OpDescribe, kadm.OpDescribeConfigs, kadm.OpRead, kadm.OpWrite))
	cfg.SASL = kafka.SASL{Mechanism: "plain", Username: "bob", Password: "bob"}
	err := openError(t, cfg)
	wantOperator(t, err)
	for _, want := range []string{"transactional id", "keyfeed-redis", "Write and Describe", "KEYFEED_DELIVERY=at-least-once"} {
		if !strings.Contains(err.Error(), want) {
			t.Errorf("the error does not tell %q: %v", want, err)
		}
	}
	look := newSink(t, cfg)
	t.Cleanup(func() { _ = look.Close() })
	if _, _, err := look.Look(within(t)); err != nil {
		t.Errorf("looking needs a right on the transactional id: %v", err)
	}
	grant(kadm.NewACLs().TransactionalIDs("keyfeed-redis").Operations(kadm.OpDescribe, kadm.OpWrite))
	s := opened(t, cfg)
	mustWrite(t, s, events(0, 10))
	mustFlush(t, s)
}

// TestWriterShowsLifeInsideATransaction that stays open, because its unit has begun and does not go on.
func TestWriterShowsLifeInsideATransaction(t *testing.T) {
	c := cluster(t)
	seedTopics(t, c, "redis")
	cfg := config("redis", c.ListenAddrs()...)
	s := opened(t, cfg)
	cl := client(t, cfg, kgo.ConsumePartitions(map[string]map[int32]kgo.Offset{"_keyfeed.progress": {0: kgo.NewOffset().AtEnd()}}))
	mustWrite(t, s, unitEvents(0, 0, 10, false))
	for seen := 0; seen == 0; { // uncommitted ones, as Standby reads them
		fetches := cl.PollFetches(within(t))
		if err := fetches.Err(); err != nil {
			t.Fatal(err)
		}
		fetches.EachRecord(func(r *kgo.Record) {
			seen++
			if pos := positionOf(t, r.Value); !pos.IsZero() {
				t.Errorf("a sign of life in the middle of a transaction has position %v", pos)
			}
		})
	}
	if got := s.Confirmed(); !got.IsZero() {
		t.Errorf("%v is confirmed, but its transaction is open", got)
	}
	mustWriteUnit(t, s, 0, 10, 30)
	mustFlush(t, s)
	if got := opened(t, cfg).Confirmed(); got != posAt(30) {
		t.Errorf("the next sink starts at %v, want %v", got, posAt(30))
	}
	wantCommittedOnce(t, cfg, 30)
}
