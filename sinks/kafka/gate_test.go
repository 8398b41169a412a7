package kafka_test

import (
	"errors"
	"net"
	"sync"
	"testing"

	"keyfeed/internal/testenv"
)

// gate stands between a client and kfake: it can take the broker off the network and bring it back on the same port, or
// let it take in nothing. kfake keeps its data.
type gate struct {
	mu      sync.Mutex
	changed *sync.Cond
	addr    string       // below the ports of outgoing connections, so that it is still free at the restart
	inner   net.Listener // nil while stopped
	closed  bool
	stalled bool
	losing  bool // the next answer is lost, and its connection with it
	conns   map[*gateConn]bool
}

func newGate(t *testing.T) *gate {
	t.Helper()
	g := &gate{addr: testenv.FreeAddr(t), conns: map[*gateConn]bool{}}
	g.changed = sync.NewCond(&g.mu)
	return g
}

// listen is for kfake.ListenFn, one broker only.
func (g *gate) listen(network, _ string) (net.Listener, error) {
	l, err := net.Listen(network, g.addr)
	if err != nil {
		return nil, err
	}
	g.inner = l
	return g, nil
}

func (g *gate) stop(t *testing.T) {
	t.Helper()
	g.mu.Lock()
	defer g.mu.Unlock()
	_ = g.inner.Close()
	g.inner = nil
	for c := range g.conns {
		_ = c.Conn.Close()
	}
}

func (g *gate) start(t *testing.T) {
	t.Helper()
	l, err := net.Listen("tcp", g.addr)
	if err != nil {
		t.Fatalf("listening on the broker's port again: %v", err)
	}
	g.mu.Lock()
	defer g.mu.Unlock()
	g.inner = l
	g.changed.Broadcast()
}

func (g *gate) stall(*testing.T) { g.set(true) }

func (g *gate) resume(*testing.T) { g.set(false) }

func (g *gate) set(stalled bool) {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.stalled = stalled
	g.changed.Broadcast()
}

// Accept implements net.Listener.
func (g *gate) Accept() (net.Conn, error) {
	for {
		g.mu.Lock()
		for g.inner == nil && !g.closed {
			g.changed.Wait()
		}
		l, closed := g.inner, g.closed
		g.mu.Unlock()
		if closed {
			return nil, net.ErrClosed
		}
		conn, err := l.Accept()
		if err != nil {
			g.mu.Lock()
			stopped := g.inner != l && !g.closed
			g.mu.Unlock()
			if stopped {
				continue
			}
			return nil, err
		}
		c := &gateConn{Conn: conn, gate: g}
		g.mu.Lock()
		g.conns[c] = true
		g.mu.Unlock()
		return c, nil
	}
}

// Close implements net.Listener.
func (g *gate) Close() error {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.closed, g.stalled = true, false
	g.changed.Broadcast()
	if g.inner == nil {
		return nil
	}
	return g.inner.Close()
}

// Addr implements net.Listener.
func (g *gate) Addr() net.Addr {
	addr, err := net.ResolveTCPAddr("tcp", g.addr)
	if err != nil {
		return nil
	}
	return addr
}

type gateConn struct {
	net.Conn
	gate *gate
}

// Read holds back what it has read while the gate is stalled.
func (c *gateConn) Read(p []byte) (int, error) {
	n, err := c.Conn.Read(p)
	c.gate.mu.Lock()
	defer c.gate.mu.Unlock()
	for c.gate.stalled {
		c.gate.changed.Wait()
	}
	return n, err
}

// lose breaks the connection that the next answer goes to, instead of that answer.
func (g *gate) lose() {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.losing = true
}

func (c *gateConn) Write(p []byte) (int, error) {
	c.gate.mu.Lock()
	lost := c.gate.losing
	c.gate.losing = false
	c.gate.mu.Unlock()
	if lost {
		return 0, errors.Join(net.ErrClosed, c.Close())
	}
	return c.Conn.Write(p)
}

func (c *gateConn) Close() error {
	c.gate.mu.Lock()
	delete(c.gate.conns, c)
	c.gate.mu.Unlock()
	return c.Conn.Close()
}
