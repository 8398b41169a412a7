package testenv

import (
	"bytes"
	"fmt"
	"os/exec"
	"path/filepath"
	"regexp"
	"testing"
)

// NATS is a NATS server with JetStream that runs as a process of its own, so that it can be killed.
type NATS struct {
	t     testing.TB
	bin   string
	addr  string
	store string
	child *ChildProcess
}

// NATSServer builds (once, into the cache) and starts a nats-server of the version that the project depends on, with
// JetStream in a temporary directory.
func NATSServer(tb testing.TB) *NATS {
	tb.Helper()
	n := &NATS{t: tb, bin: buildNATS(tb), store: tb.TempDir()}
	onFreePort(tb, func(port int) error {
		n.addr = loopback(port)
		return n.start()
	})
	return n
}

// Addr is host:port.
func (n *NATS) Addr() string { return n.addr }

// URL is nats://host:port.
func (n *NATS) URL() string { return "nats://" + n.addr }

// Start starts the server again after [NATS.Kill], on the same port with what it has stored.
func (n *NATS) Start() {
	n.t.Helper()
	if err := n.start(); err != nil {
		n.t.Fatal(err)
	}
}

func (n *NATS) start() error {
	n.child = Child(n.t, n.bin, []string{"-addr", n.addr, "-store", n.store}, nil)
	if _, err := n.child.waitLine(regexp.MustCompile(`^ready$`), startTimeout); err != nil {
		return fmt.Errorf("%w; its output:\n%s", err, n.child.Output())
	}
	return nil
}

// Child is the running process.
func (n *NATS) Child() *ChildProcess { return n.child }

// Kill ends the server with SIGKILL.
func (n *NATS) Kill() { n.child.Kill() }

func buildNATS(tb testing.TB) string {
	tb.Helper()
	cache, err := cacheDir()
	if err != nil {
		tb.Fatal(err)
	}
	unlock, err := lockCache(cache, "natsd")
	if err != nil {
		tb.Fatal(err)
	}
	defer unlock()
	bin := filepath.Join(cache, "natsd")
	// go build leaves a program alone that is current.
	cmd := exec.CommandContext(tb.Context(), "go", "build", "-o", bin, "keyfeed/internal/testenv/natsd")
	if out, err := cmd.CombinedOutput(); err != nil {
		tb.Fatalf("building natsd: %v: %s", err, bytes.TrimSpace(out))
	}
	return bin
}
