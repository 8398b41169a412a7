package ingest

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"log/slog"
	"net"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"keyfeed/internal/resp"
	"keyfeed/internal/testenv"
)

const patience = 30 * time.Second

// config follows the server at addr with short waits.
func config(tb testing.TB, url string) Config {
	tb.Helper()
	c, err := ParseURL(url)
	if err != nil {
		tb.Fatal(err)
	}
	c.ClientName = "keyfeed"
	c.BackoffMin, c.BackoffMax = 10*time.Millisecond, 50*time.Millisecond
	c.FullSyncBackoffMin, c.FullSyncBackoffMax = 10*time.Millisecond, 50*time.Millisecond
	c.Logger = slog.New(slog.NewTextHandler(tb.Output(), &slog.HandlerOptions{Level: slog.LevelDebug}))
	return c
}

// follow runs a Replica until the test ends; the test fails when Run returns an error.
func follow(tb testing.TB, cfg Config, store Store) *Replica {
	tb.Helper()
	r, err := New(cfg, store)
	if err != nil {
		tb.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan error, 1)
	go func() { done <- r.Run(ctx) }()
	tb.Cleanup(func() {
		cancel()
		if err := <-done; err != nil {
			tb.Errorf("Run: %v", err)
		}
	})
	return r
}

// caughtUp waits until the log holds everything that the server has sent so far.
func (m *memory) caughtUp(tb testing.TB, in *testenv.Instance) {
	tb.Helper()
	offset := in.Offset()
	testenv.Eventually(tb, patience, "the log reaches the server's offset", func() bool { return m.end() >= offset })
}

// reference is what the server itself says its stream is, from the byte after base up to its current offset.
func reference(tb testing.TB, in *testenv.Instance, replid string, base int64) []byte {
	tb.Helper()
	offset := in.Offset()
	conn, err := net.Dial("tcp", in.Addr())
	if err != nil {
		tb.Fatal(err)
	}
	defer conn.Close()
	_ = conn.SetDeadline(time.Now().Add(patience))
	l := newLink(conn, new(atomic.Int64))
	for _, cmd := range [][]string{{"REPLCONF", "capa", "psync2"}, {"PSYNC", replid, fmt.Sprint(base + 1)}} {
		if _, err := conn.Write(resp.AppendCommand(nil, cmd...)); err != nil {
			tb.Fatal(err)
		}
		line, err := l.line()
		if err != nil || !strings.HasPrefix(string(line), "+OK") && !strings.HasPrefix(string(line), "+CONTINUE") {
			tb.Fatalf("%v: %q, %v", cmd, line, err)
		}
	}
	out := append([]byte(nil), l.buf[l.r:l.w]...)
	rest := make([]byte, max(0, offset-base-int64(len(out))))
	if _, err := io.ReadFull(conn, rest); err != nil {
		tb.Fatal(err)
	}
	return append(out, rest...)[:offset-base]
}

// sameAsServer checks that the last generation is what the server sent, to the byte.
func (m *memory) sameAsServer(tb testing.TB, in *testenv.Instance) {
	tb.Helper()
	m.caughtUp(tb, in)
	var g generation
	m.locked(func() {
		g = *m.last()
		g.check(tb)
	})
	want := reference(tb, in, g.replid, g.Offset)
	n := min(len(want), len(g.stream))
	if !bytes.Equal(want[:n], g.stream[:n]) {
		i := 0
		for want[i] == g.stream[i] {
			i++
		}
		tb.Fatalf("the stream differs from the server's at byte %d of %d: %.80q, want %.80q", i, n, g.stream[i:], want[i:])
	}
}

func TestFullSyncAndStream(t *testing.T) {
	for _, tt := range []struct{ diskless string }{{"yes"}, {"no"}} {
		t.Run("diskless="+tt.diskless, func(t *testing.T) {
			in := testenv.Redis(t, testenv.Set("repl-diskless-sync", tt.diskless))
			ctx := t.Context()
			for i := range 500 {
				in.DB(i%3).Set(ctx, fmt.Sprint("key", i), strings.Repeat("x", i), 0)
			}
			m := newMemory(t)
			r := follow(t, config(t, in.URL()), m)
			testenv.Eventually(t, patience, "streaming", func() bool { return r.Status().State == StateStreaming })
			for i := range 500 {
				in.DB(i%4).Set(ctx, fmt.Sprint("key", i), strings.Repeat("y", i), 0)
			}
			tx := in.DB(5).TxPipeline()
			tx.Set(ctx, "a", 1, 0)
			tx.Set(ctx, "b", 1, 0)
			if _, err := tx.Exec(ctx); err != nil {
				t.Fatal(err)
			}
			m.sameAsServer(t, in)
			if n, err := in.Client().Wait(ctx, 1, patience).Result(); err != nil || n != 1 {
				t.Errorf("WAIT gave %d, %v", n, err)
			}
			m.locked(func() {
				if m.last().unitDB != 5 {
					t.Errorf("db %d selected, want 5", m.last().unitDB)
				}
				if size := m.last().size; (size == -1) != (tt.diskless == "yes") {
					t.Errorf("payload size %d", size)
				}
			})
			s := r.Status()
			if s.FullSyncs != 1 || s.Connects != 1 || s.Failures != 0 || s.Server.Version != "7.0.15" && s.Server.Version == "" {
				t.Errorf("status %+v", s)
			}
		})
	}
}
