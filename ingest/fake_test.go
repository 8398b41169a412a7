package ingest

import (
	"context"
	"strings"
	"testing"
	"testing/synctest"

	"keyfeed/internal/fakeprimary"
	"keyfeed/internal/resp"
)

const (
	replidA = "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa"
	replidB = "bbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbb"
)

// commands writes commands, one per line of words.
func commands(lines ...string) string {
	var b []byte
	for _, l := range lines {
		b = resp.AppendCommand(b, strings.Fields(l)...)
	}
	return string(b)
}

// sampleHistory has every kind of command that framing knows.
func sampleHistory(marked bool) *fakeprimary.History {
	return &fakeprimary.History{
		ReplID:  replidA,
		Offset:  1000,
		Payload: "REDIS0010 not looked at, with a half mark in it: " + fakeprimary.Mark[:39] + " and the end",
		Marked:  marked,
		Stream: commands("SELECT 3", "SET a 1", "ping", "MULTI", "SET b 2", "SELECT 4", "SET c 3", "EXEC", "REPLCONF GETACK *",
			"*", "SET d "+strings.Repeat("x", 150), "MULTI", "EXEC", "SELECT 11", "DEL a"),
	}
}

// fakeRun is a Replica against a fake primary, both inside the synctest bubble of the test.
type fakeRun struct {
	*Replica
	m      *memory
	p      *fakeprimary.Primary
	cancel context.CancelFunc
	done   chan error
}

// fakeConfig has the default times: a bubble makes them free.
func fakeConfig(t *testing.T, p *fakeprimary.Primary) Config {
	t.Helper()
	return Config{Dial: p.Dial}
}

func start(t *testing.T, cfg Config, m *memory, p *fakeprimary.Primary) *fakeRun {
	t.Helper()
	m.plain = true
	r, err := New(cfg, m)
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	f := &fakeRun{Replica: r, m: m, p: p, cancel: cancel, done: make(chan error, 1)}
	go func() { f.done <- r.Run(ctx) }()
	return f
}

// stop ends the Replica and the primary, and gives what Run returned.
func (f *fakeRun) stop(t *testing.T) {
	t.Helper()
	f.cancel()
	if err := <-f.done; err != nil {
		t.Errorf("Run: %v", err)
	}
	f.p.Close()
	if v := f.p.Violations(); v != nil {
		t.Errorf("a replica may not do that: %v", v)
	}
}

// until waits until the store's state fits.
func (m *memory) until(ok func() bool) {
	for {
		fits := false
		m.locked(func() { fits = ok() })
		if fits {
			return
		}
		<-m.changed
	}
}

// complete checks that the log holds h: all of it, and nothing else.
func (m *memory) complete(t *testing.T, h *fakeprimary.History) {
	t.Helper()
	m.locked(func() {
		g := m.last()
		if string(g.rdb) != h.Payload || g.Offset != h.Offset || g.ReplID != h.ReplID {
			t.Errorf("snapshot %q at %d of %s", g.rdb, g.Offset, g.ReplID)
		}
		if string(g.stream) != h.Stream {
			t.Errorf("stream %q, want %q", g.stream, h.Stream)
		}
		g.check(t)
	})
}

// TestCutAtEveryByte cuts the first connection after every number of bytes from the source: resumed, nothing lost,
// nothing invented. The connections after it live.
func TestCutAtEveryByte(t *testing.T) {
	for _, marked := range []bool{false, true} {
		h := sampleHistory(marked)
		for n := int64(0); ; n++ {
			whole := false
			synctest.Test(t, func(t *testing.T) {
				p := fakeprimary.New(func(i int, c *fakeprimary.Conn) {
					if i == 0 {
						c.CutAfter(n)
					}
					_ = h.Serve(c)
					if i == 0 {
						whole = c.Sent() < n
					}
				})
				m := newMemory(t)
				f := start(t, fakeConfig(t, p), m, p)
				m.until(func() bool { return m.last() != nil && m.last().end() >= h.Offset+int64(len(h.Stream)) })
				f.stop(t)
				m.complete(t, h)
				if gens := len(m.gens); gens != 1 {
					t.Errorf("%d snapshots were committed", gens)
				}
			})
			if t.Failed() {
				t.Fatalf("cut after %d bytes, marked %v", n, marked)
			}
			if whole {
				t.Logf("marked %v: %d cut points", marked, n)
				break
			}
		}
	}
}

// TestCutAtEveryByteOfAResume cuts the second connection, which continues from the middle of the stream.
func TestCutAtEveryByteOfAResume(t *testing.T) {
	h := sampleHistory(false)
	for n := int64(0); ; n++ {
		whole := false
		synctest.Test(t, func(t *testing.T) {
			p := fakeprimary.New(func(i int, c *fakeprimary.Conn) {
				switch i {
				case 0:
					short := *h
					short.Stream = h.Stream[:130] // inside MULTI
					_ = serveAndCut(&short, c)
				case 1:
					c.CutAfter(n)
					_ = h.Serve(c)
					whole = c.Sent() < n
				default:
					_ = h.Serve(c)
				}
			})
			m := newMemory(t)
			f := start(t, fakeConfig(t, p), m, p)
			m.until(func() bool { return m.last() != nil && m.last().end() >= h.Offset+int64(len(h.Stream)) })
			f.stop(t)
			m.complete(t, h)
			if len(m.gens) != 1 || f.Status().PartialSyncs < 1 {
				t.Errorf("%d snapshots, %d partial resyncs", len(m.gens), f.Status().PartialSyncs)
			}
		})
		if t.Failed() {
			t.Fatalf("cut after %d bytes", n)
		}
		if whole {
			t.Logf("%d cut points", n)
			break
		}
	}
}

// serveAndCut serves h and closes the connection at its end.
func serveAndCut(h *fakeprimary.History, c *fakeprimary.Conn) error {
	h2 := *h
	acks := 0
	h2.Acked = func(int64) {
		if acks++; acks == 2 {
			c.Close()
		}
	}
	return h2.Serve(c)
}
