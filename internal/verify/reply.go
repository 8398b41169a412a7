package verify

import (
	"bufio"
	"errors"
	"fmt"
	"hash"
	"io"
	"strconv"
	"strings"
)

const (
	maxBulk  = 1 << 30 // the servers' own limit for a string is 512 MiB; a DUMP of it is a little more
	maxDepth = 8
	// keepBuffer is how large a buffer may stay for the next reply.
	keepBuffer = 64 << 10
)

// errProtocol says that the bytes are no reply that was asked for.
var errProtocol = errors.New("not the reply that was expected")

// replyError is an error that the server answered with. The reply is read to its end: the connection is usable.
type replyError struct{ text string }

func (e *replyError) Error() string { return e.text }

// code is the first word, such as NOPERM.
func (e *replyError) code() string {
	word, _, _ := strings.Cut(e.text, " ")
	return word
}

// hasCode reports whether err is an answer of the server with one of these codes.
func hasCode(err error, codes ...string) bool {
	e, ok := errors.AsType[*replyError](err)
	if !ok {
		return false
	}
	for _, c := range codes {
		if e.code() == c {
			return true
		}
	}
	return false
}

// isUnknown reports whether the server said that it does not have the command.
func isUnknown(err error) bool {
	e, ok := errors.AsType[*replyError](err)
	return ok && (strings.HasPrefix(e.text, "ERR unknown") || strings.HasPrefix(e.text, "ERR Unknown"))
}

// reader reads RESP2 replies piece by piece, so that whoever asked decides what of a reply is held: a bulk string may go
// through a hash and never be in memory.
type reader struct {
	br  *bufio.Reader
	buf []byte
}

func newReader(r io.Reader) *reader { return &reader{br: bufio.NewReaderSize(r, 64<<10)} }

// line reads the first line of a reply: its kind and what follows. An error reply comes back as a *replyError.
func (r *reader) line() (kind byte, rest []byte, err error) {
	line, err := r.br.ReadSlice('\n')
	if err != nil {
		return 0, nil, fmt.Errorf("reading a reply: %w", err)
	}
	if len(line) < 3 || line[len(line)-2] != '\r' {
		return 0, nil, fmt.Errorf("reading a reply: %w: a line without its end", errProtocol)
	}
	kind, rest = line[0], line[1:len(line)-2]
	if kind == '-' {
		// What follows here would repeat arguments, which may be values.
		text, _, _ := strings.Cut(string(rest), ", with args beginning with")
		return kind, nil, &replyError{text}
	}
	return kind, rest, nil
}

// number reads the first line of a reply of a kind and its number: the value of an integer, else the length, -1 for null.
func (r *reader) number(kind byte) (int64, error) {
	got, rest, err := r.line()
	if err != nil {
		return 0, err
	}
	if got != kind {
		return 0, fmt.Errorf("reading a reply: %w: %q in place of %q", errProtocol, got, kind)
	}
	n, err := strconv.ParseInt(string(rest), 10, 64)
	if err != nil || kind != ':' && (n < -1 || n > maxBulk) {
		return 0, fmt.Errorf("reading a reply: %w: a number", errProtocol)
	}
	return n, nil
}

func (r *reader) integer() (int64, error) { return r.number(':') }

// bulk reads the head of a bulk string and returns how many bytes follow; -1 for null.
func (r *reader) bulk() (int64, error) { return r.number('$') }

// array reads the head of an array and returns how many replies follow; -1 for null.
func (r *reader) array() (int, error) {
	n, err := r.number('*')
	return int(n), err
}

// arrayOf reads the head of an array that must have n elements.
func (r *reader) arrayOf(n int) error {
	got, err := r.array()
	if err == nil && got != n {
		err = fmt.Errorf("reading a reply: %w: %d elements in place of %d", errProtocol, got, n)
	}
	return err
}

// groupsOf reads the head of an array that must hold elements of so many replies each, and returns how many elements.
func (r *reader) groupsOf(each int) (int, error) {
	n, err := r.array()
	if err == nil && (n < 0 || n%each != 0) {
		err = fmt.Errorf("reading a reply: %w: %d replies in groups of %d", errProtocol, n, each)
	}
	return n / each, err
}

// scalar reads a status, an integer or a bulk string as text. The whole text is held. ok is false for null.
func (r *reader) scalar() (text string, ok bool, err error) {
	kind, rest, err := r.line()
	if err != nil {
		return "", false, err
	}
	switch kind {
	case '+', ':':
		return string(rest), true, nil
	case '$':
	default:
		return "", false, fmt.Errorf("reading a reply: %w: %q in place of a string", errProtocol, kind)
	}
	n, err := strconv.Atoi(string(rest))
	if err != nil || n < -1 || n > maxBulk {
		return "", false, fmt.Errorf("reading a reply: %w: a length", errProtocol)
	}
	if n < 0 {
		return "", false, nil
	}
	if cap(r.buf) > keepBuffer {
		r.buf = nil
	}
	r.buf = r.buf[:0]
	err = r.pieces(int64(n), func(p []byte) { r.buf = append(r.buf, p...) })
	return string(r.buf), err == nil, err
}

// text is scalar for what is never null.
func (r *reader) text() (string, error) {
	s, ok, err := r.scalar()
	if err == nil && !ok {
		err = fmt.Errorf("reading a reply: %w: null", errProtocol)
	}
	return s, err
}

// pieces hands out n bytes as they come, and passes the end of the bulk string. Nothing is sized by n (invariant 6).
func (r *reader) pieces(n int64, take func([]byte)) error {
	for n > 0 {
		if _, err := r.br.Peek(1); err != nil {
			return fmt.Errorf("reading a reply: %w", err)
		}
		p, err := r.br.Peek(int(min(n, int64(r.br.Buffered()))))
		if err != nil {
			return fmt.Errorf("reading a reply: %w", err)
		}
		take(p)
		n -= int64(len(p))
		if _, err := r.br.Discard(len(p)); err != nil {
			return fmt.Errorf("reading a reply: %w", err)
		}
	}
	end := make([]byte, 2)
	if _, err := io.ReadFull(r.br, end); err != nil {
		return fmt.Errorf("reading a reply: %w", err)
	}
	if end[0] != '\r' || end[1] != '\n' {
		return fmt.Errorf("reading a reply: %w: a string without its end", errProtocol)
	}
	return nil
}

// hashInto puts the bytes of a bulk string into h without holding them. It returns their number, -1 for null.
func (r *reader) hashInto(h hash.Hash) (int64, error) {
	n, err := r.bulk()
	if err != nil || n < 0 {
		return n, err
	}
	return n, r.pieces(n, func(p []byte) { h.Write(p) })
}

// fields reads an array of names and values, as XINFO answers, in which value must read what stands behind the name.
func (r *reader) fields(value func(name string) error) error {
	n, err := r.groupsOf(2)
	if err != nil {
		return err
	}
	for range n {
		name, err := r.text()
		if err != nil {
			return err
		}
		if err := value(name); err != nil {
			return err
		}
	}
	return nil
}

// skip passes one reply, whatever it is.
func (r *reader) skip() error { return r.skipNested(0) }

func (r *reader) skipNested(depth int) error {
	if depth > maxDepth {
		return fmt.Errorf("reading a reply: %w: nested too deep", errProtocol)
	}
	first, err := r.br.Peek(1)
	if err != nil {
		return fmt.Errorf("reading a reply: %w", err)
	}
	switch first[0] {
	case '$':
		n, err := r.bulk()
		if err != nil || n < 0 {
			return err
		}
		return r.pieces(n, func([]byte) {})
	case '*':
		n, err := r.array()
		for ; err == nil && n > 0; n-- {
			err = r.skipNested(depth + 1)
		}
		return err
	default:
		_, _, err := r.line()
		return err
	}
}
