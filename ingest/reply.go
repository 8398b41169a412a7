package ingest

import (
	"errors"
	"strconv"
)

// errNotRESP says that the bytes are no reply of RESP2.
var errNotRESP = errors.New("not a reply of the Redis protocol")

// Limits of a reply to what the handshake asks; ACL GETUSER is the largest array.
const (
	replyDepth = 4
	replyItems = 4096
)

// reply is one RESP2 reply, copied out of the buffer.
type reply struct {
	kind  byte   // + - : $ *
	text  string // of all but *
	null  bool
	items []reply
}

func (r reply) isError() bool { return r.kind == '-' }

// readReply takes one reply from l.
func readReply(l *link) (reply, error) {
	left := replyItems
	return readItem(l, replyDepth, &left)
}

func readItem(l *link, depth int, left *int) (reply, error) {
	if *left--; *left < 0 || depth == 0 {
		return reply{}, errNotRESP
	}
	c, err := l.peek()
	if err != nil {
		return reply{}, err
	}
	switch c {
	case '+', '-', ':', '$', '*':
	default: // before waiting for the end of a line that may never come
		return reply{}, errNotRESP
	}
	line, err := l.line()
	if err != nil {
		return reply{}, err
	}
	r := reply{kind: c}
	if c != '$' && c != '*' {
		r.text = string(line[1:])
		return r, nil
	}
	n, err := strconv.ParseInt(string(line[1:]), 10, 32)
	switch {
	case err != nil || n < -1:
		return reply{}, errNotRESP
	case n == -1:
		r.null = true
		return r, nil
	case c == '$':
		if n > bulkLimit {
			return reply{}, errNotRESP
		}
		p, err := l.bulk(int(n))
		if err != nil {
			return reply{}, err
		}
		r.text = string(p)
		return r, nil
	}
	for range n { // appended one by one: n is only what the header says (invariant 6)
		item, err := readItem(l, depth-1, left)
		if err != nil {
			return reply{}, err
		}
		r.items = append(r.items, item)
	}
	return r, nil
}
