package command

import "keyfeed/internal/event"

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
