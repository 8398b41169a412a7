package nats_test

import (
	"errors"
	"fmt"
	mathrand "math/rand/v2"
	"strconv"
	"strings"
	"testing"
	"time"

	natsgo "github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"

	"keyfeed/internal/change"
	"keyfeed/sinks"
	keyfeednats "keyfeed/sinks/nats"
)

func TestForeignTailIsRefused(t *testing.T) {
	for name, header := range map[string]natsgo.Header{
		"no headers":   nil,
		"other header": {"trace": {"x"}},
		"garbage":      {"keyfeed-pos": {"12:ab"}},
		"none":         {"keyfeed-pos": {"none"}},
	} {
		t.Run(name, func(t *testing.T) {
			srv := newServer(t, nil)
			s := mustOpen(t, srv.config(), 0)
			put(t, s, 1, 3)
			_, js := operator(t, srv.url)
			if _, err := js.PublishMsg(t.Context(), &natsgo.Msg{Subject: "keyfeed.redis.0.1", Header: header}); err != nil {
				t.Fatal(err)
			}
			wantTransient(t, writeError(t, s, 4), "wrong last sequence")
			_, err := s.Open(t.Context())
			wantConfigError(t, err, "message 5", "KEYFEED_NATS_STREAM")
		})
	}
}

// TestStreamOfAnotherSource: a stream that has another source's changes is refused, whatever is left of them, and nothing
// is stored in it that would disturb their writer.
func TestStreamOfAnotherSource(t *testing.T) {
	event := func(name string) *change.Batch {
		b := &change.Batch{Records: records(1, 1)}
		b.Records[0].Value = fmt.Appendf(nil, `{"v":1,"source":{"name":%q,"gen":1,"offset":1}}`, name)
		return b
	}
	for _, tt := range []struct {
		name, found string
		leave       func(t *testing.T, srv *natsServer, alpha *keyfeednats.Sink)
	}{
		{"a writer that has begun", "message 1", func(*testing.T, *natsServer, *keyfeednats.Sink) {}},
		{"an event", "message 2", func(t *testing.T, _ *natsServer, alpha *keyfeednats.Sink) {
			t.Helper()
			if err := errors.Join(alpha.Write(t.Context(), event("alpha")), alpha.Flush(t.Context())); err != nil {
				t.Fatal(err)
			}
		}},
		{"an event that was purged", "its entry", func(t *testing.T, srv *natsServer, alpha *keyfeednats.Sink) {
			t.Helper()
			if err := errors.Join(alpha.Write(t.Context(), event("alpha")), alpha.Flush(t.Context())); err != nil {
				t.Fatal(err)
			}
			purge(t, srv)
		}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			srv := newServer(t, nil)
			cfg := srv.config()
			cfg.Stream, cfg.Subject = "KEYFEED_redis", "changes.{hash:4}"
			cfg.Source = "alpha"
			alpha := mustOpen(t, cfg, 0)
			tt.leave(t, srv, alpha)
			cfg.Source = "beta"
			words := []string{`source "alpha"`, tt.found, `source "beta"`, "KEYFEED_NATS_STREAM", "KEYFEED_SOURCE_NAME"}
			beta, _, err := open(t, cfg)
			wantConfigError(t, err, words...)
			_, _, err = beta.Look(t.Context())
			wantConfigError(t, err, words...)
			wantConfigError(t, beta.Forget(t.Context()), words...)
			if err := errors.Join(alpha.Write(t.Context(), event("alpha")), alpha.Flush(t.Context())); err != nil {
				t.Errorf("the writer was disturbed: %v", err)
			}
			_, js := operator(t, srv.url)
			if err := js.DeleteStream(t.Context(), cfg.Stream); err != nil {
				t.Fatal(err)
			}
			mustOpen(t, cfg, 0) // as the error says
		})
	}
}

// TestNewerEpochFences lets a second sink take the stream over: the first stores nothing more, and learns who did it.
func TestNewerEpochFences(t *testing.T) {
	for _, publish := range ways() {
		t.Run(string(publish), func(t *testing.T) {
			srv := newServer(t, nil)
			cfg := srv.config()
			cfg.Publish = publish
			a := mustOpen(t, cfg, 0)
			put(t, a, 1, 5)
			b := mustOpen(t, cfg, 5)
			wantTransient(t, writeError(t, a, 6), "wrong last sequence")
			put(t, b, 6, 10)
			for range 2 {
				if _, err := a.Open(t.Context()); !errors.Is(err, sinks.ErrFenced) {
					t.Fatalf("Open gave %v, want ErrFenced", err)
				}
			}
			put(t, b, 11, 12)
			wantOffsets(t, cfg, 1, 12)
		})
	}
}

func purge(t *testing.T, srv *natsServer) {
	t.Helper()
	_, js := operator(t, srv.url)
	stream, err := js.Stream(t.Context(), "KEYFEED_redis")
	if err != nil {
		t.Fatal(err)
	}
	if err := stream.Purge(t.Context()); err != nil {
		t.Fatal(err)
	}
}

// TestPurgeIsSurvivedExactly removes every message at each moment of a sink's life, between the writes of the bucket and
// right after them, and lets a pump go on: each event comes once, counted over all purges, whatever was in between.
func TestPurgeIsSurvivedExactly(t *testing.T) {
	seed := mathrand.Uint64()
	t.Logf("seed %d", seed)
	for _, publish := range ways() {
		t.Run(string(publish), func(t *testing.T) {
			rng := mathrand.New(mathrand.NewPCG(seed, 0))
			srv := newServer(t, nil)
			cfg := srv.config()
			cfg.Publish = publish
			next := int64(1)
			var got []int64
			settings := "0" // of the events written last
			for round := range 20 {
				s, pos, err := open(t, cfg)
				if err != nil {
					t.Fatal(err)
				}
				if round > 0 && pos.IsZero() != (next == 1) {
					t.Fatalf("round %d is at %v, %d events were written", round, pos, next-1)
				}
				if s.Skips() { // what is passed over must be cut as it was
					if pos.Settings != settings {
						t.Fatalf("round %d passes over events cut under %q, and says %q", round, settings, pos.Settings)
					}
				} else if rng.IntN(2) == 0 {
					settings = strconv.Itoa(round)
				}
				// The pump writes what follows the position; the sink passes over what it has.
				last := next + 1 + rng.Int64N(8)
				batch := &change.Batch{}
				for o := pos.Offset + 1; o < last; o++ {
					batch.Records = append(batch.Records, records(o, 1)...)
					if o == 1 { // as the pump begins
						batch.Records[0].Route, batch.Records[0].Kind = change.RouteBroadcast, "snapshot_begin"
					}
					if rng.IntN(4) == 0 { // time has passed
						beat := records(o, 1)[0]
						beat.Route, beat.Kind = change.RouteBroadcast, "heartbeat"
						batch.Records = append(batch.Records, beat)
					}
				}
				for i := range batch.Records {
					batch.Records[i].Pos.Settings = settings
				}
				if err := s.Write(t.Context(), batch); err != nil {
					t.Fatal(err)
				}
				awaitConfirmed(t, s, at(last-1))
				next = last
				if rng.IntN(3) == 0 {
					if err := s.Flush(t.Context()); err != nil {
						t.Fatal(err)
					}
				}
				s.Close()
				if rng.IntN(3) == 0 {
					if _, _, err := open(t, cfg); err != nil { // begins an epoch and writes nothing
						t.Fatal(err)
					}
				}
				got = append(got, events(t, cfg)...)
				purge(t, srv)
			}
			for i, o := range got {
				if o != int64(i)+1 {
					t.Fatalf("event %d was stored at place %d: %v", o, i+1, got)
				}
			}
			if len(got) != int(next)-1 {
				t.Errorf("%d events were stored, want %d", len(got), next-1)
			}
		})
	}
}

// events reads the offsets of the events that the stream has, heartbeats left out.
func events(t *testing.T, cfg keyfeednats.Config) (all []int64) {
	t.Helper()
	err := keyfeednats.Read(t.Context(), cfg, keyfeednats.All().ToEnd(), func(r *keyfeednats.Record) error {
		if !strings.HasSuffix(r.Subject, "._ctl.heartbeat") && !strings.HasSuffix(r.Subject, "._ctl.epoch") {
			all = append(all, r.Pos.Offset)
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	return all
}

// awaitConfirmed waits without a Flush.
func awaitConfirmed(t *testing.T, s *keyfeednats.Sink, want change.Position) {
	t.Helper()
	limit := time.After(time.Minute)
	for s.Confirmed().Compare(want) < 0 {
		select {
		case <-s.Updates():
		case <-limit:
			t.Fatalf("Confirmed stays at %v, want %v: %v", s.Confirmed(), want, s.Err())
		}
	}
}

func TestPurgeWithoutKeptPosition(t *testing.T) {
	srv := newServer(t, nil)
	s := mustOpen(t, srv.config(), 0)
	put(t, s, 1, 7)
	s.Close()
	purge(t, srv)
	_, js := operator(t, srv.url)
	if err := js.DeleteKeyValue(t.Context(), "keyfeed"); err != nil {
		t.Fatal(err)
	}
	lost, _, err := open(t, srv.config())
	wantConfigError(t, err, "message 8", "purge", "KEYFEED_ON_SINK_LOSS")
	if !errors.Is(err, sinks.ErrLost) {
		t.Errorf("got %v, want ErrLost", err)
	}
	if err := lost.Forget(t.Context()); err != nil {
		t.Fatal(err)
	}
	for range 2 {
		pos, err := lost.Open(t.Context())
		if err != nil || !pos.IsZero() {
			t.Fatalf("after Forget, Open = %v, %v, want none", pos, err)
		}
	}
	put(t, lost, 1, 3)
	mustOpen(t, srv.config(), 3)
}

func TestReplacedStreamIsTold(t *testing.T) {
	srv := newServer(t, nil)
	log := &logBuffer{}
	cfg := srv.config()
	cfg.Logger = log.logger()
	s := mustOpen(t, cfg, 0)
	put(t, s, 1, 7)
	s.Close()
	_, js := operator(t, srv.url)
	if err := js.DeleteStream(t.Context(), "KEYFEED_redis"); err != nil {
		t.Fatal(err)
	}
	again := mustOpen(t, cfg, 0)
	if !strings.Contains(log.String(), "confirmed_sequence=8") {
		t.Errorf("nothing tells that the stream was replaced: %s", log)
	}
	put(t, again, 1, 2)
}

// TestAgedOutTail waits until the server has removed the last message by its age.
func TestAgedOutTail(t *testing.T) {
	srv := newServer(t, nil)
	cfg := srv.config()
	cfg.MaxAge = 100 * time.Millisecond // the least that servers take
	s := mustOpen(t, cfg, 0)
	put(t, s, 1, 5)
	_, js := operator(t, srv.url)
	for {
		stream, err := js.Stream(t.Context(), "KEYFEED_redis")
		if err != nil {
			t.Fatal(err)
		}
		if stream.CachedInfo().State.Msgs == 0 {
			break
		}
	}
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	mustOpen(t, cfg, 5)
}

// TestDirectGetIsNotUsed: the answer comes from the leader also where the stream allows direct gets.
func TestDirectGetIsNotUsed(t *testing.T) {
	srv := newServer(t, nil)
	conn, js := operator(t, srv.url)
	if _, err := js.CreateStream(t.Context(), jetstream.StreamConfig{
		Name: "KEYFEED_redis", Subjects: []string{"keyfeed.redis.>"}, AllowDirect: true,
	}); err != nil {
		t.Fatal(err)
	}
	s := mustOpen(t, srv.config(), 0)
	put(t, s, 1, 2)
	direct, err := conn.SubscribeSync("$JS.API.DIRECT.GET.>")
	if err != nil {
		t.Fatal(err)
	}
	leader, err := conn.SubscribeSync("$JS.API.STREAM.MSG.GET.KEYFEED_redis")
	if err != nil {
		t.Fatal(err)
	}
	if err := conn.Flush(); err != nil {
		t.Fatal(err)
	}
	mustOpen(t, srv.config(), 2)
	if m, err := leader.NextMsg(time.Minute); err != nil || string(m.Data) != `{"seq":3}` {
		t.Errorf("the leader was asked %v, %v, want message 3", m, err)
	}
	if n, _, err := direct.Pending(); err != nil {
		t.Fatal(err)
	} else if n > 0 {
		if m, err := direct.NextMsg(time.Minute); err == nil && !strings.Contains(m.Subject, "KV_keyfeed") {
			t.Errorf("the end of the stream was read by a direct get: %s", m.Subject)
		}
	}
}

func TestReader(t *testing.T) {
	srv := newServer(t, nil)
	cfg := srv.config()
	s := mustOpen(t, cfg, 0)
	put(t, s, 1, 10)
	tests := []struct {
		name  string
		start keyfeednats.Start
		want  []int64
	}{
		{"all", keyfeednats.All(), []int64{0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10}}, // 0 is the epoch's heartbeat
		{"last 3", keyfeednats.Last(3), []int64{8, 9, 10}},
		{"last 0", keyfeednats.Last(0), nil},
		{"last 99", keyfeednats.Last(99), []int64{0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10}},
		{"from 9", keyfeednats.From(9), []int64{8, 9, 10}},
		{"from 12", keyfeednats.From(12), nil},
		{"again 9", keyfeednats.Again(9), []int64{8, 9, 10}},
		{"again 12, of a longer stream", keyfeednats.Again(12), []int64{0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10}},
		{"new", keyfeednats.OnlyNew(), nil},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			var got []int64
			err := keyfeednats.Read(t.Context(), cfg, tt.start.ToEnd(), func(r *keyfeednats.Record) error {
				got = append(got, r.Pos.Offset)
				if r.Sequence != uint64(r.Pos.Offset)+1 {
					t.Errorf("offset %d has sequence %d", r.Pos.Offset, r.Sequence)
				}
				if r.Sequence > 1 && (!strings.HasPrefix(r.Subject, "keyfeed.redis.0.") || len(r.Value) != 300) {
					t.Errorf("sequence %d: subject %s, %d bytes", r.Sequence, r.Subject, len(r.Value))
				}
				return nil
			})
			if err != nil || len(got) != len(tt.want) {
				t.Fatalf("read %v, %v, want %v", got, err, tt.want)
			}
			for i := range got {
				if got[i] != tt.want[i] {
					t.Fatalf("read %v, want %v", got, tt.want)
				}
			}
		})
	}
}
