package fakeprimary

import (
	"errors"
	"fmt"
	"net"
	"strings"
	"sync"

	"keyfeed/internal/resp"
)

// ErrCut is what Send gives when the connection was cut by [Conn.CutAfter].
var ErrCut = errors.New("cut as asked")

// Conn is the server's end of one connection. A script may read in one goroutine and send in another.
type Conn struct {
	p    *Primary
	conn net.Conn
	buf  []byte // received, not yet taken by Read

	mu     sync.Mutex
	left   int64 // bytes that may still be sent; -1 = any number
	sent   int64
	silent bool // the client must send nothing now
	psync  bool // PSYNC was received
}

// CutAfter closes the connection after n more bytes have been sent, in the middle of whatever is being sent then.
func (c *Conn) CutAfter(n int64) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.left = n
}

// Sent is the number of bytes sent.
func (c *Conn) Sent() int64 {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.sent
}

// Close closes the connection.
func (c *Conn) Close() { _ = c.conn.Close() }

// Send writes parts as they are, in one write.
func (c *Conn) Send(parts ...string) error {
	p := strings.Join(parts, "")
	c.mu.Lock()
	cut := c.left >= 0 && int64(len(p)) >= c.left
	if cut {
		p = p[:c.left]
	}
	if c.left >= 0 {
		c.left -= int64(len(p))
	}
	c.sent += int64(len(p))
	c.mu.Unlock()
	if len(p) > 0 {
		if _, err := c.conn.Write([]byte(p)); err != nil {
			return fmt.Errorf("sending: %w", err)
		}
	}
	if cut {
		c.Close()
		return ErrCut
	}
	return nil
}

// Read takes the next command.
func (c *Conn) Read() ([]string, error) {
	for {
		args, n, err := resp.Command(c.buf, nil)
		if err == nil {
			out := make([]string, len(args))
			for i, a := range args {
				out[i] = string(a)
			}
			c.buf = c.buf[n:]
			c.judge(out)
			return out, nil
		}
		if !errors.Is(err, resp.ErrShort) {
			return nil, fmt.Errorf("reading a command: %w", err)
		}
		more := make([]byte, 4096)
		got, err := c.conn.Read(more)
		if err != nil {
			return nil, fmt.Errorf("reading a command: %w", err)
		}
		c.buf = append(c.buf, more[:got]...)
	}
}

// judge notes what a replica may not send.
func (c *Conn) judge(args []string) {
	c.mu.Lock()
	silent, psync := c.silent, c.psync
	if len(args) > 0 && strings.EqualFold(args[0], "PSYNC") {
		c.psync, c.silent = true, true
	}
	c.mu.Unlock()
	switch {
	case !psync:
	case silent:
		c.p.violation(fmt.Sprintf("%q before the payload had ended", args))
	case len(args) != 3 || !strings.EqualFold(args[0], "REPLCONF") || !strings.EqualFold(args[1], "ACK"):
		c.p.violation(fmt.Sprintf("%q after PSYNC", args))
	}
}

// MayTalk says that the client may send ACKs from now on: +CONTINUE or the last byte of a payload is about to go out.
func (c *Conn) MayTalk() {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.silent = false
}

// ReadAck takes the next command, which has to be an ACK, and gives its offset.
func (c *Conn) ReadAck() (int64, error) {
	args, err := c.Read()
	if err != nil {
		return 0, err
	}
	var n int64
	if len(args) != 3 || !strings.EqualFold(args[1], "ACK") {
		return 0, fmt.Errorf("%q is not an ACK", args)
	}
	if _, err := fmt.Sscan(args[2], &n); err != nil {
		return 0, fmt.Errorf("reading the offset of an ACK: %w", err)
	}
	return n, nil
}
