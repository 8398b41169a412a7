package command

import (
	"unicode/utf8"

	"keyfeed/internal/event"
)

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
