package ingest

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"keyfeed/internal/change"
	"keyfeed/internal/fakeprimary"
)

type ackAt struct {
	at     time.Duration
	offset int64
}

// ackTimes notes when ACKs arrive.
type ackTimes struct {
	begin time.Time
	acks  []ackAt
}

func (a *ackTimes) note(n int64) { a.acks = append(a.acks, ackAt{time.Since(a.begin), n}) }

func TestAckEverySecondWhileTheDiskIsSlow(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		times := &ackTimes{begin: time.Now()}
		h := sampleHistory(false)
		h.Stream = commands("SET a 1") // no GETACK
		h.Acked = times.note
		p := fakeprimary.New(func(_ int, c *fakeprimary.Conn) { _ = h.Serve(c) })
		m := newMemory(t)
		m.onCommit = func(context.Context) error { time.Sleep(2500 * time.Millisecond); return nil }
		m.onAppend = func(change.Chunk) error { time.Sleep(3 * time.Second); return nil }
		f := start(t, fakeConfig(t, p), m, p)
		time.Sleep(7800 * time.Millisecond)
		f.stop(t)
		end := h.Offset + int64(len(h.Stream))
		ms := time.Millisecond
		want := []ackAt{
			{0, 0},
			{1000 * ms, 0},
			{2000 * ms, 0}, // while the snapshot is made durable: alive, nothing promised
			{2500 * ms, h.Offset},
			{3000 * ms, h.Offset},
			{4000 * ms, h.Offset},
			{5000 * ms, h.Offset},
			{6000 * ms, end},
			{7000 * ms, end}, // Append has returned at 5.5 s
		}
		if !slices.Equal(times.acks, want) {
			t.Errorf("ACKs %v, want %v", times.acks, want)
		}
	})
}

func TestGetAckIsAnsweredAtOnceAndDoesNotStopTheTicker(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		times := &ackTimes{begin: time.Now()}
		h := sampleHistory(false)
		h.Stream = commands("SET a 1") + commands("replconf getack *")
		h.Acked = times.note
		p := fakeprimary.New(func(_ int, c *fakeprimary.Conn) { _ = h.Serve(c) })
		m := newMemory(t)
		m.acked = h.Offset // nothing of the stream is durable before AckNow
		m.onAckNow = func(context.Context) error { time.Sleep(1500 * time.Millisecond); return nil }
		f := start(t, fakeConfig(t, p), m, p)
		time.Sleep(2200 * time.Millisecond)
		f.stop(t)
		end := h.Offset + int64(len(h.Stream)) // the bytes of GETACK included
		ms := time.Millisecond
		want := []ackAt{{0, 0}, {0, h.Offset}, {1000 * ms, h.Offset}, {1500 * ms, end}, {2000 * ms, end}}
		if !slices.Equal(times.acks, want) {
			t.Errorf("ACKs %v, want %v", times.acks, want)
		}
	})
}

// TestIdleDeadline: any byte counts, in every phase after PSYNC, and without one the link ends after IdleTimeout.
func TestIdleDeadline(t *testing.T) {
	beat := func(c *fakeprimary.Conn, s string) {
		for range 5 {
			time.Sleep(59 * time.Second)
			if c.Send(s) != nil {
				return
			}
		}
	}
	phases := map[string]func(c *fakeprimary.Conn){
		"waiting for the answer": func(c *fakeprimary.Conn) { beat(c, "\n") },
		"waiting for the payload": func(c *fakeprimary.Conn) {
			_ = c.Send("+FULLRESYNC ", replidA, " 0\r\n")
			beat(c, "\n")
		},
		"receiving": func(c *fakeprimary.Conn) {
			_ = c.Send("+FULLRESYNC ", replidA, " 0\r\n$100\r\n")
			beat(c, "x")
		},
		"receiving up to a mark": func(c *fakeprimary.Conn) {
			_ = c.Send("+FULLRESYNC ", replidA, " 0\r\n$EOF:", fakeprimary.Mark, "\r\n")
			beat(c, "x")
		},
		"streaming": func(c *fakeprimary.Conn) {
			_ = c.Send("+FULLRESYNC ", replidA, " 0\r\n$1\r\n")
			c.MayTalk()
			left := make(chan struct{})
			go func() {
				defer close(left)
				for {
					if _, err := c.ReadAck(); err != nil {
						return
					}
				}
			}()
			_ = c.Send("x")
			beat(c, commands("PING"))
			<-left
		},
	}
	for name, phase := range phases {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				begin := time.Now()
				var ended time.Duration
				p := fakeprimary.New(func(_ int, c *fakeprimary.Conn) {
					if _, _, err := c.Handshake(nil); err != nil {
						return
					}
					phase(c)
					for ended == 0 {
						if _, err := c.Read(); err != nil {
							ended = time.Since(begin)
						}
					}
				})
				m := newMemory(t)
				f := start(t, fakeConfig(t, p), m, p)
				m.until(func() bool { return len(m.resumes) == 2 }) // the first link has failed
				status := f.Status()
				f.stop(t)
				if want := 5*59*time.Second + 60*time.Second; ended != want {
					t.Errorf("the link ended after %v, want %v", ended, want)
				}
				if !strings.Contains(status.LastErr, "no byte from the source for 1m0s") {
					t.Errorf("it ended with %q", status.LastErr)
				}
			})
		})
	}
}

func TestHandshakeTimeoutIsNotRenewedByBytes(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		begin := time.Now()
		var ended time.Duration
		p := fakeprimary.New(func(n int, c *fakeprimary.Conn) {
			if n > 0 {
				return
			}
			if _, err := c.Read(); err != nil {
				return
			}
			for range 20 {
				if c.Send("+") != nil {
					break
				}
				time.Sleep(900 * time.Millisecond)
			}
			ended = time.Since(begin)
		})
		m := newMemory(t)
		f := start(t, fakeConfig(t, p), m, p)
		m.until(func() bool { return len(m.resumes) == 2 })
		time.Sleep(time.Second)
		f.stop(t)
		if ended < 5*time.Second || ended > 6*time.Second {
			t.Errorf("a reply that trickles in ended after %v, want 5 s", ended)
		}
	})
}

// TestBackoff: attempts are spaced on the right scale, exponentially, between half and the whole of each step.
func TestBackoff(t *testing.T) {
	broken := func(c *fakeprimary.Conn) { // a full resync that breaks
		if _, _, err := c.Handshake(nil); err == nil {
			_ = c.Send("+FULLRESYNC ", replidA, " 0\r\n$100\r\nx")
		}
	}
	tests := []struct {
		name   string
		script func(c *fakeprimary.Conn)
		steps  []int // seconds
	}{
		{"refused", func(*fakeprimary.Conn) {}, []int{1, 2, 4, 8, 10, 10}},
		{"full resync breaks", broken, []int{10, 20, 40, 80, 160, 300, 300}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				var at []time.Time
				p := fakeprimary.New(func(_ int, c *fakeprimary.Conn) {
					at = append(at, time.Now())
					tt.script(c)
				})
				m := newMemory(t)
				f := start(t, fakeConfig(t, p), m, p)
				m.until(func() bool { return len(m.resumes) > len(tt.steps) })
				synctest.Wait()
				f.stop(t)
				for i, seconds := range tt.steps {
					step := time.Duration(seconds) * time.Second
					if d := at[i+1].Sub(at[i]); d < step/2 || d > step {
						t.Errorf("attempt %d came %v after the one before, want between %v and %v", i+1, d, step/2, step)
					}
				}
			})
		})
	}
}

func TestBackoffStartsAgainAfterAGoodLink(t *testing.T) {
	cfg := Config{}.withDefaults()
	b := backoff{cfg: &cfg}
	for range 10 {
		b.next(0, false)
		b.next(0, true)
	}
	if d := b.next(time.Minute, false); d > time.Second {
		t.Errorf("%v after a link that streamed for a minute", d)
	}
	if d := b.next(5*time.Second, true); d < 5*time.Second {
		t.Errorf("%v after a full resync that led nowhere", d)
	}
	if d := b.next(time.Minute, true); d > 2*time.Second {
		t.Errorf("%v after a full resync that led to a lasting link", d)
	}
}

// TestFullLogIsNoFailure: a log that fills up again and again delays the link by what Resume waits, not by a backoff.
func TestFullLogIsNoFailure(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h := sampleHistory(false)
		p := fakeprimary.New(func(_ int, c *fakeprimary.Conn) { _ = h.Serve(c) })
		m := newMemory(t)
		var at []time.Time
		m.onAppend = func(change.Chunk) error {
			if at = append(at, time.Now()); len(at) <= 8 {
				return ErrBlocked
			}
			return nil
		}
		f := start(t, fakeConfig(t, p), m, p)
		m.until(func() bool { return m.last() != nil && len(m.last().stream) > 0 })
		synctest.Wait()
		f.stop(t)
		for i := range 8 {
			// The ticker that releases the stream after a full resync takes a second of each turn here.
			if d := at[i+1].Sub(at[i]); d > 1500*time.Millisecond {
				t.Errorf("chunk %d came %v after the one before", i+2, d)
			}
		}
	})
}

// TestFailuresAreLoggedOncePerInterval: an hour of refused connections leaves a readable log.
func TestFailuresAreLoggedOncePerInterval(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var out bytes.Buffer
		up := time.Now().Add(time.Hour)
		h := sampleHistory(false)
		p := fakeprimary.New(func(_ int, c *fakeprimary.Conn) { _ = h.Serve(c) })
		cfg := fakeConfig(t, p)
		dials := 0
		cfg.Dial = func(ctx context.Context) (net.Conn, error) {
			dials++
			if time.Now().Before(up) {
				return nil, errors.New("connection refused")
			}
			return p.Dial(ctx)
		}
		cfg.Logger = slog.New(slog.NewTextHandler(&out, nil))
		m := newMemory(t)
		f := start(t, cfg, m, p)
		m.until(func() bool { return m.last() != nil })
		synctest.Wait()
		f.stop(t)
		lines := strings.Count(out.String(), "no link to the source")
		if dials < 360 || lines < 60 || lines > 121 {
			t.Errorf("%d attempts gave %d lines", dials, lines)
		}
		if want := fmt.Sprintf("the link to the source is back\" failures=%d", dials-1); !strings.Contains(out.String(), want) {
			t.Errorf("no line of recovery with %q", want)
		}
	})
}
