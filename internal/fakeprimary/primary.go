package fakeprimary

import (
	"context"
	"errors"
	"net"
	"sync"
)

// Script is one connection's behaviour; n counts connections from 0. The connection is closed when it returns.
type Script func(n int, c *Conn)

// Primary runs a script for each connection, in a goroutine of its own.
type Primary struct {
	script Script
	wg     sync.WaitGroup

	mu         sync.Mutex
	n          int                // connections so far
	open       map[*Conn]struct{} // scripts that run
	closed     bool
	violations []string
}

// New makes a primary without a listener: connect by [Primary.Dial], or give it one with [Primary.Serve].
func New(script Script) *Primary {
	return &Primary{script: script, open: map[*Conn]struct{}{}}
}

// Dial connects over net.Pipe; it has the form of ingest.Config.Dial.
func (p *Primary) Dial(ctx context.Context) (net.Conn, error) {
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	ours, theirs := net.Pipe()
	if !p.start(ours) {
		_ = theirs.Close()
		return nil, errors.New("the fake primary is closed")
	}
	return theirs, nil
}

// Serve accepts connections until the listener is closed.
func (p *Primary) Serve(l net.Listener) {
	for {
		conn, err := l.Accept()
		if err != nil {
			return
		}
		if !p.start(conn) {
			return
		}
	}
}

func (p *Primary) start(conn net.Conn) bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.closed {
		_ = conn.Close()
		return false
	}
	n := p.n
	p.n++
	c := &Conn{p: p, conn: conn, left: -1}
	p.open[c] = struct{}{}
	p.wg.Go(func() {
		defer func() {
			c.Close()
			p.mu.Lock()
			delete(p.open, c)
			p.mu.Unlock()
		}()
		p.script(n, c)
	})
	return true
}

// Connections is how many connections have been made.
func (p *Primary) Connections() int {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.n
}

// Violations is what clients did that a replica may not do.
func (p *Primary) Violations() []string {
	p.mu.Lock()
	defer p.mu.Unlock()
	return append([]string(nil), p.violations...)
}

func (p *Primary) violation(what string) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.violations = append(p.violations, what)
}

// Close closes all connections and waits for the scripts, which find their connection closed.
func (p *Primary) Close() {
	p.mu.Lock()
	p.closed = true
	for c := range p.open {
		c.Close()
	}
	p.mu.Unlock()
	p.wg.Wait()
}
