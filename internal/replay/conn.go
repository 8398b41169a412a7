package replay

import (
	"bufio"
	"errors"
	"fmt"
	"io"
	"strconv"
	"strings"
)

// Limits of a round: so many commands or bytes are written before the replies are read.
const (
	roundCommands = 1000
	roundBytes    = 1 << 20
)

// errReply is wrapped by errors about bytes from the target that are no RESP2 reply, their end included.
var errReply = fmt.Errorf("%w: reading a reply", ErrAway)

// maxReplyBulk bounds a bulk string of a reply: 512 MiB, what the server's own limit for strings is.
const maxReplyBulk = 512 << 20

// reply is one RESP2 reply. A nil bulk or array has nothing in it.
type reply struct {
	kind byte // + - : $ *
	text []byte
	elem []reply
}

// err returns the first error in the reply, inside arrays too (the answer of EXEC).
func (r *reply) err() error {
	if r.kind == '-' {
		return errors.New(string(r.text))
	}
	for i := range r.elem {
		if err := r.elem[i].err(); err != nil {
			return err
		}
	}
	return nil
}

// pipeline sends commands to the target and reads the replies a round at a time. One goroutine uses it.
type pipeline struct {
	w       io.Writer
	buf     []byte // commands of this round, not yet written
	r       *bufio.Reader
	waiting []waiting // commands whose replies have not been read
	db      int       // selected in the target
	sent    int64
	refused func(id, cmd string, err error) error
}

type waiting struct {
	origin
	then func(*reply) error             // nil = an error reply is refused
	each func(i, n int, r *reply) error // instead of then: gets the elements of an array as they come, with n = 0 when there are none
}

func newPipeline(rw io.ReadWriter, refused func(id, cmd string, err error) error) *pipeline {
	return &pipeline{w: rw, r: bufio.NewReaderSize(rw, 64<<10), db: -1, refused: refused}
}

// selectDB makes db the selected database.
func (p *pipeline) selectDB(id string, db int) error {
	if p.db == db {
		return nil
	}
	p.db = db
	return p.send(id, nil, []byte("SELECT"), strconv.AppendInt(nil, int64(db), 10))
}

// send queues a command; id names the event in errors. then, when not nil, gets the reply, errors included.
func (p *pipeline) send(id string, then func(*reply) error, args ...[]byte) error {
	p.queue(waiting{origin: origin{id, string(args[0])}, then: then}, args...)
	if len(p.waiting) >= roundCommands || len(p.buf) >= roundBytes {
		return p.round()
	}
	return nil
}

// queue is send for what must not start a round by itself.
func (p *pipeline) queue(w waiting, args ...[]byte) {
	p.buf = appendCommand(p.buf, args...)
	p.waiting = append(p.waiting, w)
	p.sent++
}

// queueBatch queues the commands of b behind a MULTI; each must be answered by QUEUED.
func (p *pipeline) queueBatch(b *batch) {
	p.buf = append(p.buf, b.buf...)
	for _, o := range b.from {
		p.waiting = append(p.waiting, waiting{origin: o, then: func(r *reply) error { return queued(o, r) }})
	}
	p.sent += int64(len(b.from))
	if b.db >= 0 {
		p.db = b.db
	}
}

// round writes what is queued and reads all replies.
func (p *pipeline) round() error {
	if _, err := p.w.Write(p.buf); err != nil {
		return fmt.Errorf("%w: writing: %w", ErrAway, err)
	}
	p.buf = p.buf[:0]
	if cap(p.buf) > 4*roundBytes { // after a big value
		p.buf = nil
	}
	round := p.waiting
	p.waiting = nil // callbacks may queue anew
	for i, w := range round {
		if w.each != nil {
			if err := p.readEach(w.each); err != nil {
				return err
			}
			continue
		}
		r, err := p.read(0)
		if err != nil {
			return fmt.Errorf("after %d of %d replies: %w", i, len(round), err)
		}
		if w.then != nil {
			if err := w.then(&r); err != nil {
				return err
			}
			continue
		}
		if err := r.err(); err != nil {
			if err := p.refused(w.id, w.cmd, err); err != nil {
				return err
			}
		}
	}
	return nil
}

// flush waits until every reply is read, those to commands of callbacks included.
func (p *pipeline) flush() error {
	for len(p.waiting) > 0 {
		if err := p.round(); err != nil {
			return err
		}
	}
	return nil
}

func (p *pipeline) read(depth int) (reply, error) {
	line, err := p.r.ReadSlice('\n')
	if err != nil {
		return reply{}, fmt.Errorf("%w: %w", errReply, err)
	}
	if len(line) < 3 || line[len(line)-2] != '\r' {
		return reply{}, fmt.Errorf("%w: a line without CRLF", errReply)
	}
	r := reply{kind: line[0]}
	rest := line[1 : len(line)-2]
	switch r.kind {
	case '+', '-', ':':
		r.text = append([]byte(nil), rest...)
		return r, nil
	case '$', '*':
	default:
		return reply{}, fmt.Errorf("%w: unknown kind %q", errReply, r.kind)
	}
	n, err := strconv.Atoi(string(rest))
	if err != nil || n < -1 || n > maxReplyBulk {
		return reply{}, fmt.Errorf("%w: bad length", errReply)
	}
	if n < 0 {
		return r, nil
	}
	if r.kind == '$' {
		r.text, err = readExactly(p.r, n+2)
		if err != nil {
			return reply{}, fmt.Errorf("%w: %w", errReply, err)
		}
		r.text = r.text[:n]
		return r, nil
	}
	if depth > 8 {
		return reply{}, fmt.Errorf("%w: nested too deep", errReply)
	}
	for range n {
		e, err := p.read(depth + 1)
		if err != nil {
			return reply{}, err
		}
		r.elem = append(r.elem, e)
	}
	return r, nil
}

// readEach hands out the elements of an array one by one: the answer to EXEC has as many as a transaction has commands. An
// error reply is handed out as it is.
func (p *pipeline) readEach(each func(i, n int, r *reply) error) error {
	head, err := p.r.Peek(1)
	if err != nil {
		return fmt.Errorf("%w: %w", errReply, err)
	}
	if head[0] != '*' {
		r, err := p.read(0)
		if err != nil {
			return err
		}
		return each(0, 1, &r)
	}
	line, err := p.r.ReadSlice('\n')
	if err != nil {
		return fmt.Errorf("%w: %w", errReply, err)
	}
	n, err := strconv.Atoi(strings.TrimSuffix(string(line[1:]), "\r\n"))
	if err != nil || n < -1 || n > maxReplyBulk {
		return fmt.Errorf("%w: bad length", errReply)
	}
	if n <= 0 {
		return each(0, 0, &reply{})
	}
	for i := range n {
		r, err := p.read(1)
		if err != nil {
			return err
		}
		if err := each(i, n, &r); err != nil {
			return err
		}
	}
	return nil
}

// readExactly grows its buffer only as bytes come (invariant 6).
func readExactly(r io.Reader, n int) ([]byte, error) {
	const step = 1 << 20
	buf := make([]byte, 0, min(n, step))
	for len(buf) < n {
		from := len(buf)
		more := min(n-from, step)
		buf = append(buf, make([]byte, more)...)
		if _, err := io.ReadFull(r, buf[from:]); err != nil {
			return nil, err
		}
	}
	return buf, nil
}
