package nats_test

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/nats-io/nats-server/v2/server"
	"github.com/nats-io/nkeys"

	"keyfeed/internal/testenv"
	"keyfeed/sinks"
	keyfeednats "keyfeed/sinks/nats"
)

func TestLogin(t *testing.T) {
	pair, err := nkeys.CreateUser()
	if err != nil {
		t.Fatal(err)
	}
	public, err := pair.PublicKey()
	if err != nil {
		t.Fatal(err)
	}
	seed, err := pair.Seed()
	if err != nil {
		t.Fatal(err)
	}
	foreign, err := nkeys.CreateUser()
	if err != nil {
		t.Fatal(err)
	}
	foreignSeed, err := foreign.Seed()
	if err != nil {
		t.Fatal(err)
	}
	tests := []struct {
		name   string
		server func(*server.Options)
		right  func(*keyfeednats.Config)
		wrong  func(*keyfeednats.Config)
	}{
		{
			"password",
			func(o *server.Options) { o.Username, o.Password = "keyfeed", "secret-1" },
			func(c *keyfeednats.Config) { c.Username, c.Password = "keyfeed", "secret-1" },
			func(c *keyfeednats.Config) { c.Username, c.Password = "keyfeed", "secret-2" },
		},
		{
			"token",
			func(o *server.Options) { o.Authorization = "secret-1" },
			func(c *keyfeednats.Config) { c.Token = "secret-1" },
			func(c *keyfeednats.Config) { c.Token = "secret-2" },
		},
		{
			"nkey",
			func(o *server.Options) { o.Nkeys = []*server.NkeyUser{{Nkey: public}} },
			func(c *keyfeednats.Config) { c.NKeySeed = string(seed) },
			func(c *keyfeednats.Config) { c.NKeySeed = string(foreignSeed) },
		},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			srv := newServer(t, tt.server)
			cfg := srv.config()
			tt.right(&cfg)
			s := mustOpen(t, cfg, 0)
			put(t, s, 1, 2)
			line, err := s.Describe(t.Context())
			if err != nil || strings.Contains(line, "secret") {
				t.Errorf("Describe() = %q, %v", line, err)
			}
			wantOffsets(t, cfg, 1, 2)

			cfg = srv.config()
			tt.wrong(&cfg)
			_, _, err = open(t, cfg)
			wantConfigError(t, err, "credentials")
			if strings.Contains(err.Error(), "secret") {
				t.Errorf("the error tells the secret: %v", err)
			}
			_, _, err = open(t, srv.config())
			wantConfigError(t, err, "credentials")
		})
	}
}

func TestLoginFiles(t *testing.T) {
	srv := newServer(t, nil)
	cfg := srv.config()
	cfg.CredsFile = filepath.Join(t.TempDir(), "missing.creds")
	_, _, err := open(t, cfg)
	wantConfigError(t, err, "missing.creds")

	cfg = srv.config()
	cfg.NKeySeed = "not a seed"
	_, _, err = open(t, cfg)
	wantConfigError(t, err, "nkey")
	if strings.Contains(err.Error(), cfg.NKeySeed) {
		t.Errorf("the error tells the seed: %v", err)
	}
}

func TestTLS(t *testing.T) {
	caFile, certFile, keyFile := testenv.Certificates(t)
	pair, err := tls.LoadX509KeyPair(certFile, keyFile)
	if err != nil {
		t.Fatal(err)
	}
	pool := x509.NewCertPool()
	ca, err := os.ReadFile(caFile)
	if err != nil || !pool.AppendCertsFromPEM(ca) {
		t.Fatal("no certificate authority", err)
	}
	srv := newServer(t, func(o *server.Options) {
		o.TLS, o.TLSTimeout = true, 10
		o.TLSConfig = &tls.Config{Certificates: []tls.Certificate{pair}, MinVersion: tls.VersionTLS12}
	})
	trusting := srv.config()
	trusting.TLS = &tls.Config{RootCAs: pool, MinVersion: tls.VersionTLS12}
	s := mustOpen(t, trusting, 0)
	put(t, s, 1, 3)
	wantOffsets(t, trusting, 1, 3)

	_, _, err = open(t, srv.config()) // certificates are checked by default
	wantConfigError(t, err, "certificate")

	plain := newServer(t, nil)
	cfg := plain.config()
	cfg.TLS = trusting.TLS
	_, _, err = open(t, cfg)
	wantConfigError(t, err, "TLS")
}

func TestPermissions(t *testing.T) {
	tests := []struct {
		name        string
		permissions server.Permissions
	}{
		{"no publish", server.Permissions{Publish: &server.SubjectPermission{Deny: []string{"keyfeed.redis.>"}}}},
		{"no API", server.Permissions{Publish: &server.SubjectPermission{Deny: []string{"$JS.API.>"}}}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			srv := newServer(t, func(o *server.Options) {
				o.Users = []*server.User{
					{Username: "keyfeed", Password: "x", Permissions: &tt.permissions},
					{Username: "admin", Password: "x"},
				}
			})
			cfg := srv.config()
			cfg.Username, cfg.Password = "admin", "x"
			mustOpen(t, cfg, 0) // makes the stream
			cfg.Username = "keyfeed"
			s, _, err := open(t, cfg)
			if err == nil {
				err = writeError(t, s, 1)
			}
			wantConfigError(t, err, "ermission")
		})
	}
}

// TestBucketIsNotNeeded denies the user the bucket of positions, at its making or only at its writing.
func TestBucketIsNotNeeded(t *testing.T) {
	for _, denied := range []string{"$JS.API.*.*.KV_keyfeed", "$KV.>"} {
		t.Run(denied, func(t *testing.T) {
			srv := newServer(t, func(o *server.Options) {
				o.Users = []*server.User{{Username: "keyfeed", Password: "x", Permissions: &server.Permissions{
					Publish: &server.SubjectPermission{Deny: []string{denied}},
				}}}
			})
			log := &logBuffer{}
			cfg := srv.config()
			cfg.Username, cfg.Password, cfg.Logger = "keyfeed", "x", log.logger()
			s := mustOpen(t, cfg, 0)
			put(t, s, 1, 3)
			put(t, s, 4, 5)
			if !strings.Contains(log.String(), "kept in the stream only") {
				t.Errorf("nothing tells that the bucket is not written: %s", log)
			}
			mustOpen(t, cfg, 5)
		})
	}
}

func TestServerWithoutJetStream(t *testing.T) {
	srv := newServer(t, func(o *server.Options) { o.JetStream = false })
	_, _, err := open(t, srv.config())
	if err == nil || !strings.Contains(err.Error(), "nats-server -js") {
		t.Errorf("got %v, want an error with the remedy", err)
	}
}

func TestNobodyListens(t *testing.T) {
	srv := newServer(t, nil)
	cfg := srv.config()
	srv.stop()
	_, _, err := open(t, cfg)
	wantTransient(t, err)
	srv.start(t)
}

// TestOpenEndsWithContext talks to a server that says nothing.
func TestOpenEndsWithContext(t *testing.T) {
	srv := newServer(t, nil)
	proxy := newRelay(t, srv.server.Addr().String())
	proxy.shut()
	defer proxy.unshut()
	cfg := srv.config()
	cfg.URL = proxy.url()
	s, err := keyfeednats.New(cfg)
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	boom := errors.New("the process ends")
	ctx, cancel := context.WithCancelCause(t.Context())
	time.AfterFunc(50*time.Millisecond, func() { cancel(boom) })
	if _, err := s.Open(ctx); !errors.Is(err, boom) {
		t.Errorf("Open gave %v, want the cause of its context", err)
	}
}

// TestSilentServerFailsTheSink cuts the server's answers off without closing the connection.
func TestSilentServerFailsTheSink(t *testing.T) {
	srv := newServer(t, nil)
	proxy := newRelay(t, srv.server.Addr().String())
	cfg := srv.config()
	cfg.URL, cfg.Timeout = proxy.url(), 2*time.Second // a slow machine takes less where the server answers
	s := mustOpen(t, cfg, 0)
	put(t, s, 1, 5)
	proxy.shut()
	err := writeError(t, s, 6)
	proxy.unshut()
	wantTransient(t, err, "no acknowledgement")
	if got := s.Confirmed(); got != at(5) {
		t.Errorf("Confirmed() is %v, want %v", got, at(5))
	}
	proxy.cut()
	for pos, err := s.Open(t.Context()); ; pos, err = s.Open(t.Context()) {
		if err == nil {
			put(t, s, pos.Offset+1, 10)
			break
		}
		wantTransient(t, err)
	}
	wantOffsets(t, srv.config(), 1, 10)
}

// TestReaderSurvivesRestart lets a reader follow a stream whose server goes away and comes back.
func TestReaderSurvivesRestart(t *testing.T) {
	srv := newServer(t, nil)
	cfg := srv.config()
	s := mustOpen(t, cfg, 0)
	put(t, s, 1, 3)
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	got := make(chan int64, 100)
	ended := make(chan error, 1)
	go func() {
		ended <- keyfeednats.Read(ctx, cfg, keyfeednats.All(), func(r *keyfeednats.Record) error {
			if !r.Pos.IsZero() { // else an epoch's heartbeat
				got <- r.Pos.Offset
			}
			return nil
		})
	}()
	want := int64(1)
	follow := func(last int64) {
		t.Helper()
		for ; want <= last; want++ {
			select {
			case o := <-got:
				if o != want {
					t.Fatalf("read event %d, want %d", o, want)
				}
			case <-time.After(time.Minute):
				t.Fatalf("event %d does not come", want)
			}
		}
	}
	follow(3)
	srv.stop()
	srv.start(t)
	if _, err := s.Open(t.Context()); err != nil {
		t.Fatal(err)
	}
	put(t, s, 4, 8)
	follow(8)
	cancel()
	if err := <-ended; !errors.Is(err, context.Canceled) {
		t.Errorf("Read ended with %v, want the cause of its context", err)
	}
	boom := errors.New("enough")
	err := keyfeednats.Read(t.Context(), cfg, keyfeednats.All(), func(*keyfeednats.Record) error { return boom })
	if !errors.Is(err, boom) {
		t.Errorf("Read ended with %v, want the callback's error", err)
	}
}

func TestRefusesConfig(t *testing.T) {
	good := keyfeednats.Config{URL: "nats://127.0.0.1:4222", Source: "redis"}
	if _, err := keyfeednats.New(good); err != nil {
		t.Fatal(err)
	}
	for name, change := range map[string]func(*keyfeednats.Config){
		"no URL":      func(c *keyfeednats.Config) { c.URL = "" },
		"no source":   func(c *keyfeednats.Config) { c.Source = "" },
		"bad source":  func(c *keyfeednats.Config) { c.Source = "a.b" },
		"bad stream":  func(c *keyfeednats.Config) { c.Stream = "a.b" },
		"bad subject": func(c *keyfeednats.Config) { c.Subject = "{key}" },
		"two logins":  func(c *keyfeednats.Config) { c.Token, c.Username = "t", "u" },
	} {
		cfg := good
		change(&cfg)
		if _, err := keyfeednats.New(cfg); !errors.Is(err, sinks.ErrConfig) {
			t.Errorf("%s: New gave %v, want ErrConfig", name, err)
		}
	}
	both := keyfeednats.Config{Source: "A"}
	if _, err := keyfeednats.New(both); err == nil || !strings.Contains(err.Error(), "URL") || !strings.Contains(err.Error(), "source name") {
		t.Errorf("New gave %v, want every problem", err)
	}
}
