package command

import (
	"unicode/utf8"

	"keyfeed/internal/event"
)

// fitting measures events that may be too large.
type fitting struct {
	txn     event.Txn
	omitted event.Omitted
	binary  *event.Encoder // as Decoder.enc, but always base64
	pieces  [][]byte       // arguments of a piece
	num     [20]byte
}

// envelope is room for all fields of an event without the strings of the command, see event.Encoder.Bound.
const envelope = 2048

// bigSize is the size of a command, in bytes of the stream, up to which each of its events surely fits: its strings
// stand in key, keys and args at most, and a byte becomes six at most.
func bigSize(s event.Settings) int {
	return min((s.MaxBytes-envelope-len(s.Source))/18, event.MaxKeyBytes)
}

// most stands for numbers that are not known yet where an event is measured: how a command is cut must not depend on
// them, nor on when it is decoded (invariant 5).
const (
	most   = 9_999_999_999
	mostMs = 9_999_999_999_999
)

// measured runs f on e as large as its numbers can become.
func (d *Decoder) measured(e *event.Event, f func(*event.Event) int) int {
	ts, seq, n := e.TsMs, e.Seq, e.N
	d.fit.txn = event.Txn{Gen: most, Offset: 1<<63 - 1, Seq: most, Size: most, Last: true}
	e.TsMs, e.Seq, e.N, e.Txn = mostMs, most, most, &d.fit.txn
	size := f(e)
	e.TsMs, e.Seq, e.N, e.Txn = ts, seq, n, nil
	return size
}

func (d *Decoder) fits(e *event.Event) bool {
	return d.measured(e, func(e *event.Event) int {
		if d.enc.Fits(e) {
			return 1
		}
		return 0
	}) == 1
}

func (d *Decoder) size(e *event.Event) int { return d.measured(e, d.enc.Size) }

func (d *Decoder) binarySize(e *event.Event) int {
	if d.fit.binary == nil {
		s := d.set.Settings
		s.BinaryAlways = true
		d.fit.binary = event.NewEncoder(s)
	}
	return d.measured(e, d.fit.binary.Size)
}

// putBig hands an event out as it is, in pieces, or without what made it too large.
func (d *Decoder) putBig(e *event.Event, c cut) error {
	if d.skim.active && len(e.Args) > 0 {
		return d.omit(e)
	}
	if d.fits(e) {
		return d.next(e)
	}
	args := e.Args
	e.Args = nil
	keyFits := d.fits(e)
	e.Args = args
	if keyFits {
		switch c {
		case cutElements:
			return d.cutArgs(e, 0, 1)
		case cutPairs:
			return d.cutArgs(e, 0, 2)
		case cutZAdd:
			return d.cutArgs(e, zaddOptions(args), 2)
		case cutSet:
			return d.cutSet(e)
		case cutAppend:
			return d.cutAppend(e, args[0])
		case cutSetRange:
			return d.cutSetRange(e)
		case cutNone:
		}
	}
	return d.omit(e)
}

// omit hands an event out without its arguments.
func (d *Decoder) omit(e *event.Event) error {
	if !d.dry {
		if d.skim.active {
			d.omitSkimmed(e)
		} else {
			d.enc.Omit(e, &d.fit.omitted)
		}
		if d.block.mode != counting {
			d.counts.Oversize++
		}
	}
	return d.next(e)
}

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

// cutSet hands SET out with the first piece of its value, and the rest as APPEND, which keeps the deadline.
func (d *Decoder) cutSet(e *event.Event) error {
	whole := *e
	value, options := e.Args[0], e.Args[1:]
	n := d.piece(e, 0, value, options)
	if n == 0 {
		return d.omit(e)
	}
	d.fit.pieces = append(append(d.fit.pieces[:0], value[:n]), options...)
	e.Args = d.fit.pieces
	if err := d.next(e); err != nil {
		return err
	}
	*e = whole
	e.Op, e.Effect, e.Cmd = event.OpUpdate, event.EffectDelta, "APPEND"
	e.ExpireAtMs, e.HasExpire = 0, false
	return d.cutAppend(e, value[n:])
}

// cutAppend hands e, an APPEND, out once for each piece of value.
func (d *Decoder) cutAppend(e *event.Event, value []byte) error {
	whole := *e
	for len(value) > 0 {
		*e = whole
		n := d.piece(e, 0, value, nil)
		if n == 0 {
			e.Args = [][]byte{value}
			return d.omit(e)
		}
		d.fit.pieces = append(d.fit.pieces[:0], value[:n])
		e.Args = d.fit.pieces
		if err := d.next(e); err != nil {
			return err
		}
		value = value[n:]
	}
	return nil
}

// cutSetRange hands SETRANGE out once for each piece of its value, at the offset of the piece.
func (d *Decoder) cutSetRange(e *event.Event) error {
	whole := *e
	value := e.Args[1]
	at, ok := number(e.Args[0])
	if _, inside := plus(at, int64(len(value))); !ok || !inside {
		return d.omit(e)
	}
	for len(value) > 0 {
		*e = whole
		offset := appendDigits(d.fit.num[:0], at)
		d.fit.pieces = append(d.fit.pieces[:0], offset)
		n := d.piece(e, 1, value, d.fit.pieces)
		if n == 0 {
			e.Args = [][]byte{offset, value}
			return d.omit(e)
		}
		d.fit.pieces = append(d.fit.pieces[:1], value[:n])
		e.Args = d.fit.pieces
		if err := d.next(e); err != nil {
			return err
		}
		value = value[n:]
		at += int64(n)
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

// minPiece is the least room for a piece of a string that is worth an event.
const minPiece = 256

// piece says how many bytes of value, the argument at index at among others, fit in e. 0: the others leave no room.
//
// A piece of text ends between two characters, so that it is text by itself. A piece that holds a byte that is no
// UTF-8 is as long as base64 allows.
func (d *Decoder) piece(e *event.Event, at int, value []byte, others [][]byte) int {
	args := make([][]byte, 0, len(others)+1)
	args = append(append(append(args, others[:at]...), nil), others[at:]...)
	old := e.Args
	e.Args = args
	text, base64 := d.set.MaxBytes-d.size(e), d.set.MaxBytes-d.binarySize(e)
	e.Args = old
	if text < minPiece || base64 < minPiece {
		return 0
	}
	binary := d.set.BinaryAlways
	for _, o := range others {
		binary = binary || !utf8.Valid(o)
	}
	longest := min(len(value), base64/4*3)
	if binary {
		return longest
	}
	cost, i := 0, 0
	for i < len(value) {
		n, c := 1, 1
		switch b := value[i]; {
		case b >= utf8.RuneSelf:
			if _, n = utf8.DecodeRune(value[i:]); n == 1 {
				return max(i, longest)
			}
			c = n
		case b < 0x20 || b == '"' || b == '\\':
			c = escapeLen(b)
		}
		if cost+c > text {
			break
		}
		cost += c
		i += n
	}
	return i
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
