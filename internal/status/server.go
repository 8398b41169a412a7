package status

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"sync"
	"time"
)

// Reporter is what the server shows. Its methods are called by many goroutines at any time.
type Reporter interface {
	// Status is shown by /status as JSON.
	Status() any
	// Ready is nil when work is being done, else the reason why it is not.
	Ready() error
}

// Server serves the pages of one process.
type Server struct {
	addr     string
	reporter Reporter
	log      *slog.Logger

	mu    sync.Mutex
	bound string // guarded by mu
}

// New returns a server that does not listen yet.
func New(addr string, reporter Reporter, log *slog.Logger) *Server {
	return &Server{addr: addr, reporter: reporter, log: log}
}

// Addr is the address that Run listens on; empty before.
func (s *Server) Addr() string {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.bound
}

// Run serves until ctx ends.
func (s *Server) Run(ctx context.Context) error {
	var lc net.ListenConfig
	l, err := lc.Listen(ctx, "tcp", s.addr)
	if err != nil {
		return fmt.Errorf("listening for status requests: %w: set KEYFEED_HTTP_ADDR to a free address", err)
	}
	s.mu.Lock()
	s.bound = l.Addr().String()
	s.mu.Unlock()
	s.log.Info("status pages are served", "addr", s.bound)
	srv := &http.Server{Handler: s.handler(), ReadHeaderTimeout: 5 * time.Second, IdleTimeout: time.Minute}
	done := make(chan error, 1)
	go func() { done <- srv.Serve(l) }()
	select {
	case err := <-done:
		return fmt.Errorf("serving status requests: %w", err)
	case <-ctx.Done():
	}
	err = srv.Close()
	if serr := <-done; !errors.Is(serr, http.ErrServerClosed) {
		err = errors.Join(err, serr)
	}
	return err
}

func (s *Server) handler() http.Handler {
	mux := http.NewServeMux()
	mux.HandleFunc("GET /livez", func(w http.ResponseWriter, _ *http.Request) { s.text(w, http.StatusOK, "ok") })
	mux.HandleFunc("GET /readyz", func(w http.ResponseWriter, _ *http.Request) {
		if err := s.reporter.Ready(); err != nil {
			s.text(w, http.StatusServiceUnavailable, err.Error())
			return
		}
		s.text(w, http.StatusOK, "ok")
	})
	mux.HandleFunc("GET /status", func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", "application/json")
		enc := json.NewEncoder(w)
		enc.SetIndent("", "  ")
		if err := enc.Encode(s.reporter.Status()); err != nil {
			s.log.Debug("answering a status request", "error", err)
		}
	})
	return mux
}

func (s *Server) text(w http.ResponseWriter, code int, text string) {
	w.Header().Set("Content-Type", "text/plain; charset=utf-8")
	w.WriteHeader(code)
	if _, err := fmt.Fprintln(w, text); err != nil {
		s.log.Debug("answering a status request", "error", err)
	}
}
