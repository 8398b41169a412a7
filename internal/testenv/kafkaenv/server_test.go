package kafkaenv_test

import (
	"context"
	"crypto/tls"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kgo"
	"github.com/twmb/franz-go/pkg/sasl/plain"
	"github.com/twmb/franz-go/pkg/sasl/scram"

	"keyfeed/internal/testenv/kafkaenv"
)

func TestServerKeepsWhatItAcknowledgedAcrossKill(t *testing.T) {
	srv := kafkaenv.Start(t, kafkaenv.WithSASL("alice", "secret"), kafkaenv.WithTLS())
	ctx, cancel := context.WithTimeout(t.Context(), 5*time.Minute)
	defer cancel()

	cl := client(t, kgo.SeedBrokers(srv.Addr()))
	if _, err := kadm.NewClient(cl).CreateTopic(ctx, 1, 1, nil, "kept"); err != nil {
		t.Fatalf("creating a topic: %v", err)
	}
	if err := cl.ProduceSync(ctx, &kgo.Record{Topic: "kept", Value: []byte("v")}).FirstErr(); err != nil {
		t.Fatalf("producing: %v", err)
	}
	srv.Kill()
	srv.Restart()
	reader := client(t, kgo.SeedBrokers(srv.Addr()), kgo.ConsumeTopics("kept"))
	fetches := reader.PollFetches(ctx)
	if err := fetches.Err(); err != nil {
		t.Fatalf("reading: %v", err)
	}
	if n := fetches.NumRecords(); n != 1 {
		t.Errorf("%d records after kill -9, want 1", n)
	}

	logins := map[string][]kgo.Opt{
		"plain":    {kgo.SeedBrokers(srv.SASLAddr()), kgo.SASL(plain.Auth{User: "alice", Pass: "secret"}.AsMechanism())},
		"scram256": {kgo.SeedBrokers(srv.SASLAddr()), kgo.SASL(scram.Auth{User: "alice", Pass: "secret"}.AsSha256Mechanism())},
		"scram512": {kgo.SeedBrokers(srv.SASLAddr()), kgo.SASL(scram.Auth{User: "alice", Pass: "secret"}.AsSha512Mechanism())},
		"tls":      {kgo.SeedBrokers(srv.TLSAddr()), kgo.DialTLSConfig(srv.TLSConfig())},
	}
	for name, opts := range logins {
		if _, err := kadm.NewClient(client(t, opts...)).BrokerMetadata(ctx); err != nil {
			t.Errorf("%s: %v", name, err)
		}
	}
	if _, err := kadm.NewClient(client(t, kgo.SeedBrokers(srv.TLSAddr()), kgo.RetryTimeout(time.Second),
		kgo.DialTLSConfig(&tls.Config{MinVersion: tls.VersionTLS12}))).BrokerMetadata(ctx); err == nil {
		t.Error("an unknown authority was trusted")
	}

	srv.Pause()
	srv.Resume()
	srv.Stop()
}

func client(t *testing.T, opts ...kgo.Opt) *kgo.Client {
	t.Helper()
	// A broker that has just started does not know all of its topics yet.
	cl, err := kgo.NewClient(append(opts, kgo.UnknownTopicRetries(-1))...)
	if err != nil {
		t.Fatalf("making a client: %v", err)
	}
	t.Cleanup(cl.Close)
	return cl
}
