package ingest

import (
	"bytes"
	"context"
	"io"
	"net"
	"strings"
	"testing"
	"time"

	"keyfeed/internal/resp"
	"keyfeed/internal/testenv"
)

// startRefuser runs a Refuser until the test ends.
func startRefuser(t *testing.T) (addr string) {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	addr = l.Addr().String()
	r := NewRefuser(addr, config(t, "redis://"+addr).Logger)
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan error, 1)
	go func() { done <- r.serve(ctx, l) }()
	t.Cleanup(func() {
		cancel()
		if err := <-done; err != nil {
			t.Errorf("Refuser: %v", err)
		}
	})
	return addr
}

// TestFailoverIsRefused lets FAILOVER choose keyfeed, the only replica: the master must stay one and take writes, and the
// stream must go on without another full sync.
func TestFailoverIsRefused(t *testing.T) {
	in := testenv.Redis(t)
	ctx := t.Context()
	cfg := config(t, in.URL())
	cfg.Announce = startRefuser(t)
	m := newMemory(t)
	r := follow(t, cfg, m)
	testenv.Eventually(t, patience, "streaming", func() bool { return r.Status().State == StateStreaming })
	if err := in.Client().Set(ctx, "before", 1, 0).Err(); err != nil {
		t.Fatal(err)
	}
	if err := in.Client().Do(ctx, "FAILOVER").Err(); err != nil {
		t.Fatal(err)
	}
	var state string
	testenv.Eventually(t, patience, "the failover is over", func() bool {
		info, err := in.Client().Info(ctx, "replication").Result()
		if err != nil {
			t.Fatal(err)
		}
		state = info
		return strings.Contains(info, "master_failover_state:no-failover")
	})
	if !strings.Contains(state, "role:master") {
		t.Fatalf("the source is no master any more:\n%s", state)
	}
	if err := in.Client().Set(ctx, "after", 2, 0).Err(); err != nil {
		t.Fatal(err)
	}
	m.caughtUp(t, in)
	m.locked(func() {
		if !bytes.Contains(m.last().stream, []byte("after")) {
			t.Error("the write after the failover did not arrive")
		}
	})
	if s := r.Status(); s.FullSyncs != 1 {
		t.Errorf("%d full syncs, want 1", s.FullSyncs)
	}
}

func TestRefuserAnswers(t *testing.T) {
	addr := startRefuser(t)
	tests := []struct {
		name, send, want string
	}{
		{"ping", string(resp.AppendCommand(nil, "ping")), "+PONG\r\n"},
		{"several at once", string(resp.AppendCommand(resp.AppendCommand(nil, "AUTH", "x"), "REPLCONF", "capa", "eof")), "+OK\r\n+OK\r\n"},
		{"psync", string(resp.AppendCommand(nil, "PSYNC", "x", "1", "FAILOVER")), "-ERR keyfeed is not a server and cannot become master"},
		{"something else", string(resp.AppendCommand(nil, "GET", "k")), "-ERR keyfeed is not a server\r\n"},
		{"no protocol", "GET / HTTP/1.1\r\n\r\n", ""},
		{"an announced length", "*1\r\n$500000000\r\n" + strings.Repeat("x", 2*refuserBuffer), ""},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			conn, err := net.Dial("tcp", addr)
			if err != nil {
				t.Fatal(err)
			}
			defer conn.Close()
			_ = conn.SetDeadline(time.Now().Add(patience))
			_, _ = io.WriteString(conn, tt.send) // what is refused early may be reset under us
			got := make([]byte, max(len(tt.want), 1))
			n, err := io.ReadFull(conn, got)
			if tt.want == "" {
				if n > 0 || err == nil {
					t.Fatalf("got %q, want the end", got[:n])
				}
				return
			}
			if err != nil || string(got) != tt.want {
				t.Errorf("got %q, %v, want %q", got[:n], err, tt.want)
			}
		})
	}
}

func TestRefuserNeedsItsAddress(t *testing.T) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	if err := NewRefuser(l.Addr().String(), nil).Run(t.Context()); err == nil || !strings.Contains(err.Error(), "KEYFEED_SOURCE_REFUSE_FAILOVER_ADDR") {
		t.Errorf("got %v", err)
	}
}
