package verify

import (
	"context"
	"crypto/tls"
	"fmt"
	"net"
	"strconv"
	"time"

	"keyfeed/internal/resp"
)

const (
	dialTimeout = 10 * time.Second
	// silence is how long a server may send nothing while an answer is due. A server that works on a large key for longer
	// is in trouble of another kind.
	silence = 2 * time.Minute
)

// conn sends commands in rounds and reads their replies. One goroutine uses it.
type conn struct {
	nc   net.Conn
	stop func() bool // unbinds nc from the context that it was dialed with
	r    *reader
	buf  []byte // commands of this round
	then []func(*reader) error
	db   int       // selected, -1 = not known
	last time.Time // when it was used
}

// dial connects. The connection ends with ctx.
func dial(ctx context.Context, s Server) (*conn, error) {
	dialing, cancel := context.WithTimeout(ctx, dialTimeout)
	defer cancel()
	var d net.Dialer
	nc, err := d.DialContext(dialing, s.Network, s.Address)
	if err != nil {
		return nil, fmt.Errorf("connecting: %w", err)
	}
	if s.TLS != nil {
		secure := tls.Client(nc, s.TLS)
		if err := secure.HandshakeContext(dialing); err != nil {
			_ = nc.Close()
			return nil, fmt.Errorf("connecting with TLS: %w", err)
		}
		nc = secure
	}
	nc = impatient{nc}
	stop := context.AfterFunc(ctx, func() { _ = nc.Close() })
	return &conn{nc: nc, stop: stop, r: newReader(nc), db: -1}, nil
}

func (c *conn) close() {
	c.stop()
	_ = c.nc.Close()
}

// impatient gives each read and write a deadline.
type impatient struct{ net.Conn }

// Read implements io.Reader.
func (c impatient) Read(p []byte) (int, error) {
	if err := c.SetReadDeadline(time.Now().Add(silence)); err != nil {
		return 0, err
	}
	return c.Conn.Read(p)
}

// Write implements io.Writer.
func (c impatient) Write(p []byte) (int, error) {
	if err := c.SetWriteDeadline(time.Now().Add(silence)); err != nil {
		return 0, err
	}
	return c.Conn.Write(p)
}

// do queues a command. then must read exactly its reply; an error that it returns ends the connection's use.
func (c *conn) do(then func(*reader) error, args ...string) {
	c.buf = resp.AppendCommand(c.buf, args...)
	c.then = append(c.then, func(r *reader) error {
		if err := then(r); err != nil {
			return fmt.Errorf("%s: %w", args[0], err)
		}
		return nil
	})
}

// use queues SELECT where another database is selected.
func (c *conn) use(db int) {
	if c.db == db {
		return
	}
	c.db = db
	c.do(func(r *reader) error {
		_, _, err := r.line()
		if err != nil {
			return &databaseError{db: db, err: err}
		}
		return nil
	}, "SELECT", strconv.Itoa(db))
}

// flush sends what is queued and reads all replies.
func (c *conn) flush() error {
	round := c.then
	c.then = c.then[:0:0]
	if len(round) == 0 {
		return nil
	}
	if _, err := c.nc.Write(c.buf); err != nil {
		return fmt.Errorf("writing: %w", err)
	}
	c.buf = c.buf[:0]
	if cap(c.buf) > 4*budget {
		c.buf = nil
	}
	for _, then := range round {
		if err := then(c.r); err != nil {
			return err
		}
	}
	c.last = time.Now()
	return nil
}

// ask sends one command.
func (c *conn) ask(then func(*reader) error, args ...string) error {
	c.do(then, args...)
	return c.flush()
}
