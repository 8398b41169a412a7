// Natsd is a NATS server with JetStream for tests that need one they can kill. It prints "ready" when clients may
// connect and runs until a signal ends it.
package main

import (
	"context"
	"flag"
	"fmt"
	"net"
	"os"
	"strconv"
	"time"

	"github.com/nats-io/nats-server/v2/server"
)

func main() {
	addr := flag.String("addr", "127.0.0.1:4222", "`host:port` to listen on")
	store := flag.String("store", "", "`directory` of JetStream")
	maxPayload := flag.Int("max_payload", 1<<20, "largest message in bytes")
	flag.Parse()
	if err := run(*addr, *store, *maxPayload); err != nil {
		fmt.Fprintln(os.Stderr, "natsd:", err)
		os.Exit(1)
	}
}

func run(addr, store string, maxPayload int) error {
	host, portText, err := net.SplitHostPort(addr)
	if err != nil {
		return fmt.Errorf("reading -addr: %w", err)
	}
	port, err := strconv.Atoi(portText)
	if err != nil {
		return fmt.Errorf("reading -addr: %w", err)
	}
	// The server itself tells nobody that it cannot listen.
	l, err := new(net.ListenConfig).Listen(context.Background(), "tcp", addr)
	if err != nil {
		return err
	}
	if err := l.Close(); err != nil {
		return err
	}
	s, err := server.NewServer(&server.Options{
		Host: host, Port: port, JetStream: true, StoreDir: store, MaxPayload: int32(maxPayload), //nolint:gosec // a flag of ours
	})
	if err != nil {
		return fmt.Errorf("making the server: %w", err)
	}
	s.ConfigureLogger()
	s.Start()
	if !s.ReadyForConnections(30 * time.Second) {
		return fmt.Errorf("not ready on %s within 30 s", addr)
	}
	fmt.Fprintln(os.Stdout, "ready")
	s.WaitForShutdown()
	return nil
}
