package nats_test

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/nats-io/nats.go/jetstream"

	"keyfeed/internal/change"
	"keyfeed/internal/testenv"
	"keyfeed/sinks"
	keyfeednats "keyfeed/sinks/nats"
)

// actor writes the events 1 to last, as a keyfeed does that is started again whenever it ends: after each error it goes
// on from the position that it finds, and where it was fenced it comes back as another process.
type actor struct {
	cfg    keyfeednats.Config
	rng    *rand.Rand
	last   int64
	fenced int
	failed int
}

func newActor(cfg keyfeednats.Config, seed, n uint64, last int64) *actor {
	return &actor{cfg: cfg, rng: rand.New(rand.NewPCG(seed, n)), last: last}
}

func (a *actor) run(ctx context.Context, t *testing.T) {
	t.Helper()
	for {
		s, err := keyfeednats.New(a.cfg)
		if err != nil {
			t.Error(err)
			return
		}
		done := a.live(ctx, t, s)
		if err := s.Close(); err != nil {
			t.Error(err)
		}
		if done || ctx.Err() != nil {
			return
		}
	}
}

// live is one process. It reports whether everything is written, or the actor must end.
func (a *actor) live(ctx context.Context, t *testing.T, s *keyfeednats.Sink) (done bool) {
	t.Helper()
	for {
		err := a.write(ctx, t, s)
		switch {
		case err == nil:
			return true
		case errors.Is(err, sinks.ErrFenced):
			a.fenced++
			return false
		case errors.Is(err, sinks.ErrConfig), ctx.Err() != nil:
			t.Errorf("a writer ended with %v", err)
			return true
		}
		a.failed++
		select {
		case <-time.After(time.Duration(1+a.rng.IntN(20)) * time.Millisecond): // as the pump does
		case <-ctx.Done():
		}
	}
}

func (a *actor) write(ctx context.Context, t *testing.T, s *keyfeednats.Sink) error {
	t.Helper()
	before := s.Confirmed()
	octx, cancel := context.WithTimeout(ctx, 10*time.Second)
	pos, err := s.Open(octx)
	cancel()
	if err != nil {
		return err
	}
	if pos.Compare(before) < 0 {
		t.Errorf("the stream is at %v, but %v was confirmed", pos, before)
	}
	for next := pos.Offset + 1; next <= a.last; {
		n := min(1+a.rng.Int64N(60), a.last-next+1)
		if err := s.Write(ctx, &change.Batch{Records: records(next, int(n))}); err != nil {
			return err
		}
		next += n
		if a.rng.IntN(30) == 0 {
			if err := s.Flush(ctx); err != nil {
				return err
			}
		}
	}
	return s.Flush(ctx)
}

// wantExactly reads the stream with a client of its own and holds that it has the events 1 to last, each once, in order.
func wantExactly(t *testing.T, url string, last int64) {
	t.Helper()
	_, js := operator(t, url)
	ctx, cancel := context.WithTimeout(t.Context(), 2*time.Minute)
	defer cancel()
	end, consumer := reader(ctx, t, js)
	messages, err := consumer.Messages()
	if err != nil {
		t.Fatal(err)
	}
	defer messages.Stop()
	want, epochs := int64(1), 0
	for {
		m, err := messages.Next(jetstream.NextContext(ctx))
		if err != nil {
			t.Fatalf("after event %d: %v", want-1, err)
		}
		meta, err := m.Metadata()
		if err != nil {
			t.Fatal(err)
		}
		if m.Headers().Get("keyfeed-instance") != "" {
			epochs++
		} else {
			pos, err := change.ParsePosition(m.Headers().Get("keyfeed-pos"))
			if err != nil {
				t.Fatal(err)
			}
			if pos.Offset != want {
				t.Fatalf("sequence %d holds event %d, want %d: events were lost, repeated or reordered", meta.Sequence.Stream, pos.Offset, want)
			}
			want++
		}
		if meta.Sequence.Stream == end {
			break
		}
	}
	if want != last+1 {
		t.Fatalf("%d events are stored, want %d", want-1, last)
	}
	t.Logf("%d events in %d epochs", last, epochs)
}

// reader returns the last sequence of the stream and a consumer of all of it. The leader answers for the sequence; a
// consumer may be at a follower that is behind. A request that meets a server which a moment ago led, or does not know
// yet who leads, is never answered: the next one is.
func reader(ctx context.Context, t *testing.T, js jetstream.JetStream) (end uint64, consumer jetstream.Consumer) {
	t.Helper()
	once := func() error {
		ctx, cancel := context.WithTimeout(ctx, 5*time.Second)
		defer cancel()
		stream, err := js.Stream(ctx, "KEYFEED_redis")
		if err != nil {
			return fmt.Errorf("asking for the stream: %w", err)
		}
		end = stream.CachedInfo().State.LastSeq
		if consumer, err = js.OrderedConsumer(ctx, "KEYFEED_redis", jetstream.OrderedConsumerConfig{}); err != nil {
			return fmt.Errorf("making a consumer: %w", err)
		}
		return nil
	}
	testenv.Eventually(t, 2*time.Minute, "the stream can be read", func() bool {
		err := once()
		if err != nil {
			t.Log(err)
		}
		return err == nil
	})
	return end, consumer
}

func bounded(t *testing.T) context.Context {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 4*time.Minute)
	t.Cleanup(cancel)
	return ctx
}

// TestRivalsAndLateBytes lets two writers work on one stream, each through a proxy that is stalled for longer than the
// writer waits, and that delivers afterwards what it holds; connections are cut too.
func TestRivalsAndLateBytes(t *testing.T) {
	seed := rand.Uint64()
	for _, publish := range ways() {
		t.Run(string(publish), func(t *testing.T) {
			t.Logf("seed %d", seed)
			srv := newServer(t, nil)
			const faults = 12
			events := map[keyfeednats.Publish]int64{ // about as many as the faults take
				keyfeednats.PublishFast: 40_000, keyfeednats.PublishAtomic: 12_000, keyfeednats.PublishSingle: 4000,
			}[publish]
			ctx := bounded(t)
			var wg sync.WaitGroup
			stop := make(chan struct{})
			actors := make([]*actor, 2)
			for n := range actors {
				proxy := newRelay(t, srv.server.Addr().String())
				cfg := srv.config()
				cfg.Publish, cfg.URL, cfg.MaxPendingRecords, cfg.Timeout = publish, proxy.url(), 300, 150*time.Millisecond
				actors[n] = newActor(cfg, seed, uint64(n), events)
				rng := rand.New(rand.NewPCG(seed, uint64(100+n)))
				var faulty sync.WaitGroup
				faulty.Go(func() {
					for range faults {
						select {
						case <-stop:
							return
						case <-time.After(time.Duration(rng.IntN(120)) * time.Millisecond):
						}
						if rng.IntN(3) == 0 {
							proxy.cut()
							continue
						}
						proxy.shut()
						time.Sleep(time.Duration(rng.IntN(300)) * time.Millisecond) // how long the fault lasts
						proxy.unshut()
					}
				})
				wg.Go(func() { actors[n].run(ctx, t); faulty.Wait() })
			}
			wg.Wait()
			close(stop)
			for n, a := range actors {
				t.Logf("writer %d failed %d times and was fenced %d times", n, a.failed, a.fenced)
			}
			wantExactly(t, srv.url, events)
		})
	}
}

// TestLateBytesAfterTakeover holds back what a writer has in flight until another one has begun an epoch. Among it is a
// message that expects just the sequence of that epoch's heartbeat.
func TestLateBytesAfterTakeover(t *testing.T) {
	for _, publish := range ways() {
		t.Run(string(publish), func(t *testing.T) {
			srv := newServer(t, nil)
			proxy := newRelay(t, srv.server.Addr().String())
			cfg := srv.config()
			cfg.Publish = publish
			slow := cfg
			slow.URL = proxy.url()
			a := mustOpen(t, slow, 0)
			put(t, a, 1, 5)
			proxy.shut()
			if err := a.Write(t.Context(), &change.Batch{Records: records(6, 60)}); err != nil {
				t.Fatal(err)
			}
			b := mustOpen(t, cfg, 5)
			proxy.unshut()
			wantTransient(t, a.Flush(t.Context()), "wrong last sequence")
			put(t, b, 6, 20)
			if _, err := a.Open(t.Context()); !errors.Is(err, sinks.ErrFenced) {
				t.Errorf("Open gave %v, want ErrFenced", err)
			}
			wantExactly(t, srv.url, 20)
		})
	}
}

// TestServerIsKilled kills the server with messages in flight, as a process, and starts it again with what it has on disk.
func TestServerIsKilled(t *testing.T) {
	t.Parallel()
	srv := testenv.NATSServer(t)
	seed := rand.Uint64()
	t.Logf("seed %d", seed)
	rng := rand.New(rand.NewPCG(seed, 9))
	const kills = 3
	each := map[keyfeednats.Publish]int64{
		keyfeednats.PublishFast: 20_000, keyfeednats.PublishAtomic: 6000, keyfeednats.PublishSingle: 2000,
	}
	last := int64(0)
	for _, publish := range ways() {
		cfg := keyfeednats.Config{
			URL: srv.URL(), Source: "redis", CreateStream: true, Publish: publish, MaxPendingRecords: 500, Timeout: 2 * time.Second,
		}
		last += each[publish]
		a := newActor(cfg, seed, uint64(last), last)
		ctx := bounded(t)
		done := make(chan struct{})
		go func() {
			defer close(done)
			a.run(ctx, t)
		}()
		for range kills {
			select {
			case <-done:
			case <-time.After(time.Duration(rng.IntN(150)) * time.Millisecond):
				srv.Kill()
				srv.Start()
			}
		}
		<-done
		t.Logf("%s: failed %d times", publish, a.failed)
		wantExactly(t, srv.URL(), last)
	}
}

// TestUnitsAppearWhole holds that a transaction never appears in part: whoever reads sees its last event with its
// first.
func TestUnitsAppearWhole(t *testing.T) {
	srv := newServer(t, nil)
	cfg := srv.config()
	cfg.Publish, cfg.MaxPendingRecords = keyfeednats.PublishAtomic, 3000
	s := mustOpen(t, cfg, 0)
	const units, size = 40, 30
	var all []change.Record
	for u := range int64(units) {
		for k := range int64(size) {
			r := records(u+1, 1)[0]
			if k < size-1 {
				r.Pos = at(u)
				r.Pos.Gen, r.Pos.Count = 1, k+1
			}
			all = append(all, r)
		}
	}
	stop := make(chan struct{})
	watched := make(chan error, 1)
	_, js := operator(t, srv.url)
	go func() {
		defer close(watched)
		for {
			stream, err := js.Stream(t.Context(), "KEYFEED_redis")
			if err != nil {
				watched <- err
				return
			}
			m, err := stream.GetLastMsgForSubject(t.Context(), "keyfeed.redis.>")
			if err != nil {
				watched <- err
				return
			}
			if text := m.Header.Get("keyfeed-pos"); strings.Contains(text, "+") {
				watched <- fmt.Errorf("the last message to be seen is %s, inside a unit", text)
				return
			}
			select {
			case <-stop:
				return
			default:
			}
		}
	}()
	for len(all) > 0 { // batches end inside units
		n := min(37, len(all))
		if err := s.Write(t.Context(), &change.Batch{Records: all[:n]}); err != nil {
			t.Fatal(err)
		}
		all = all[n:]
	}
	awaitConfirmed(t, s, at(units))
	close(stop)
	if err := <-watched; err != nil {
		t.Error(err)
	}
}
