package nats_test

import (
	"net"
	"sync"
	"testing"
	"time"

	"github.com/nats-io/nats-server/v2/server"

	"keyfeed/internal/testenv"
	keyfeednats "keyfeed/sinks/nats"
)

// natsServer is a real server in this process that can be stopped and started again with its data.
type natsServer struct {
	options server.Options
	server  *server.Server
	url     string
}

func newServer(tb testing.TB, change func(*server.Options)) *natsServer {
	tb.Helper()
	s := &natsServer{options: server.Options{
		Host:      "127.0.0.1",
		Port:      testenv.FreePort(tb), // not of those of outgoing connections, so that it is still free at a restart
		JetStream: true,
		StoreDir:  tb.TempDir(),
		NoSigs:    true,
		NoLog:     true,
	}}
	if change != nil {
		change(&s.options)
	}
	s.start(tb)
	tb.Cleanup(s.stop)
	return s
}

func (s *natsServer) start(tb testing.TB) {
	tb.Helper()
	s.launch(tb)
	s.ready(tb)
}

func (s *natsServer) launch(tb testing.TB) {
	tb.Helper()
	options := s.options
	srv, err := server.NewServer(&options)
	if err != nil {
		tb.Fatal(err)
	}
	go srv.Start()
	s.server = srv
}

func (s *natsServer) ready(tb testing.TB) {
	tb.Helper()
	if !s.server.ReadyForConnections(30 * time.Second) {
		tb.Fatal("nats-server does not start")
	}
	s.url = s.server.ClientURL()
}

func (s *natsServer) stop() {
	s.server.Shutdown()
	s.server.WaitForShutdown()
}

func (s *natsServer) config() keyfeednats.Config {
	return keyfeednats.Config{URL: s.url, Source: "redis", CreateStream: true}
}

// relay carries one direction's bytes of each connection to the server, and holds them back while it is shut.
type relay struct {
	listener net.Listener
	target   string
	wait     sync.WaitGroup

	mu    sync.RWMutex // write-locked while shut
	open  sync.Mutex   // guards conns
	conns []net.Conn
}

func newRelay(tb testing.TB, target string) *relay {
	tb.Helper()
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		tb.Fatal(err)
	}
	r := &relay{listener: listener, target: target}
	r.wait.Go(r.accept)
	tb.Cleanup(func() {
		listener.Close()
		r.cut()
		r.wait.Wait()
	})
	return r
}

func (r *relay) url() string { return "nats://" + r.listener.Addr().String() }

func (r *relay) accept() {
	for {
		client, err := r.listener.Accept()
		if err != nil {
			return
		}
		upstream, err := net.Dial("tcp", r.target)
		if err != nil {
			client.Close()
			continue
		}
		r.open.Lock()
		r.conns = append(r.conns, client, upstream)
		r.open.Unlock()
		r.wait.Go(func() { r.pipe(upstream, client) })
		r.wait.Go(func() { r.pipe(client, upstream) })
	}
}

func (r *relay) pipe(to, from net.Conn) {
	defer to.Close()
	defer from.Close()
	buf := make([]byte, 32<<10)
	for {
		n, err := from.Read(buf)
		if n > 0 {
			r.mu.RLock()
			_, writeErr := to.Write(buf[:n])
			r.mu.RUnlock()
			if writeErr != nil {
				return
			}
		}
		if err != nil {
			return
		}
	}
}

func (r *relay) shut() { r.mu.Lock() }

func (r *relay) unshut() { r.mu.Unlock() }

// cut ends every connection.
func (r *relay) cut() {
	r.open.Lock()
	defer r.open.Unlock()
	for _, c := range r.conns {
		c.Close()
	}
	r.conns = nil
}
