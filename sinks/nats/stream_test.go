package nats_test

import (
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/nats-io/nats.go/jetstream"

	"keyfeed/sinks"
	keyfeednats "keyfeed/sinks/nats"
)

func TestMakesItsStream(t *testing.T) {
	srv := newServer(t, nil)
	cfg := srv.config()
	cfg.MaxAge, cfg.MaxBytes = time.Hour, 1<<30
	s := mustOpen(t, cfg, 0)
	_, js := operator(t, srv.url)
	stream, err := js.Stream(t.Context(), "KEYFEED_redis")
	if err != nil {
		t.Fatal(err)
	}
	c := stream.CachedInfo().Config
	if len(c.Subjects) != 1 || c.Subjects[0] != "keyfeed.redis.>" || c.Retention != jetstream.LimitsPolicy ||
		c.Storage != jetstream.FileStorage || c.Discard != jetstream.DiscardNew || c.MaxAge != time.Hour ||
		c.MaxBytes != 1<<30 || c.MaxMsgs != -1 || c.AllowDirect {
		t.Errorf("the stream is made as %+v", c)
	}
	line, err := s.Describe(t.Context())
	if err != nil || !strings.Contains(line, "KEYFEED_redis") || !strings.Contains(line, "keyfeed.redis.>") {
		t.Errorf("Describe() = %q, %v", line, err)
	}
}

func TestRefusesStreams(t *testing.T) {
	srv := newServer(t, nil)
	_, js := operator(t, srv.url)
	tests := []struct {
		name   string
		change func(*jetstream.StreamConfig)
		word   string
	}{
		{"other subjects", func(c *jetstream.StreamConfig) { c.Subjects = []string{"orders.>"} }, "orders.>"},
		{"more subjects", func(c *jetstream.StreamConfig) { c.Subjects = append(c.Subjects, "orders") }, "orders"},
		{"work queue", func(c *jetstream.StreamConfig) { c.Retention = jetstream.WorkQueuePolicy }, "retention"},
		{"interest", func(c *jetstream.StreamConfig) { c.Retention = jetstream.InterestPolicy }, "retention"},
		{"new per subject", func(c *jetstream.StreamConfig) {
			c.Discard, c.DiscardNewPerSubject, c.MaxMsgsPerSubject = jetstream.DiscardNew, true, 5
		}, "per subject"},
		{"sealed", func(c *jetstream.StreamConfig) { c.Sealed = true }, "sealed"},
		{"mirror", func(c *jetstream.StreamConfig) {
			c.Subjects, c.Mirror = nil, &jetstream.StreamSource{Name: "ORIGIN"}
		}, "mirror"},
		{"sources", func(c *jetstream.StreamConfig) { c.Sources = []*jetstream.StreamSource{{Name: "ORIGIN"}} }, "copies"},
		{"asynchronous", func(c *jetstream.StreamConfig) { c.PersistMode = jetstream.AsyncPersistMode }, "persists"},
		{"no acknowledgements", func(c *jetstream.StreamConfig) { c.NoAck = true }, "no_ack"},
		{"transform", func(c *jetstream.StreamConfig) {
			c.SubjectTransform = &jetstream.SubjectTransformConfig{Source: "keyfeed.>", Destination: "x.>"}
		}, "transforms"},
	}
	if _, err := js.CreateStream(t.Context(), jetstream.StreamConfig{Name: "ORIGIN", Subjects: []string{"origin"}}); err != nil {
		t.Fatal(err)
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			c := jetstream.StreamConfig{Name: "S", Subjects: []string{"keyfeed.redis.>"}}
			tt.change(&c)
			create := c
			create.Sealed = false // a stream is sealed by an update
			if _, err := js.CreateStream(t.Context(), create); err != nil {
				t.Fatal(err)
			}
			defer func() {
				if err := js.DeleteStream(t.Context(), "S"); err != nil {
					t.Error(err)
				}
			}()
			if c.Sealed {
				if _, err := js.UpdateStream(t.Context(), c); err != nil {
					t.Fatal(err)
				}
			}
			cfg := srv.config()
			cfg.Stream = "S"
			_, _, err := open(t, cfg)
			wantConfigError(t, err, "stream S", tt.word)
		})
	}
}

func TestAcceptsStreamOfOthers(t *testing.T) {
	srv := newServer(t, nil)
	_, js := operator(t, srv.url)
	if _, err := js.CreateStream(t.Context(), jetstream.StreamConfig{
		Name: "S", Subjects: []string{"keyfeed.redis.>"}, MaxMsgsPerSubject: 1, AllowDirect: true, MaxMsgSize: 4096,
	}); err != nil {
		t.Fatal(err)
	}
	cfg := srv.config()
	cfg.Stream, cfg.CreateStream = "S", false
	s := mustOpen(t, cfg, 0)
	if got := s.MaxRecord(); got >= 4096 || got < 3000 {
		t.Errorf("MaxRecord is %d for a stream that takes 4096 bytes", got)
	}
	put(t, s, 1, 10)
	mustOpen(t, cfg, 10)
}

func TestStreamMissing(t *testing.T) {
	srv := newServer(t, nil)
	cfg := srv.config()
	cfg.CreateStream = false
	_, _, err := open(t, cfg)
	wantConfigError(t, err, "KEYFEED_NATS_CREATE_STREAM", "keyfeed.redis.>")
	if !errors.Is(err, keyfeednats.ErrNoStream) {
		t.Errorf("got %v, want ErrNoStream", err)
	}
	err = keyfeednats.Read(t.Context(), cfg, keyfeednats.All(), func(*keyfeednats.Record) error { return nil })
	if !errors.Is(err, keyfeednats.ErrNoStream) {
		t.Errorf("Read gave %v, want ErrNoStream", err)
	}
}

func TestSubjectsTakenByAnotherStream(t *testing.T) {
	srv := newServer(t, nil)
	_, js := operator(t, srv.url)
	if _, err := js.CreateStream(t.Context(), jetstream.StreamConfig{Name: "ALL", Subjects: []string{"keyfeed.>"}}); err != nil {
		t.Fatal(err)
	}
	_, _, err := open(t, srv.config())
	wantConfigError(t, err, "KEYFEED_NATS_SUBJECT")
}

func TestFullStreamWaitsForTheOperator(t *testing.T) {
	srv := newServer(t, nil)
	cfg := srv.config()
	cfg.MaxBytes = 64 << 10
	s := mustOpen(t, cfg, 0)
	var err error
	for o := int64(1); err == nil && o < 1000; o++ {
		err = writeError(t, s, o)
	}
	if !errors.Is(err, sinks.ErrFull) {
		t.Fatalf("a full stream gave %v, want ErrFull", err)
	}
	wantTransient(t, err, "purge")
	if _, err := s.Open(t.Context()); !errors.Is(err, sinks.ErrFull) {
		t.Fatalf("Open of a full stream gave %v, want ErrFull", err)
	}
	last := s.Confirmed().Offset
	_, js := operator(t, srv.url)
	stream, err := js.Stream(t.Context(), "KEYFEED_redis")
	if err != nil {
		t.Fatal(err)
	}
	if err := stream.Purge(t.Context(), jetstream.WithPurgeKeep(1)); err != nil {
		t.Fatal(err)
	}
	if pos, err := s.Open(t.Context()); err != nil || pos != at(last) {
		t.Fatalf("Open = %v, %v, want %v", pos, err, at(last))
	}
	put(t, s, last+1, last+20)
	wantOffsets(t, cfg, last, last+20)
}
