package nats_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"strings"
	"sync"
	"testing"
	"time"

	natsgo "github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"

	"keyfeed/internal/change"
	"keyfeed/sinks"
	keyfeednats "keyfeed/sinks/nats"
)

func open(t *testing.T, cfg keyfeednats.Config) (*keyfeednats.Sink, change.Position, error) {
	t.Helper()
	s, err := keyfeednats.New(cfg)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { s.Close() })
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	pos, err := s.Open(ctx)
	return s, pos, err
}

// mustOpen opens a sink that is to be at offset want.
func mustOpen(t *testing.T, cfg keyfeednats.Config, want int64) *keyfeednats.Sink {
	t.Helper()
	s, pos, err := open(t, cfg)
	if err != nil {
		t.Fatal(err)
	}
	if pos.Offset != want {
		t.Fatalf("the stream is at %v, want offset %d", pos, want)
	}
	return s
}

// ways are the ways to publish, each to be tested.
func ways() []keyfeednats.Publish {
	return []keyfeednats.Publish{keyfeednats.PublishFast, keyfeednats.PublishAtomic, keyfeednats.PublishSingle}
}

// put writes the records from offset first to last and waits for them.
func put(t *testing.T, s *keyfeednats.Sink, first, last int64) {
	t.Helper()
	if err := s.Write(t.Context(), &change.Batch{Records: records(first, int(last-first+1))}); err != nil {
		t.Fatal(err)
	}
	if err := s.Flush(t.Context()); err != nil {
		t.Fatal(err)
	}
}

// writeError writes a record and returns the error that comes of it.
func writeError(t *testing.T, s *keyfeednats.Sink, offset int64) error {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	if err := s.Write(ctx, &change.Batch{Records: records(offset, 1)}); err != nil {
		return err
	}
	return s.Flush(ctx)
}

// operator is a plain client of the server.
func operator(t *testing.T, url string) (*natsgo.Conn, jetstream.JetStream) {
	t.Helper()
	conn, err := natsgo.Connect(url)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(conn.Close)
	js, err := jetstream.New(conn)
	if err != nil {
		t.Fatal(err)
	}
	return conn, js
}

func wantConfigError(t *testing.T, err error, words ...string) {
	t.Helper()
	if !errors.Is(err, sinks.ErrConfig) {
		t.Errorf("got %v, want an error for an operator", err)
		return
	}
	for _, word := range words {
		if !strings.Contains(err.Error(), word) {
			t.Errorf("error %q does not say %q", err, word)
		}
	}
}

func wantTransient(t *testing.T, err error, words ...string) {
	t.Helper()
	if err == nil || errors.Is(err, sinks.ErrConfig) || errors.Is(err, sinks.ErrFenced) {
		t.Errorf("got %v, want an error that a retry may heal", err)
		return
	}
	for _, word := range words {
		if !strings.Contains(err.Error(), word) {
			t.Errorf("error %q does not say %q", err, word)
		}
	}
}

// offsets reads the whole stream and returns where its records are.
func offsets(t *testing.T, cfg keyfeednats.Config) (all []int64) {
	t.Helper()
	err := keyfeednats.Read(t.Context(), cfg, keyfeednats.All().ToEnd(), func(r *keyfeednats.Record) error {
		if !r.Pos.IsZero() { // else an epoch's heartbeat
			all = append(all, r.Pos.Offset)
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	return all
}

func wantOffsets(t *testing.T, cfg keyfeednats.Config, first, last int64) {
	t.Helper()
	var want []int64
	for o := first; o <= last; o++ {
		want = append(want, o)
	}
	if got := offsets(t, cfg); fmt.Sprint(got) != fmt.Sprint(want) {
		t.Errorf("the stream has %v, want %d to %d", got, first, last)
	}
}

// logBuffer is a log that a test can read while others write.
type logBuffer struct {
	mu  sync.Mutex
	buf bytes.Buffer
}

func (b *logBuffer) Write(p []byte) (int, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.buf.Write(p)
}

func (b *logBuffer) String() string {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.buf.String()
}

func (b *logBuffer) logger() *slog.Logger { return slog.New(slog.NewTextHandler(b, nil)) }
