package kafkaenv

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kgo"

	"keyfeed/internal/testenv"
)

const (
	downloadTimeout = 10 * time.Minute
	formatTimeout   = 5 * time.Minute
	startTimeout    = 5 * time.Minute
	stopTimeout     = time.Minute
)

// Server is one running Kafka. Its methods are for the goroutine of the test that started it.
type Server struct {
	tb   testing.TB
	opts options
	jars string
	dir  string // server.properties, data, certificate, log

	port, controllerPort, saslPort, tlsPort, proxiedPort int

	ca []byte // PEM, with TLS

	cmd  *exec.Cmd     // nil while it does not run
	done chan struct{} // closed when cmd has ended
}

// Start runs a Kafka until tb ends and returns when it serves requests. Where this machine cannot run one the test is
// skipped; with CI=true in the environment it fails instead, so that a build machine never skips it unseen.
func Start(tb testing.TB, opts ...Option) *Server {
	tb.Helper()
	ctx, cancel := context.WithTimeout(tb.Context(), downloadTimeout)
	defer cancel()
	dir, err := jars(ctx)
	switch {
	case errors.Is(err, errMissing) && os.Getenv("CI") != "true":
		tb.Skipf("NOT TESTED against real Apache Kafka: %v", err)
	case err != nil:
		tb.Fatalf("getting Apache Kafka: %v", err)
	}
	s := &Server{tb: tb, jars: dir, dir: tb.TempDir(), opts: options{config: map[string]string{}}}
	for _, opt := range opts {
		opt(&s.opts)
	}
	if s.opts.tls {
		s.makeCertificate()
	}
	s.choosePorts()
	s.format()
	for attempt := 1; ; attempt++ {
		err := s.start()
		if err == nil {
			return s
		}
		// Who does not ask testenv may have taken a port meanwhile.
		if attempt == 3 || !strings.Contains(s.logTail(), "Address already in use") {
			tb.Fatal(err)
		}
		s.wait()
		s.choosePorts()
	}
}

// choosePorts draws ports and writes the configuration that has them.
func (s *Server) choosePorts() {
	s.tb.Helper()
	for _, port := range []*int{&s.port, &s.controllerPort, &s.saslPort, &s.tlsPort, &s.proxiedPort} {
		*port = testenv.FreePort(s.tb)
	}
	if err := os.WriteFile(s.propertiesFile(), []byte(s.properties()), 0o600); err != nil {
		s.tb.Fatalf("writing server.properties: %v", err)
	}
}

// Addr is host:port of the plain listener.
func (s *Server) Addr() string { return addr(s.port) }

// SASLAddr is host:port of the listener that WithSASL adds.
func (s *Server) SASLAddr() string { return addr(s.saslPort) }

// TLSAddr is host:port of the listener that WithTLS adds.
func (s *Server) TLSAddr() string { return addr(s.tlsPort) }

// TLSConfig trusts the authority of the TLS listener.
func (s *Server) TLSConfig() *tls.Config {
	pool := x509.NewCertPool()
	pool.AppendCertsFromPEM(s.ca)
	return &tls.Config{RootCAs: pool, MinVersion: tls.VersionTLS12}
}

// Kill ends Kafka as a power cut would, except that what it wrote stays in the page cache (kill -9).
func (s *Server) Kill() {
	s.tb.Helper()
	s.signal(syscall.SIGKILL)
	s.wait()
}

// Stop lets Kafka shut down.
func (s *Server) Stop() {
	s.tb.Helper()
	s.signal(syscall.SIGTERM)
	s.wait()
}

// Pause makes Kafka stand still with its connections open (SIGSTOP).
func (s *Server) Pause() {
	s.tb.Helper()
	s.signal(syscall.SIGSTOP)
}

// Resume ends Pause.
func (s *Server) Resume() {
	s.tb.Helper()
	s.signal(syscall.SIGCONT)
}

// Restart starts Kafka after Kill or Stop, with the ports and the data it had, and returns when it serves requests.
func (s *Server) Restart() {
	s.tb.Helper()
	if s.cmd != nil {
		s.tb.Fatal("kafkaenv: Restart while Kafka runs")
	}
	if err := s.start(); err != nil {
		s.tb.Fatal(err)
	}
}

func (s *Server) start() error {
	if err := s.launch(); err != nil {
		return fmt.Errorf("starting Kafka: %w", err)
	}
	ctx, cancel := context.WithTimeout(s.tb.Context(), startTimeout)
	defer cancel()
	if err := s.ready(ctx); err != nil {
		return fmt.Errorf("waiting for Kafka: %w; the end of its log:\n%s", err, s.logTail())
	}
	return nil
}

func (s *Server) launch() error {
	log, err := os.OpenFile(s.logFile(), os.O_CREATE|os.O_WRONLY|os.O_APPEND, 0o600)
	if err != nil {
		return fmt.Errorf("opening its log: %w", err)
	}
	defer func() { _ = log.Close() }()
	// Not CommandContext: the server outlives any one context and ends with the test's cleanup.
	cmd := exec.Command("java", s.java("kafka.Kafka", s.propertiesFile())...) //nolint:noctx // see above
	cmd.Stdout, cmd.Stderr = log, log
	// Kafka must not outlive a test process that was killed.
	cmd.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL}
	if err := cmd.Start(); err != nil {
		return err
	}
	done := make(chan struct{})
	go func() {
		defer close(done)
		_ = cmd.Wait() // ended by a signal of ours or, told by ready, by itself
	}()
	s.cmd, s.done = cmd, done
	s.tb.Cleanup(func() {
		_ = cmd.Process.Kill()
		<-done
	})
	return nil
}

// ready returns when the broker is registered with the controller, so that topics have leaders.
func (s *Server) ready(ctx context.Context) error {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	done := s.done // the goroutine may outlive ready by a moment, and meet the next launch
	go func() {
		select {
		case <-done:
			cancel()
		case <-ctx.Done():
		}
	}()
	var last error
	for ctx.Err() == nil {
		if last = s.ask(ctx); last == nil {
			return nil
		}
		select {
		case <-ctx.Done():
		case <-time.After(100 * time.Millisecond):
		}
	}
	return errors.Join(last, ctx.Err())
}

func (s *Server) ask(ctx context.Context) error {
	cl, err := kgo.NewClient(kgo.SeedBrokers(s.Addr()), kgo.RetryTimeout(time.Second))
	if err != nil {
		return err
	}
	defer cl.Close()
	meta, err := kadm.NewClient(cl).BrokerMetadata(ctx)
	if err != nil {
		return err
	}
	if len(meta.Brokers) == 0 || meta.Controller < 0 {
		return errors.New("the broker has not joined its controller yet")
	}
	return nil
}

// format writes the metadata log that KRaft starts from, with the SCRAM users in it.
func (s *Server) format() {
	s.tb.Helper()
	args := []string{"format", "--cluster-id", "a2V5ZmVlZC10ZXN0cy0xMQ", "--config", s.propertiesFile()}
	if s.opts.user != "" {
		for _, mechanism := range []string{"SCRAM-SHA-256", "SCRAM-SHA-512"} {
			args = append(args, "--add-scram", fmt.Sprintf("%s=[name=%s,password=%s]", mechanism, s.opts.user, s.opts.password))
		}
	}
	ctx, cancel := context.WithTimeout(s.tb.Context(), formatTimeout)
	defer cancel()
	cmd := exec.CommandContext(ctx, "java", s.java("kafka.tools.StorageTool", args...)...)
	if out, err := cmd.CombinedOutput(); err != nil {
		s.tb.Fatalf("formatting Kafka's storage: %v\n%s", err, tail(out, 4000))
	}
}

func (s *Server) java(class string, args ...string) []string {
	return append([]string{
		"-Xmx512m", "-Xms64m", "-XX:+UseSerialGC", "-XX:TieredStopAtLevel=1", "-Djava.awt.headless=true",
		"-Dorg.slf4j.simpleLogger.defaultLogLevel=warn", "-cp", filepath.Join(s.jars, "*"), class,
	}, args...)
}

func (s *Server) signal(sig syscall.Signal) {
	s.tb.Helper()
	if s.cmd == nil {
		s.tb.Fatal("kafkaenv: Kafka does not run")
	}
	if err := s.cmd.Process.Signal(sig); err != nil {
		s.tb.Fatalf("sending %v to Kafka: %v", sig, err)
	}
}

func (s *Server) wait() {
	s.tb.Helper()
	select {
	case <-s.done:
	case <-time.After(stopTimeout):
		s.tb.Fatalf("Kafka did not end; the end of its log:\n%s", s.logTail())
	}
	s.cmd = nil
}

func (s *Server) makeCertificate() {
	s.tb.Helper()
	ca, chain, key, err := certificate()
	if err != nil {
		s.tb.Fatalf("making a certificate: %v", err)
	}
	s.ca = ca
	if err := os.WriteFile(filepath.Join(s.dir, "server.pem"), append(key, chain...), 0o600); err != nil {
		s.tb.Fatalf("writing the certificate: %v", err)
	}
}

func (s *Server) propertiesFile() string { return filepath.Join(s.dir, "server.properties") }

func (s *Server) logFile() string { return filepath.Join(s.dir, "kafka.log") }

func (s *Server) logTail() string {
	out, err := os.ReadFile(s.logFile())
	if err != nil {
		return err.Error()
	}
	return tail(out, 4000)
}

func addr(port int) string { return net.JoinHostPort("127.0.0.1", strconv.Itoa(port)) }
