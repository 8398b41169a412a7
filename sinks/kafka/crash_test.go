package kafka_test

import (
	"context"
	"fmt"
	"strconv"
	"sync"
	"testing"
	"time"

	"keyfeed/internal/change"
	"keyfeed/internal/testenv/kafkaenv"
	"keyfeed/sinks"
	"keyfeed/sinks/kafka"
)

// testKillWhileWriting kills a real Kafka with kill -9, again and again, while events are written as fast as it takes
// them, and reopens the sink as the pump does. Nothing is lost or stored
// twice, and the events of a key are in order.
func testKillWhileWriting(t *testing.T, srv *kafkaenv.Server) {
	t.Helper()
	const kills, rest = 3, 20_000
	cfg := impatient(config("kill", srv.Addr()))
	s := newSink(t, cfg)
	t.Cleanup(func() { _ = s.Close() })
	w := &writer{sink: s}
	ctx, cancel := context.WithTimeout(t.Context(), 5*patience) // Kafka starts slowly on a busy machine
	defer cancel()
	var wg sync.WaitGroup
	wg.Go(func() { w.run(ctx, t) })
	for range kills {
		w.waitFor(ctx, t, s.Confirmed().Offset+5000)
		srv.Kill()
		srv.Restart()
	}
	w.waitFor(ctx, t, s.Confirmed().Offset+rest)
	cancel()
	wg.Wait()
	confirmed := int(s.Confirmed().Offset)
	t.Logf("%d events confirmed, %d opens", confirmed, w.opens)
	if w.opens < 2 {
		t.Error("the sink never failed: nothing was tested")
	}
	checkStoredOnce(t, cfg, confirmed)
}

// testPauseWhileWriting lets a real Kafka stand still (SIGSTOP) until the sink gives up, with requests on their way.
func testPauseWhileWriting(t *testing.T, srv *kafkaenv.Server) {
	t.Helper()
	cfg := impatient(config("pause", srv.Addr()))
	s := newSink(t, cfg)
	t.Cleanup(func() { _ = s.Close() })
	w := &writer{sink: s, openWithin: patience, opened: func(int) {}}
	if err := w.until(within(t), 100); err != nil {
		t.Fatal(err)
	}
	w.opened = func(int) {
		if got := s.Confirmed(); got.Compare(posAt(100)) < 0 {
			t.Errorf("Open gave %v, but %v was confirmed", got, posAt(100))
		}
	}
	srv.Pause()
	err := s.Write(within(t), events(100, 200))
	if err == nil {
		err = s.Flush(within(t))
	}
	srv.Resume()
	if err == nil {
		t.Fatal("Flush gave no error although Kafka stood still")
	}
	if err := w.until(within(t), 300); err != nil {
		t.Fatal(err)
	}
	wantOnce(t, cfg, 300)
}

// writer plays the pump: it writes events 0, 1, 2 … and reopens the sink where it fails.
type writer struct {
	sink       sinks.Sink
	opens      int
	openWithin time.Duration   // of until
	opened     func(opens int) // of until: called after each Open
}

func (w *writer) run(ctx context.Context, t *testing.T) {
	t.Helper()
	for ctx.Err() == nil {
		pos, err := w.sink.Open(ctx)
		if err != nil {
			select {
			case <-time.After(20 * time.Millisecond): // as the pump does
			case <-ctx.Done():
			}
			continue
		}
		w.opens++
		for i := int(pos.Offset); err == nil; i += 50 {
			err = w.sink.Write(ctx, events(i, i+50))
		}
	}
}

func (w *writer) waitFor(ctx context.Context, t *testing.T, offset int64) {
	t.Helper()
	for w.sink.Confirmed().Offset < offset {
		select {
		case <-w.sink.Updates():
		case <-ctx.Done():
			t.Fatalf("confirmed is %v, waiting for %d: %v", w.sink.Confirmed(), offset, w.sink.Err())
		}
	}
}

// checkStoredOnce checks that the events 0 <= i < n are all stored, that none is stored twice, and that those of a key are
// in order.
func checkStoredOnce(t *testing.T, cfg kafka.Config, n int) {
	t.Helper()
	seen := map[int]bool{}
	last := map[string]int{}
	for _, r := range records(t, cfg, kafka.ReadOptions{}) {
		var i int
		if _, err := fmt.Sscanf(string(r.Value), `{"i":%d}`, &i); err != nil {
			t.Fatalf("stored value %q: %v", r.Value, err)
		}
		if seen[i] {
			t.Fatalf("event %d is stored twice", i)
		}
		if i < last[string(r.Key)] {
			t.Fatalf("event %d of key %s is stored after event %d", i, r.Key, last[string(r.Key)])
		}
		seen[i] = true
		last[string(r.Key)] = i
	}
	for i := range n {
		if !seen[i] {
			t.Fatalf("event %d of %d confirmed ones is not stored", i, n)
		}
	}
}

// testLimitIsExact stores records of exactly MaxRecord, of every kind and uncompressed, in a real Kafka.
func testLimitIsExact(t *testing.T, srv *kafkaenv.Server) {
	t.Helper()
	cfg := config("limit", srv.Addr())
	cfg.Compression = "none"
	for _, limit := range []int{20_000, 1_048_588, 5_000_000} {
		t.Run(strconv.Itoa(limit), func(t *testing.T) {
			cfg := cfg
			cfg.Source = fmt.Sprintf("limit%d", limit)
			createTopic(t, cfg, "keyfeed."+cfg.Source, 2, map[string]string{"max.message.bytes": strconv.Itoa(limit)})
			s := opened(t, cfg)
			n := s.MaxRecord()
			if n < limit-200 {
				t.Errorf("MaxRecord is %d for max.message.bytes=%d", n, limit)
			}
			keyed := event(0, 0)
			keyed.Value = make([]byte, n-len(keyed.Key))
			everyone := change.Record{Route: change.RouteBroadcast, Value: make([]byte, n), Pos: posAt(2), DB: -1}
			mustWrite(t, s, batch(keyed, everyone))
			mustFlush(t, s)
			if got := len(records(t, cfg, kafka.ReadOptions{})); got != 3 {
				t.Errorf("%d records are stored, want 3", got)
			}
		})
	}
}
