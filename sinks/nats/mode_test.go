package nats_test

import (
	"strings"
	"testing"
	"time"

	"github.com/nats-io/nats-server/v2/server"
	"github.com/nats-io/nats.go/jetstream"

	"keyfeed/internal/change"
	keyfeednats "keyfeed/sinks/nats"
)

// TestPublishNeedsTheStreamsLeave opens a stream of others, which allows neither way: keyfeed turns on what it needs and
// leaves the rest alone, or says why it does not, and goes on without where it may choose.
func TestPublishNeedsTheStreamsLeave(t *testing.T) {
	srv := newServer(t, nil)
	_, js := operator(t, srv.url)
	mine := jetstream.StreamConfig{
		Name: "S", Subjects: []string{"keyfeed.redis.>"}, Description: "mine", AllowDirect: true, MaxMsgSize: 1 << 20,
		Metadata: map[string]string{"owner": "me"},
	}
	if _, err := js.CreateStream(t.Context(), mine); err != nil {
		t.Fatal(err)
	}
	config := func() jetstream.StreamConfig {
		stream, err := js.Stream(t.Context(), "S")
		if err != nil {
			t.Fatal(err)
		}
		return stream.CachedInfo().Config
	}
	cfg := srv.config()
	cfg.Stream, cfg.CreateStream = "S", false
	for way, field := range map[keyfeednats.Publish]string{
		keyfeednats.PublishFast: "allow_batched", keyfeednats.PublishAtomic: "allow_atomic",
	} {
		cfg.Publish = way
		_, _, err := open(t, cfg)
		wantConfigError(t, err, "KEYFEED_NATS_PUBLISH="+string(way), field, "KEYFEED_NATS_CREATE_STREAM")
	}
	log := &logBuffer{}
	cfg.Publish, cfg.Logger = keyfeednats.PublishAuto, log.logger()
	put(t, mustOpen(t, cfg, 0), 1, 5)
	if !strings.Contains(log.String(), "allow_batched") {
		t.Errorf("nothing tells why publishing is slow: %s", log)
	}
	if c := config(); c.AllowBatchPublish || c.AllowAtomicPublish {
		t.Errorf("the stream was changed without leave: %+v", c)
	}
	cfg.CreateStream = true
	s := mustOpen(t, cfg, 5)
	put(t, s, 6, 9)
	if line, err := s.Describe(t.Context()); err != nil || !strings.Contains(line, "in the way fast") {
		t.Errorf("Describe() = %q, %v", line, err)
	}
	c := config()
	if !c.AllowBatchPublish || c.AllowAtomicPublish || c.Description != "mine" || !c.AllowDirect || c.MaxMsgSize != 1<<20 ||
		c.Metadata["owner"] != "me" {
		t.Errorf("the stream became %+v", c)
	}
}

// TestServerTakesSmallerBatches: a server may be set to less than the usual thousand.
func TestServerTakesSmallerBatches(t *testing.T) {
	srv := newServer(t, func(o *server.Options) { o.JetStreamLimits.MaxBatchSize = 100 })
	cfg := srv.config()
	cfg.Publish = keyfeednats.PublishAtomic
	const events = 2000
	s := mustOpen(t, cfg, 0)
	for failures := 0; ; failures++ {
		next := s.Confirmed().Offset + 1
		err := s.Write(t.Context(), &change.Batch{Records: records(next, int(events+1-next))})
		if err == nil {
			err = s.Flush(t.Context())
		}
		if err == nil {
			break
		}
		wantTransient(t, err)
		if failures > 10 {
			t.Fatalf("batches do not become smaller: %v", err)
		}
		if _, err := s.Open(t.Context()); err != nil {
			t.Fatal(err)
		}
	}
	wantExactly(t, srv.url, events)
}

// TestIdleBatchIsNotMissed lets the server drop soon what idles: no batch of ours does.
func TestIdleBatchIsNotMissed(t *testing.T) {
	t.Parallel()
	const patience = 2 * time.Second // of the server; a slow machine gets through a batch in less
	for _, publish := range ways() {
		t.Run(string(publish), func(t *testing.T) {
			t.Parallel()
			srv := newServer(t, func(o *server.Options) { o.JetStreamLimits.MaxBatchTimeout = patience })
			cfg := srv.config()
			cfg.Publish = publish
			s := mustOpen(t, cfg, 0)
			last := int64(0)
			for _, n := range []int64{1, 300} {
				if err := s.Write(t.Context(), &change.Batch{Records: records(last+1, int(n))}); err != nil {
					t.Fatal(err)
				}
				last += n
				awaitConfirmed(t, s, at(last))
				<-time.After(patience + 300*time.Millisecond) // the source is silent for longer
			}
			wantExactly(t, srv.url, last)
		})
	}
}
