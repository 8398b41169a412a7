package nats_test

import (
	"context"
	"errors"
	"testing"
	"time"

	"github.com/nats-io/nats-server/v2/server"

	"keyfeed/internal/testenv"
	keyfeednats "keyfeed/sinks/nats"
)

// TestStandbyWithoutBucket waits beside a writer that is idle and may not use the bucket: the writer is seen alive for
// longer than quiet, is not disturbed, and when it has ended the wait ends too. With the bucket, that is in the contract.
func TestStandbyWithoutBucket(t *testing.T) {
	t.Parallel()
	for name, denied := range map[string][]string{"denied": {"$JS.API.*.*.KV_keyfeed", "$KV.>"}} {
		t.Run(name, func(t *testing.T) {
			srv := newServer(t, func(o *server.Options) {
				o.Users = []*server.User{{Username: "keyfeed", Password: "x", Permissions: &server.Permissions{
					Publish: &server.SubjectPermission{Deny: denied},
				}}}
			})
			cfg := srv.config()
			cfg.Username, cfg.Password = "keyfeed", "x"
			const quiet = 6 * time.Second // more than the 5 s in which a sign must come
			writer := mustOpen(t, cfg, 0)
			put(t, writer, 1, 3)
			other, err := keyfeednats.New(cfg)
			if err != nil {
				t.Fatal(err)
			}
			defer other.Close()
			boom := errors.New("enough")
			ctx, cancel := context.WithTimeoutCause(t.Context(), quiet+2*time.Second, boom)
			defer cancel()
			if err := other.Standby(ctx, quiet); !errors.Is(err, boom) {
				t.Fatalf("beside a writer that lives, Standby gave %v, want the end of its context", err)
			}
			put(t, writer, 4, 6)
			writer.Close()
			if err := other.Standby(t.Context(), 500*time.Millisecond); err != nil {
				t.Fatalf("nobody writes, and Standby gave %v", err)
			}
			if pos, err := other.Open(t.Context()); err != nil || pos != at(6) {
				t.Fatalf("Open = %v, %v, want %v", pos, err, at(6))
			}
			wantOffsets(t, cfg, 1, 6)
		})
	}
}

// TestStandbyEndsInsideARequest ends the context while an answer of the server is held back, after each eighth of what it
// says to one look.
func TestStandbyEndsInsideARequest(t *testing.T) {
	t.Parallel()
	const parts = 8
	srv := newServer(t, nil)
	mustOpen(t, srv.config(), 0).Close()
	standby := func(ctx context.Context, proxy *testenv.TCPProxy) error {
		cfg := srv.config()
		cfg.URL = "nats://" + proxy.Addr()
		s, err := keyfeednats.New(cfg)
		if err != nil {
			t.Error(err)
			return err
		}
		defer s.Close()
		return s.Standby(ctx, time.Nanosecond)
	}
	whole := testenv.Proxy(t, srv.server.Addr().String())
	if err := standby(t.Context(), whole); err != nil {
		t.Fatal(err)
	}
	for i := range int64(parts) {
		proxy := testenv.Proxy(t, srv.server.Addr().String())
		proxy.StallAfter(testenv.Down, whole.Bytes(testenv.Down)*i/parts)
		boom := errors.New("the process ends")
		ctx, cancel := context.WithCancelCause(t.Context())
		ended := make(chan error, 1)
		go func() { ended <- standby(ctx, proxy) }()
		testenv.Eventually(t, time.Minute, "the server's answer is held back", func() bool { return proxy.Armed() == 0 })
		cancel(boom)
		if err := <-ended; !errors.Is(err, boom) {
			t.Errorf("after %d of %d parts of the answers, Standby gave %v, want the cause of its context", i, parts, err)
		}
	}
}

// TestFencedSinkStandsBy: after Standby the fenced one may take over.
func TestFencedSinkStandsBy(t *testing.T) {
	srv := newServer(t, nil)
	a := mustOpen(t, srv.config(), 0)
	put(t, a, 1, 3)
	b := mustOpen(t, srv.config(), 3)
	put(t, b, 4, 5)
	b.Close()
	if err := a.Close(); err != nil {
		t.Fatal(err)
	}
	again, err := keyfeednats.New(srv.config())
	if err != nil {
		t.Fatal(err)
	}
	defer again.Close()
	if err := again.Standby(t.Context(), 200*time.Millisecond); err != nil {
		t.Fatal(err)
	}
	if pos, err := again.Open(t.Context()); err != nil || pos != at(5) {
		t.Fatalf("Open = %v, %v, want %v", pos, err, at(5))
	}
}
