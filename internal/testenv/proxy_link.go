package testenv

import (
	"io"
	"net"
	"sync/atomic"
	"time"
)

// link is one connection through a proxy: two sockets and a pump for each direction.
type link struct {
	proxy            *TCPProxy
	client, upstream net.Conn
	halfOpen         atomic.Bool
	finished         atomic.Bool // by FIN: nothing more is passed on
}

// drainFor is how long an end of a link by FIN waits for the end of the two sides.
const drainFor = 10 * time.Second

// pump passes bytes on in one direction until an end, an error or a cut. After an end by FIN it takes what the sender
// still sends: closing a socket that holds unread bytes resets it, and with that the receiver of the other direction
// would lose what is on its way.
func (l *link) pump(dir Direction) {
	src, dst := l.client, l.upstream
	if dir == Down {
		src, dst = dst, src
	}
	l.pass(dir, src, dst)
	if l.finished.Load() {
		_, _ = io.Copy(io.Discard, src) // until it ends, or drainFor is over
	}
}

func (l *link) pass(dir Direction, src, dst net.Conn) {
	buf := make([]byte, 64<<10)
	var passed int64
	for {
		if l.cut(dir, passed) {
			return
		}
		l.proxy.waitGate()
		n, err := src.Read(buf)
		l.proxy.waitGate() // a stall may have begun while Read was waiting
		for rest := buf[:n]; len(rest) > 0; {
			piece := rest
			if room, ok := l.proxy.room(dir, passed); ok {
				piece = rest[:min(int64(len(rest)), max(room, 1))]
			}
			if l.halfOpen.Load() || l.finished.Load() {
				break
			}
			if _, werr := dst.Write(piece); werr != nil {
				err = werr
				break
			}
			rest = rest[len(piece):]
			passed += int64(len(piece))
			l.proxy.bytes[dir].Add(int64(len(piece)))
			if l.cut(dir, passed) {
				return
			}
		}
		switch {
		case l.finished.Load():
			return
		case l.halfOpen.Load():
			l.swallow(dir)
			return
		case err == io.EOF: //nolint:errorlint // Read of a net.Conn returns io.EOF itself
			closeWrite(dst)
			return
		case err != nil:
			l.end(RST)
			return
		}
	}
}

// cut ends the connection when a cut is due at this count, and reports whether the pump is to end.
func (l *link) cut(dir Direction, passed int64) bool {
	how, ok := l.proxy.takeCut(dir, passed)
	switch {
	case !ok:
		return false
	case how == stall:
		l.proxy.Stall()
		l.proxy.waitGate()
		return false
	}
	l.end(how)
	return how != HalfOpen
}

// swallow keeps the client's side of a half-open connection alive: what it sends is read and dropped until it ends.
func (l *link) swallow(dir Direction) {
	if dir == Up {
		_, _ = io.Copy(io.Discard, l.client)
	}
}

// end breaks the connection. It may be called several times.
func (l *link) end(how Cut) {
	switch how {
	case FIN:
		l.finished.Store(true)
		for _, c := range []net.Conn{l.client, l.upstream} {
			closeWrite(c)
			_ = c.SetReadDeadline(time.Now().Add(drainFor))
		}
	case RST:
		reset(l.client)
		reset(l.upstream)
	case HalfOpen:
		l.halfOpen.Store(true)
		_ = l.upstream.Close()
	case stall:
	}
}

func (l *link) close() {
	_ = l.client.Close()
	_ = l.upstream.Close()
}

func reset(c net.Conn) {
	if tcp, ok := c.(*net.TCPConn); ok {
		_ = tcp.SetLinger(0)
	}
	_ = c.Close()
}

func closeWrite(c net.Conn) {
	if tcp, ok := c.(*net.TCPConn); ok {
		_ = tcp.CloseWrite()
	}
}
