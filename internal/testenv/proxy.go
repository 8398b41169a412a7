package testenv

import (
	"errors"
	"net"
	"sync"
	"sync/atomic"
	"testing"
	"time"
)

// Direction is one of the two ways through a proxy.
type Direction int

// The directions.
const (
	Up   Direction = iota // from the one who connected to the target
	Down                  // from the target
)

// Cut is how a proxy ends a connection.
type Cut int

// The ways to end a connection.
const (
	FIN   Cut = iota // orderly close: the other side reads the end of the stream
	RST              // reset: reads and writes of the other side fail, bytes not yet read are lost
	stall            // not an end: all connections stall, see StallAfter

	// HalfOpen closes the connection to the target only; the one who connected is told nothing and whatever it sends
	// is swallowed, as after a cable was pulled.
	HalfOpen
)

// TCPProxy passes TCP connections on to a target and breaks them on demand. All methods may be called at any time
// from any goroutine.
type TCPProxy struct {
	t     testing.TB
	addr  string
	bytes [2]atomic.Int64
	total atomic.Int64
	group sync.WaitGroup // the acceptor and two pumps a connection

	mu       sync.Mutex // guards what follows
	listener net.Listener
	target   string
	links    map[*link]struct{}
	cuts     []cutPoint
	gate     chan struct{} // nil = open; else closed when the stall ends
	closed   bool
}

type cutPoint struct {
	dir   Direction
	after int64
	how   Cut
}

// Proxy starts a proxy on a free port that passes on to target (host:port). It ends with the test.
func Proxy(tb testing.TB, target string) *TCPProxy {
	tb.Helper()
	p := &TCPProxy{t: tb, target: target, links: map[*link]struct{}{}}
	onFreePort(tb, func(port int) error {
		p.addr = loopback(port)
		return p.accept()
	})
	tb.Cleanup(func() {
		p.mu.Lock()
		p.closed = true
		p.mu.Unlock()
		p.Refuse()
		p.CloseAll(RST)
		p.Resume()
		p.group.Wait()
	})
	return p
}

// Addr is where the proxy listens, host:port.
func (p *TCPProxy) Addr() string { return p.addr }

// Retarget sends connections that come from now on to another target.
func (p *TCPProxy) Retarget(target string) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.target = target
}

// CutAfter breaks one connection: the first that reaches n bytes in that direction, counted from its own start. The
// other side has then received exactly n bytes. A connection that is past n already is left alone. Several cuts may be
// armed; each is used once.
func (p *TCPProxy) CutAfter(dir Direction, n int64, how Cut) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.cuts = append(p.cuts, cutPoint{dir, n, how})
}

// StallAfter is [TCPProxy.Stall] at the moment when a connection has passed exactly n bytes in that direction.
func (p *TCPProxy) StallAfter(dir Direction, n int64) { p.CutAfter(dir, n, stall) }

// Armed is how many cuts are not used yet.
func (p *TCPProxy) Armed() int {
	p.mu.Lock()
	defer p.mu.Unlock()
	return len(p.cuts)
}

// Disarm forgets the cuts not used yet and returns how many they were.
func (p *TCPProxy) Disarm() int {
	p.mu.Lock()
	defer p.mu.Unlock()
	n := len(p.cuts)
	p.cuts = nil
	return n
}

// CloseAll ends every connection that is open now.
func (p *TCPProxy) CloseAll(how Cut) {
	p.mu.Lock()
	defer p.mu.Unlock()
	for l := range p.links {
		l.end(how)
	}
}

// Stall stops passing bytes on, in both directions, on all connections, new ones included, until [TCPProxy.Resume].
// Nothing is lost: senders soon block.
func (p *TCPProxy) Stall() {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.gate == nil {
		p.gate = make(chan struct{})
	}
}

// Resume ends a stall.
func (p *TCPProxy) Resume() {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.gate != nil {
		close(p.gate)
		p.gate = nil
	}
}

// Refuse closes the listener, so that who connects is refused; connections that are open stay.
func (p *TCPProxy) Refuse() {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.listener != nil {
		_ = p.listener.Close()
		p.listener = nil
	}
}

// Accept listens again after [TCPProxy.Refuse], on the same port.
func (p *TCPProxy) Accept() {
	p.t.Helper()
	if err := p.accept(); err != nil {
		p.t.Fatalf("proxy: %v", err)
	}
}

func (p *TCPProxy) accept() error {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.listener != nil {
		return nil
	}
	var cfg net.ListenConfig
	l, err := cfg.Listen(lasting(p.t), "tcp", p.addr)
	if err != nil {
		return err
	}
	p.listener = l
	p.group.Go(func() { p.serve(l) })
	return nil
}

// Down ends all connections at once and refuses new ones until [TCPProxy.Accept].
func (p *TCPProxy) Down(how Cut) {
	p.Refuse()
	p.CloseAll(how)
}

// Bytes is how many bytes were passed on in that direction since the start.
func (p *TCPProxy) Bytes(dir Direction) int64 { return p.bytes[dir].Load() }

// Connections is how many connections were accepted since the start.
func (p *TCPProxy) Connections() int64 { return p.total.Load() }

// Open is how many connections are open now.
func (p *TCPProxy) Open() int {
	p.mu.Lock()
	defer p.mu.Unlock()
	return len(p.links)
}

// AwaitBytes waits until n bytes were passed on in that direction since the start.
func (p *TCPProxy) AwaitBytes(dir Direction, n int64, timeout time.Duration) {
	p.t.Helper()
	Eventually(p.t, timeout, "bytes through the proxy", func() bool { return p.Bytes(dir) >= n })
}

func (p *TCPProxy) serve(l net.Listener) {
	for {
		conn, err := l.Accept()
		if errors.Is(err, net.ErrClosed) {
			return
		}
		if err != nil {
			continue
		}
		p.total.Add(1)
		p.group.Go(func() { p.connect(conn, l) })
	}
}

// connect serves a connection that a listener has accepted.
func (p *TCPProxy) connect(client net.Conn, by net.Listener) {
	p.mu.Lock()
	target := p.target
	p.mu.Unlock()
	d := net.Dialer{Timeout: 5 * time.Second}
	upstream, err := d.DialContext(lasting(p.t), "tcp", target)
	if err != nil {
		reset(client)
		return
	}
	l := &link{proxy: p, client: client, upstream: upstream}
	p.mu.Lock()
	if p.closed || p.listener != by { // refused meanwhile; Down could not end what was not a link yet
		p.mu.Unlock()
		reset(client)
		reset(upstream)
		return
	}
	p.links[l] = struct{}{}
	p.mu.Unlock()

	var pumps sync.WaitGroup
	pumps.Go(func() { l.pump(Up) })
	pumps.Go(func() { l.pump(Down) })
	pumps.Wait()
	l.close()
	p.mu.Lock()
	delete(p.links, l)
	p.mu.Unlock()
}

// room is how many bytes may pass in that direction before a cut, given that passed have; ok is false when no cut is
// armed for it.
func (p *TCPProxy) room(dir Direction, passed int64) (room int64, ok bool) {
	p.mu.Lock()
	defer p.mu.Unlock()
	for _, c := range p.cuts {
		if c.dir == dir && c.after >= passed && (!ok || c.after-passed < room) {
			room, ok = c.after-passed, true
		}
	}
	return room, ok
}

// takeCut uses a cut up that is due at exactly this count.
func (p *TCPProxy) takeCut(dir Direction, passed int64) (Cut, bool) {
	p.mu.Lock()
	defer p.mu.Unlock()
	for i, c := range p.cuts {
		if c.dir == dir && c.after == passed {
			p.cuts = append(p.cuts[:i:i], p.cuts[i+1:]...)
			return c.how, true
		}
	}
	return 0, false
}

// waitGate blocks while the proxy is stalled.
func (p *TCPProxy) waitGate() {
	for {
		p.mu.Lock()
		gate := p.gate
		p.mu.Unlock()
		if gate == nil {
			return
		}
		<-gate
	}
}
