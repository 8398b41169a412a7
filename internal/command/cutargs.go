package command

import (
	"unicode/utf8"

	"keyfeed/internal/event"
)

// cutArgs hands e out in pieces of as many groups of step arguments as fit; each begins with the first lead arguments.
// A group that is too large alone is a piece that is omitted.
func (d *Decoder) cutArgs(e *event.Event, lead, step int) error {
	whole := *e
	args := e.Args
	e.Args = nil
	base := measure{size: d.size(e), always: d.set.BinaryAlways}
	for _, a := range args[:lead] {
		base.add(a)
	}
	for i := lead; i < len(args); {
		m, j := base, i
		for j < len(args) {
			next := m
			for _, a := range args[j : j+step] {
				next.add(a)
			}
			if j > i && next.total() > d.set.MaxBytes {
				break
			}
			m, j = next, j+step
		}
		*e = whole
		e.Args = args[i:j]
		if lead > 0 {
			d.fit.pieces = append(append(d.fit.pieces[:0], args[:lead]...), args[i:j]...)
			e.Args = d.fit.pieces
		}
		put := d.next
		if m.total() > d.set.MaxBytes {
			put = d.omit
		}
		if err := put(e); err != nil {
			return err
		}
		i = j
	}
	return nil
}

// measure is the size of an event whose arguments are added one by one.
type measure struct {
	size         int // without arguments
	text, base64 int // of the strings, with quotes and commas
	binary       bool
	always       bool // the settings ask for base64
	some         bool
}

const encField = `,"enc":"base64"`

func (m *measure) add(s []byte) {
	quotes := 2
	if m.some {
		quotes = 3 // and a comma
	}
	m.some = true
	n, isText := textLen(s)
	m.text += n + quotes
	m.base64 += (len(s)+2)/3*4 + quotes
	m.binary = m.binary || !isText
}

func (m *measure) total() int {
	switch {
	case m.always:
		return m.size + m.base64
	case m.binary:
		return m.size + m.base64 + len(encField)
	default:
		return m.size + m.text
	}
}

// textLen is the length of s in JSON, without quotes; false when s is not UTF-8. It is event's escaping, counted.
func textLen(s []byte) (n int, isText bool) {
	n = len(s)
	for _, b := range s {
		if b < 0x20 || b == '"' || b == '\\' {
			n += escapeLen(b) - 1
		}
	}
	return n, utf8.Valid(s)
}

func escapeLen(b byte) int {
	switch b {
	case '"', '\\', '\b', '\f', '\n', '\r', '\t':
		return 2
	default:
		return 6
	}
}
