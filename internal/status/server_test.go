package status_test

import (
	"context"
	"errors"
	"io"
	"log/slog"
	"net/http"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"keyfeed/internal/status"
	"keyfeed/internal/testenv"
)

func TestMain(m *testing.M) { testenv.RunWithoutLeaks(m) }

type reporter struct{ ready atomic.Bool }

func (r *reporter) Status() any { return map[string]string{"position": "none"} }

func (r *reporter) Ready() error {
	if !r.ready.Load() {
		return errors.New("the sink is not open")
	}
	return nil
}

func TestPages(t *testing.T) {
	r := &reporter{}
	s := status.New("127.0.0.1:0", r, slog.New(slog.DiscardHandler))
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan error, 1)
	go func() { done <- s.Run(ctx) }()
	for s.Addr() == "" {
		select {
		case err := <-done:
			t.Fatal(err)
		case <-time.After(time.Millisecond):
		}
	}
	get := func(path string, code int, want string) {
		t.Helper()
		req, err := http.NewRequestWithContext(t.Context(), http.MethodGet, "http://"+s.Addr()+path, http.NoBody)
		if err != nil {
			t.Fatal(err)
		}
		tr := &http.Transport{DisableKeepAlives: true}
		resp, err := (&http.Client{Transport: tr}).Do(req)
		if err != nil {
			t.Fatal(err)
		}
		defer func() { _ = resp.Body.Close() }()
		body, err := io.ReadAll(resp.Body)
		if err != nil {
			t.Fatal(err)
		}
		if resp.StatusCode != code || !strings.Contains(string(body), want) {
			t.Errorf("%s: %d %q, want %d with %q", path, resp.StatusCode, body, code, want)
		}
	}
	get("/livez", 200, "ok")
	get("/readyz", 503, "the sink is not open")
	r.ready.Store(true)
	get("/readyz", 200, "ok")
	get("/status", 200, `"position": "none"`)
	get("/nothing", 404, "")
	cancel()
	if err := <-done; err != nil {
		t.Errorf("Run: %v", err)
	}
}
