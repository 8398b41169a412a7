package main

import (
	"bufio"
	"context"
	"fmt"
	"io"
	"math/rand/v2"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"syscall"
	"time"

	"github.com/redis/go-redis/v9"
)

// process is a child that is killed by its id and waited for.
type process struct {
	cmd  *exec.Cmd
	addr string
	read chan struct{} // closed when the output has ended
}

// start runs a child and gives each line of its output, stdout and stderr, to line.
func start(ctx context.Context, binary string, args, env []string, line func(string)) (*process, error) {
	cmd := exec.CommandContext(ctx, binary, args...)
	cmd.Env = append(os.Environ(), env...)
	r, w := io.Pipe()
	cmd.Stdout, cmd.Stderr = w, w
	if err := cmd.Start(); err != nil {
		return nil, fmt.Errorf("starting %s: %w", filepath.Base(binary), err)
	}
	p := &process{cmd: cmd, read: make(chan struct{})}
	go func() {
		defer close(p.read)
		lines := bufio.NewScanner(r)
		lines.Buffer(nil, 16<<20)
		for lines.Scan() {
			line(lines.Text())
		}
		_, _ = io.Copy(io.Discard, r) // a line too long must not block the child
	}()
	go func() {
		_ = cmd.Wait() // how a killed child ended is not news
		_ = w.Close()
	}()
	return p, nil
}

// kill ends the child as kill -9 does, and waits until its output was read.
func (p *process) kill() {
	_ = p.cmd.Process.Signal(syscall.SIGKILL) // it may have ended already
	<-p.read
}

// startRedis runs a redis-server of its own on a free port of the loopback interface.
func startRedis(ctx context.Context, dir string) (*process, *redis.Client, error) {
	addr, err := freeAddr()
	if err != nil {
		return nil, nil, err
	}
	data := filepath.Join(dir, "redis")
	if err := os.Mkdir(data, 0o700); err != nil {
		return nil, nil, fmt.Errorf("making a directory: %w", err)
	}
	_, port, err := net.SplitHostPort(addr)
	if err != nil {
		return nil, nil, fmt.Errorf("reading an address: %w", err)
	}
	p, err := start(ctx, "redis-server", []string{
		"--port", port, "--bind", "127.0.0.1", "--dir", data, "--save", "", "--repl-diskless-sync-delay", "0",
		"--repl-backlog-size", "64mb", // the default of 1 MB is full after some seconds of these writes
	}, nil, func(string) {})
	if err != nil {
		return nil, nil, fmt.Errorf("%w (on Debian: apt-get install redis-server)", err)
	}
	p.addr = addr
	client := redis.NewClient(&redis.Options{Addr: addr, Protocol: 2})
	for client.Ping(ctx).Err() != nil {
		if err := pause(ctx, 20*time.Millisecond); err != nil {
			p.kill()
			return nil, nil, fmt.Errorf("waiting for redis-server: %w", err)
		}
	}
	return p, client, nil
}

// freeAddr is an address that nobody listens on now. Its port is below those that outgoing connections are given, which
// would otherwise take it while keyfeed is dead.
func freeAddr() (string, error) {
	var err error
	for range 100 {
		addr := net.TCPAddr{IP: net.IPv4(127, 0, 0, 1), Port: 10_000 + rand.IntN(20_000)} //nolint:gosec // no secret
		var l *net.TCPListener
		if l, err = net.ListenTCP("tcp", &addr); err != nil {
			continue
		}
		if err = l.Close(); err != nil {
			return "", fmt.Errorf("freeing a port: %w", err)
		}
		return addr.String(), nil
	}
	return "", fmt.Errorf("finding a free port: %w", err)
}
