package fakeprimary

import (
	"errors"
	"fmt"
	"strconv"
	"strings"
)

// Mark ends payloads without a size. It is the same for all, as a server's may be.
const Mark = "188d6eb7ec0654a02d5c9f3f36db92db05ef819e"

// History is what a well-behaved primary has: a snapshot and the stream behind it.
type History struct {
	ReplID  string // 40 hex digits
	Offset  int64  // of the snapshot
	Payload string
	Marked  bool // the payload ends with Mark instead of having a size
	Stream  string
	First   int64             // the first byte that a partial resync can be served from; 0 = Offset+1
	Replies map[string]string // for Handshake

	// ReplID2 is the id before a failover, and Second the first byte that it does not cover; empty = there was none.
	ReplID2 string
	Second  int64

	Acked func(offset int64)        // called for each ACK; may be nil
	Asked func(replid, from string) // called for PSYNC; may be nil
}

// Serve is a whole connection: handshake, the answer to PSYNC, snapshot if need be, stream, then ACKs until the client
// leaves.
func (h *History) Serve(c *Conn) error {
	replid, from, err := c.Handshake(h.Replies)
	if err != nil {
		return err
	}
	if h.Asked != nil {
		h.Asked(replid, from)
	}
	asked, _ := strconv.ParseInt(from, 10, 64)
	first := max(h.First, h.Offset+1)
	known := strings.EqualFold(replid, h.ReplID) || h.ReplID2 != "" && strings.EqualFold(replid, h.ReplID2) && asked <= h.Second
	if known && asked >= first && asked <= h.Offset+int64(len(h.Stream))+1 {
		c.MayTalk()
		return h.sendWhileReading(c, "+CONTINUE "+h.ReplID+"\r\n"+h.Stream[asked-h.Offset-1:])
	}
	if err := c.Send("\n+FULLRESYNC ", h.ReplID, " ", strconv.FormatInt(h.Offset, 10), "\r\n", "\n"); err != nil {
		return err
	}
	if !h.Marked {
		last := max(0, len(h.Payload)-1)
		if err := c.Send("$", strconv.Itoa(len(h.Payload)), "\r\n", h.Payload[:last]); err != nil {
			return err
		}
		c.MayTalk()
		return h.sendWhileReading(c, h.Payload[last:]+h.Stream)
	}
	if err := c.Send("$EOF:", Mark, "\r\n", h.Payload); err != nil {
		return err
	}
	c.MayTalk()
	if err := c.Send(Mark); err != nil {
		return err
	}
	// A server sends no stream before it notices an ACK, and it misses those that come before its child is reaped.
	for range 2 {
		n, err := c.ReadAck()
		if err != nil {
			return err
		}
		if h.Acked != nil {
			h.Acked(n)
		}
	}
	return h.sendWhileReading(c, h.Stream)
}

// sendWhileReading sends p, and takes ACKs until the client leaves, as a server with its event loop does: over net.Pipe a client that
// acknowledges while nobody reads would wait for ever.
func (h *History) sendWhileReading(c *Conn, p string) error {
	done := make(chan error, 1)
	go func() { done <- c.Send(p) }()
	read := make(chan error, 1)
	go func() { read <- h.acks(c) }()
	if err := <-done; err != nil {
		c.Close()
		return errors.Join(err, <-read)
	}
	return <-read
}

func (h *History) acks(c *Conn) error {
	for {
		n, err := c.ReadAck()
		if err != nil {
			return fmt.Errorf("the client left: %w", err)
		}
		if h.Acked != nil {
			h.Acked(n)
		}
	}
}
