package broker_test

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"os"
	"os/exec"
	"strings"
	"sync"
	"testing"

	"keyfeed/internal/broker"
	"keyfeed/internal/change"
	"keyfeed/internal/testenv"
	keyfeednats "keyfeed/sinks/nats"
)

// childDir makes this test program a server that stores there, to be killed.
const childDir = "KEYFEED_TEST_BROKER_STORE"

func TestMain(m *testing.M) {
	if dir := os.Getenv(childDir); dir != "" {
		os.Exit(runChild(dir))
	}
	testenv.RunWithoutLeaks(m)
}

// runChild serves until it is killed or its standard input ends, and prints its URL.
func runChild(dir string) int {
	b, err := broker.New(broker.Config{Addr: "127.0.0.1:0", StoreDir: dir})
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	ctx, cancel := context.WithCancel(context.Background())
	go func() {
		_, _ = io.Copy(io.Discard, os.Stdin) // ends with the parent
		cancel()
	}()
	go func() {
		<-b.Ready()
		fmt.Println(b.URL())
	}()
	if err := b.Run(ctx); err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	return 0
}

// serve runs a broker in this process until the returned function is called.
func serve(t *testing.T, cfg broker.Config) (b *broker.Broker, stop func()) {
	t.Helper()
	b, err := broker.New(cfg)
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	ended := make(chan error, 1)
	go func() { ended <- b.Run(ctx) }()
	select {
	case <-b.Ready():
	case err := <-ended:
		cancel()
		t.Fatalf("Run ended before it was ready: %v", err)
	}
	stop = sync.OnceFunc(func() {
		cancel()
		if err := <-ended; err != nil {
			t.Errorf("Run gave %v after its context ended", err)
		}
	})
	t.Cleanup(stop)
	return b, stop
}

func sinkAt(t *testing.T, url string) *keyfeednats.Sink {
	t.Helper()
	s, err := keyfeednats.New(keyfeednats.Config{
		URL: url, Source: "redis", CreateStream: true,
	})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { s.Close() })
	return s
}

func at(offset int64) change.Position {
	return change.Position{Gen: 1, Offset: offset, ReplID: strings.Repeat("a", 40)}
}

func batch(from, to int64) *change.Batch {
	b := &change.Batch{}
	for i := from; i <= to; i++ {
		b.Records = append(b.Records, change.Record{Value: fmt.Appendf(nil, `{"i":%d}`, i), Key: []byte("k"), Pos: at(i)})
	}
	return b
}

func TestKeepsStreamsOverRestart(t *testing.T) {
	dir := t.TempDir()
	var log bytes.Buffer
	cfg := broker.Config{
		Addr: "127.0.0.1:0", StoreDir: dir,
		Logger: slog.New(slog.NewTextHandler(&log, &slog.HandlerOptions{Level: slog.LevelDebug})),
	}
	b, stop := serve(t, cfg)
	s := sinkAt(t, b.URL())
	if pos, err := s.Open(t.Context()); err != nil || !pos.IsZero() {
		t.Fatalf("a new server gave %v, %v", pos, err)
	}
	if err := s.Write(t.Context(), batch(1, 10)); err != nil {
		t.Fatal(err)
	}
	if err := s.Flush(t.Context()); err != nil {
		t.Fatal(err)
	}
	s.Close()
	stop()
	if !strings.Contains(log.String(), "embedded NATS server is ready") || !strings.Contains(log.String(), "JetStream") {
		t.Errorf("the server's log did not arrive: %s", log.String())
	}

	b, stop = serve(t, cfg)
	defer stop()
	again := sinkAt(t, b.URL())
	if pos, err := again.Open(t.Context()); err != nil || pos != at(10) {
		t.Fatalf("after a restart the position is %v, %v, want %v", pos, err, at(10))
	}
	again.Close()
}

func TestStopsBeforeReady(t *testing.T) {
	b, err := broker.New(broker.Config{Addr: "127.0.0.1:0", StoreDir: t.TempDir()})
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if err := b.Run(ctx); err != nil {
		t.Errorf("Run with an ended context gave %v", err)
	}
}

func TestPortInUse(t *testing.T) {
	taken, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer taken.Close()
	b, err := broker.New(broker.Config{Addr: taken.Addr().String(), StoreDir: t.TempDir()})
	if err != nil {
		t.Fatal(err)
	}
	if err := b.Run(t.Context()); err == nil || !strings.Contains(err.Error(), "KEYFEED_NATS_EMBEDDED_ADDR") {
		t.Errorf("Run on a taken port gave %v, want an error that names the setting", err)
	}
}

func TestRefusesConfig(t *testing.T) {
	for _, cfg := range []broker.Config{
		{Addr: "", StoreDir: "x"},
		{Addr: "127.0.0.1", StoreDir: "x"},
		{Addr: "127.0.0.1:65536", StoreDir: "x"},
		{Addr: "127.0.0.1:nats", StoreDir: "x"},
		{Addr: "127.0.0.1:0"},
	} {
		if _, err := broker.New(cfg); err == nil {
			t.Errorf("New(%+v) gave no error", cfg)
		}
	}
}

// TestKill9LosesNothingAcknowledged kills a server in a process of its own while events are written, several times.
func TestKill9LosesNothingAcknowledged(t *testing.T) {
	dir := t.TempDir()
	confirmed := int64(0)
	for round := range 3 {
		child, url := startChild(t, dir)
		s := sinkAt(t, url)
		pos, err := s.Open(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		if pos.Offset < confirmed {
			t.Fatalf("round %d: the server has events up to %d, but %d were acknowledged", round, pos.Offset, confirmed)
		}
		next, goal := pos.Offset+1, pos.Offset+2000
		for s.Confirmed().Offset < goal && err == nil {
			err = s.Write(t.Context(), batch(next, next+49))
			next += 50
		}
		if err != nil {
			t.Fatal(err)
		}
		if err := child.Process.Kill(); err != nil {
			t.Fatal(err)
		}
		if err := s.Flush(t.Context()); err == nil && s.Confirmed().Offset < next-1 {
			t.Error("Flush to a killed server gave no error")
		}
		confirmed = s.Confirmed().Offset
		var exit *exec.ExitError
		if err := child.Wait(); !errors.As(err, &exit) {
			t.Fatalf("the killed server ended with %v", err)
		}
		s.Close()
	}
	child, url := startChild(t, dir)
	want := int64(1)
	cfg := keyfeednats.Config{URL: url, Source: "redis"}
	err := keyfeednats.Read(t.Context(), cfg, keyfeednats.All().ToEnd(), func(r *keyfeednats.Record) error {
		if r.Pos.IsZero() { // an epoch's heartbeat
			return nil
		}
		if string(r.Value) != fmt.Sprintf(`{"i":%d}`, want) || r.Pos != at(want) {
			return fmt.Errorf("message %d holds %s at %v, want event %d", r.Sequence, r.Value, r.Pos, want)
		}
		want++
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	if want <= confirmed {
		t.Errorf("%d events are stored, %d were acknowledged", want-1, confirmed)
	}
	if err := child.Process.Kill(); err != nil {
		t.Fatal(err)
	}
	_ = child.Wait() // killed
}

func startChild(t *testing.T, dir string) (child *exec.Cmd, url string) {
	t.Helper()
	exe, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	child = exec.CommandContext(t.Context(), exe)
	child.Env = append(os.Environ(), childDir+"="+dir)
	child.Stderr = os.Stderr
	stdin, err := child.StdinPipe() // its end tells the child that this process is gone
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { stdin.Close() })
	stdout, err := child.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := child.Start(); err != nil {
		t.Fatal(err)
	}
	line, err := bufio.NewReader(stdout).ReadString('\n')
	if err != nil {
		t.Fatalf("the child server printed no URL: %v", err)
	}
	return child, strings.TrimSpace(line)
}
