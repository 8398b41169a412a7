package testenv

import (
	"bufio"
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/redis/go-redis/v9"
)

// startTimeout bounds how long a server may take to answer; loading a big RDB file is part of it.
const startTimeout = 60 * time.Second

const (
	helperUser     = "testenv"
	helperPassword = "testenv-secret"
)

// Instance is a Redis or Valkey server that belongs to one test. Its methods are called by one goroutine at a time,
// except Addr, URL, Client and DB.
type Instance struct {
	Port int    // TCP port on 127.0.0.1: of TLS when started with [TLS]
	Dir  string // working directory: dump.rdb, redis.conf

	t      testing.TB
	binary binary
	opts   *options
	certs  *certificates
	p      *process

	mu      sync.Mutex
	clients map[int]*redis.Client // by database; guarded by mu
}

// binary is a server program and what it needs to run.
type binary struct {
	path    string
	libPath string // LD_LIBRARY_PATH, "" = none
	name    string // for messages
}

// Redis starts the redis-server found in PATH and waits until it answers. The test fails when there is none.
func Redis(tb testing.TB, opts ...Option) *Instance {
	tb.Helper()
	path, err := exec.LookPath("redis-server")
	if err != nil {
		tb.Fatal("redis-server is not in PATH; install it with: apt-get install redis-server")
	}
	return startInstance(tb, binary{path: path, name: "redis-server"}, opts)
}

func startInstance(tb testing.TB, b binary, opts []Option) *Instance {
	tb.Helper()
	in := &Instance{t: tb, binary: b, opts: applyOptions(tb, opts), clients: map[int]*redis.Client{}}
	in.Dir = in.opts.dir
	if in.opts.tls {
		in.certs = makeCertificates(tb)
	}
	tb.Cleanup(func() {
		in.closeClients()
		if in.p == nil {
			return
		}
		in.p.end()
		if tb.Failed() {
			tb.Logf("last lines of %s on port %d:\n%s", b.name, in.Port, in.p.out.tail(30))
		}
	})
	onFreePort(tb, func(port int) error {
		in.Port = port
		return in.start()
	})
	return in
}

// start starts the process on in.Port and waits for its answer.
func (in *Instance) start() error {
	conf := filepath.Join(in.Dir, "redis.conf")
	if err := os.WriteFile(conf, []byte(in.config()), 0o600); err != nil {
		return fmt.Errorf("writing configuration: %w", err)
	}
	if len(in.opts.aclLines) > 0 {
		lines := append([]string{"user " + helperUser + " on >" + helperPassword + " ~* &* +@all"}, in.opts.aclLines...)
		if err := os.WriteFile(in.aclFile(), []byte(strings.Join(lines, "\n")+"\n"), 0o600); err != nil {
			return fmt.Errorf("writing ACL file: %w", err)
		}
	}
	cmd := exec.CommandContext(lasting(in.t), in.binary.path, conf)
	cmd.Dir = in.Dir
	cmd.Env = in.binary.env()
	p, err := startProcess(in.t, cmd)
	if err != nil {
		return err
	}
	in.p = p
	if err := in.awaitAnswer(); err != nil {
		p.end()
		return fmt.Errorf("%w; its output:\n%s", err, p.out.tail(30))
	}
	return nil
}

func (b binary) env() []string {
	env := os.Environ()
	if b.libPath != "" {
		env = append(env, "LD_LIBRARY_PATH="+b.libPath)
	}
	return env
}

func (in *Instance) aclFile() string { return filepath.Join(in.Dir, "users.acl") }

func (in *Instance) config() string {
	lines := []directive{
		{"bind", "127.0.0.1"},
		{"port", fmt.Sprint(in.Port)},
		{"dir", in.Dir},
		{"save", ""},
		{"appendonly", "no"},
		{"repl-diskless-sync-delay", "0"},
	}
	if in.binary.knowsDebugCommand(lasting(in.t)) {
		lines = append(lines, directive{"enable-debug-command", "yes"})
	}
	if in.certs != nil {
		lines = append(
			lines, directive{"port", "0"}, directive{"tls-port", fmt.Sprint(in.Port)},
			directive{"tls-cert-file", in.certs.certFile}, directive{"tls-key-file", in.certs.keyFile},
			directive{"tls-ca-cert-file", in.certs.caFile}, directive{"tls-auth-clients", "optional"},
		)
	}
	if len(in.opts.aclLines) > 0 {
		lines = append(lines, directive{"aclfile", in.aclFile()})
	}
	var b strings.Builder
	for _, d := range append(lines, in.opts.directives...) {
		value := d.value
		if value == "" {
			value = `""`
		}
		fmt.Fprintf(&b, "%s %s\n", d.name, value)
	}
	return b.String()
}

// knowsDebugCommand reports whether the server has enable-debug-command, new in Redis 7.0; an unknown directive would
// keep it from starting.
func (b binary) knowsDebugCommand(ctx context.Context) bool {
	cmd := exec.CommandContext(ctx, b.path, "--version")
	cmd.Env = b.env()
	out, err := cmd.Output()
	return err == nil && !regexp.MustCompile(`v=[1-6]\.`).Match(out)
}

// ready is what a server prints when it has its port and its data.
const ready = "Ready to accept connections"

// awaitAnswer returns when the server answers PING, even if only to say that a password is needed. Who answers may be
// another one that has the port, so this one must have said that it listens.
func (in *Instance) awaitAnswer() error {
	deadline := time.Now().Add(startTimeout)
	tick := time.NewTicker(10 * time.Millisecond)
	defer tick.Stop()
	last := errors.New("no answer")
	for time.Now().Before(deadline) {
		select {
		case <-in.p.done:
			return fmt.Errorf("it ended with %v", in.p.cmd.ProcessState)
		case <-tick.C:
		}
		if !in.p.out.has(ready) {
			continue
		}
		line, err := in.ping()
		switch {
		case err != nil:
			last = err
		case strings.HasPrefix(line, "-LOADING"):
			last = errors.New(line)
		default:
			return nil
		}
	}
	return fmt.Errorf("no answer within %v: %w", startTimeout, last)
}

func (in *Instance) ping() (string, error) {
	conn, err := in.dial(time.Second)
	if err != nil {
		return "", err
	}
	defer conn.Close()
	if _, err := conn.Write([]byte("PING\r\n")); err != nil {
		return "", err
	}
	return bufio.NewReader(conn).ReadString('\n')
}

func (in *Instance) dial(timeout time.Duration) (net.Conn, error) {
	d := net.Dialer{Timeout: timeout}
	conn, err := d.DialContext(lasting(in.t), "tcp", in.Addr())
	if err != nil {
		return nil, err
	}
	if err := conn.SetDeadline(time.Now().Add(timeout)); err != nil {
		return nil, errors.Join(err, conn.Close())
	}
	if in.certs != nil {
		return tls.Client(conn, in.certs.clientConfig()), nil
	}
	return conn, nil
}
