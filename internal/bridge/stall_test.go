package bridge_test

import (
	"bytes"
	"context"
	"log/slog"
	"net"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"keyfeed/ingest"
	"keyfeed/internal/bridge"
	"keyfeed/internal/fakeprimary"
	"keyfeed/internal/pump"
)

// logged counts what was logged.
type logged struct {
	mu sync.Mutex
	b  bytes.Buffer // guarded by mu
}

func (l *logged) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.b.Write(p)
}

func (l *logged) count(text string) int {
	l.mu.Lock()
	defer l.mu.Unlock()
	return strings.Count(l.b.String(), text)
}

// TestStallsAreReported: a source that is away, then a sink that takes nothing, each for long: said once, shown as long as
// it lasts, and taken back.
func TestStallsAreReported(t *testing.T) {
	dir := t.TempDir()
	synctest.Test(t, func(t *testing.T) {
		var up atomic.Bool
		h := &fakeprimary.History{
			ReplID: strings.Repeat("a", 40), Offset: 100, Payload: "REDIS0010\xff" + strings.Repeat("\x00", 8),
			Stream: "*3\r\n$3\r\nSET\r\n$1\r\na\r\n$1\r\n1\r\n",
		}
		p := fakeprimary.New(func(_ int, c *fakeprimary.Conn) { _ = h.Serve(c) }) // ends when the link does
		out, sink := &logged{}, newMemorySink(t)
		b := bridge.New(bridge.Config{
			Name: "s", DataDir: dir, MaxBytes: 64 << 10, Logger: slog.New(slog.NewTextHandler(out, nil)),
			SnapshotMode: bridge.SnapshotWhenNeeded, OnHistoryLoss: bridge.PolicyResync, OnSinkLoss: bridge.PolicyFail,
			StallTimeout: 2 * time.Minute,
			Pump:         pump.Config{HeartbeatInterval: 10 * time.Second},
			Source: ingest.Config{Dial: func(ctx context.Context) (net.Conn, error) {
				if !up.Load() {
					return nil, errAway
				}
				return p.Dial(ctx)
			}},
		}, sink)
		ctx, cancel := context.WithCancel(t.Context())
		done := make(chan error, 1)
		go func() { done <- b.Run(ctx) }()
		expect := func(stalls, cleared int, what string) {
			t.Helper()
			synctest.Wait()
			s := b.Status().Stalled
			if (s != nil) != (what != "") || s != nil && !strings.Contains(s.What, what) {
				t.Errorf("stalled: %+v, want %q", s, what)
			}
			if n, m := out.count(`msg="nothing moves"`), out.count(`msg="changes move again"`); n != stalls || m != cleared {
				t.Errorf("%d stalls and %d ends logged, want %d and %d", n, m, stalls, cleared)
			}
			if what != "" && b.Ready() == nil {
				t.Error("ready while nothing moves")
			}
		}
		time.Sleep(time.Minute)
		expect(0, 0, "")
		time.Sleep(20 * time.Minute)
		expect(1, 0, "no byte has come from the source")
		sink.take(1) // the begin of the snapshot, and no more
		up.Store(true)
		time.Sleep(30 * time.Second)
		expect(1, 1, "")
		time.Sleep(20 * time.Minute)
		expect(2, 1, "the sink confirms nothing")
		sink.take(-1)
		time.Sleep(time.Minute)
		if !sink.has("a") {
			t.Error("the change did not arrive")
		}
		expect(2, 2, "")
		time.Sleep(20 * time.Minute) // an idle source is no stall
		expect(2, 2, "")
		cancel()
		if err := <-done; err != nil {
			t.Errorf("Run: %v", err)
		}
	})
}

// TestIdleSourceIsNoStall: a source without writes sends a PING every ten seconds, and a stall timeout may be shorter than that.
// Only one that is silent for longer than the link waits is none that works.
func TestIdleSourceIsNoStall(t *testing.T) {
	dir := t.TempDir()
	synctest.Test(t, func(t *testing.T) {
		h := &fakeprimary.History{
			ReplID: strings.Repeat("a", 40), Offset: 100, Payload: "REDIS0010\xff" + strings.Repeat("\x00", 8),
			Stream: "*3\r\n$3\r\nSET\r\n$1\r\na\r\n$1\r\n1\r\n",
		}
		p := fakeprimary.New(func(_ int, c *fakeprimary.Conn) { _ = h.Serve(c) })
		out, sink := &logged{}, newMemorySink(t)
		var down atomic.Bool
		b := bridge.New(bridge.Config{
			Name: "s", DataDir: dir, MaxBytes: 64 << 10, Logger: slog.New(slog.NewTextHandler(out, nil)),
			SnapshotMode: bridge.SnapshotWhenNeeded, OnHistoryLoss: bridge.PolicyResync, OnSinkLoss: bridge.PolicyFail,
			StallTimeout: time.Second,
			Source: ingest.Config{IdleTimeout: time.Minute, Dial: func(ctx context.Context) (net.Conn, error) {
				if down.Load() {
					return nil, errAway
				}
				return p.Dial(ctx)
			}},
		}, sink)
		ctx, cancel := context.WithCancel(t.Context())
		done := make(chan error, 1)
		go func() { done <- b.Run(ctx) }()
		time.Sleep(50 * time.Second)
		if !sink.has("a") {
			t.Fatal("the change did not arrive")
		}
		if n := out.count(`msg="nothing moves"`); n != 0 {
			t.Errorf("%d stalls of an idle source were logged", n)
		}
		down.Store(true)
		time.Sleep(time.Minute) // the link is cut by its own timeout
		if n := out.count(`msg="nothing moves"`); n != 1 {
			t.Errorf("%d stalls of a source that is away were logged", n)
		}
		cancel()
		if err := <-done; err != nil {
			t.Errorf("Run: %v", err)
		}
	})
}
