package kafka_test

import (
	"crypto/tls"
	"crypto/x509"
	"log/slog"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/twmb/franz-go/pkg/kfake"

	"keyfeed/internal/testenv/kafkaenv"
	"keyfeed/sinks/kafka"
)

func TestLogin(t *testing.T) {
	t.Parallel()
	for _, mechanism := range []string{"plain", "scram-sha-256", "scram-sha-512"} {
		t.Run(mechanism, func(t *testing.T) {
			c := cluster(t, kfake.EnableSASL(), kfake.Superuser(strings.ToUpper(mechanism), "alice", "sesame"))
			// kfake closes the connection where a broker says that the login failed.
			err := testLogin(t, config("redis", c.ListenAddrs()...), mechanism)
			if !strings.Contains(err.Error(), "password") {
				t.Errorf("a wrong password gave %v, want an error that names it", err)
			}
		})
	}
}

// testLogin logs in, and returns what a wrong password gives.
func testLogin(t *testing.T, cfg kafka.Config, mechanism string) error {
	t.Helper()
	var log strings.Builder
	cfg.Logger = slog.New(slog.NewTextHandler(&log, &slog.HandlerOptions{Level: slog.LevelDebug}))
	cfg.SASL = kafka.SASL{Mechanism: mechanism, Username: "alice", Password: "wrong-horse"}
	err := openError(t, cfg)
	if err == nil {
		t.Fatal("a wrong password was taken")
	}
	if text := err.Error() + log.String(); strings.Contains(text, "wrong-horse") {
		t.Errorf("the password is told: %s", text)
	}
	cfg.SASL.Password = "sesame"
	s := opened(t, cfg)
	mustWrite(t, s, events(0, 100))
	mustFlush(t, s)
	wantOnce(t, cfg, 100)
	if err := s.Close(); err != nil { // before the log is read
		t.Fatal(err)
	}
	if strings.Contains(log.String(), "sesame") {
		t.Errorf("the password is logged: %s", log.String())
	}
	return err
}

func TestNoLoginWhereOneIsNeeded(t *testing.T) {
	c := cluster(t, kfake.EnableSASL(), kfake.Superuser("PLAIN", "alice", "sesame"))
	err := openError(t, config("redis", c.ListenAddrs()...))
	if err == nil || !strings.Contains(err.Error(), "SASL") {
		t.Errorf("Open gave %v, want an error that names SASL", err)
	}
}

// certificate returns a server's TLS settings and a client's that trusts it.
func certificate(t *testing.T) (server, trusting *tls.Config) {
	t.Helper()
	srv := httptest.NewUnstartedServer(nil)
	srv.StartTLS()
	defer srv.Close()
	pool := x509.NewCertPool()
	pool.AddCert(srv.Certificate())
	return &tls.Config{Certificates: srv.TLS.Certificates, MinVersion: tls.VersionTLS12}, &tls.Config{RootCAs: pool, MinVersion: tls.VersionTLS12}
}

func TestTLS(t *testing.T) {
	server, trusting := certificate(t)
	cfg := config("redis", cluster(t, kfake.TLS(server)).ListenAddrs()...)
	testTLS(t, cfg, trusting)
}

func testTLS(t *testing.T, cfg kafka.Config, trusting *tls.Config) {
	t.Helper()
	cfg.TLS = trusting
	s := opened(t, cfg)
	mustWrite(t, s, events(0, 100))
	mustFlush(t, s)
	wantOnce(t, cfg, 100)

	cfg.TLS = &tls.Config{MinVersion: tls.VersionTLS12} // trusts the machine's authorities only
	err := openError(t, cfg)
	wantOperator(t, err)
	if !strings.Contains(err.Error(), "KEYFEED_KAFKA_TLS_CA_FILE") {
		t.Errorf("the error does not name the remedy: %v", err)
	}

	cfg.TLS = nil
	err = openError(t, cfg)
	if err == nil || !strings.Contains(err.Error(), "TLS") {
		t.Errorf("a plain connection to a TLS port gave %v, want an error that names TLS", err)
	}
}

func testSecurityReal(t *testing.T, srv *kafkaenv.Server) {
	t.Helper()
	for _, mechanism := range []string{"plain", "scram-sha-256", "scram-sha-512"} {
		t.Run(mechanism, func(t *testing.T) {
			wantOperator(t, testLogin(t, config(mechanism, srv.SASLAddr()), mechanism))
		})
	}
	t.Run("tls", func(t *testing.T) {
		testTLS(t, config("tls", srv.TLSAddr()), srv.TLSConfig())
	})
	t.Run("TLS to a plain port", func(t *testing.T) {
		cfg := config("redis", srv.Addr())
		cfg.TLS = srv.TLSConfig()
		err := openError(t, cfg)
		if err == nil || !strings.Contains(err.Error(), "TLS") {
			t.Errorf("Open gave %v, want an error that names TLS", err)
		}
	})
	t.Run("no login", func(t *testing.T) {
		err := openError(t, config("redis", srv.SASLAddr()))
		if err == nil || !strings.Contains(err.Error(), "SASL") {
			t.Errorf("Open gave %v, want an error that names SASL", err)
		}
	})
}
