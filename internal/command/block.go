package command

import (
	"keyfeed/internal/event"
	"keyfeed/internal/resp"
)

// mode says what becomes of an event.
type mode uint8

const (
	outside   mode = iota // no block: it is handed out
	counting              // the block is counted and its events are filtered; nothing is handed out
	replaying             // the counted block is decoded again, its events are handed out
	streaming             // the block was too large to count: its events are handed out one behind
)

// block is the MULTI block under way.
//
// A block of up to Settings.MaxTxnBuffer bytes is decoded twice: counted from MULTI to EXEC, then replayed, with the
// size of the transaction and its last kept event known. Whether a block is counted depends on its length only, never
// on how it was cut into chunks (invariant 5).
//
// A larger block is streamed: the newest kept event is held until the next one, or EXEC, tells whether it is the last.
type block struct {
	mode   mode
	closed bool // EXEC was counted: the replay is due
	txn    event.Txn

	// Of the counted part.
	kept    []uint64 // one bit an event: it is to be handed out
	counted int64    // events that have a bit
	last    int64    // index of the last event to be handed out; -1: none

	held held
}

// due reports whether counting is over: the block is whole, or has become too large to be held.
func (b *block) due(d *Decoder) bool {
	return b.mode == counting && (b.closed || d.end-d.unitStart > int64(d.set.MaxTxnBuffer))
}

func (d *Decoder) multi() {
	if d.block.mode != outside {
		return // a MULTI inside a block changes nothing; EXEC ends all
	}
	b := &d.block
	b.mode, b.closed = counting, false
	b.txn = event.Txn{Gen: d.gen, Offset: d.end}
	b.kept, b.counted, b.last = b.kept[:0], 0, -1
}

func (d *Decoder) exec() error {
	b := &d.block
	switch b.mode {
	case counting:
		b.closed = true
	case replaying:
		b.mode = outside
	case streaming:
		b.mode = outside
		return d.release(true)
	case outside: // the end of a block whose beginning is not in the stream: it has no event, as any EXEC
		d.counts.StrayExec++
	}
	return nil
}

// replay decodes the counted commands again, from MULTI on, and hands their events out.
func (d *Decoder) replay(p []byte) error {
	b := &d.block
	end, db, now := d.end, d.db, d.now
	b.mode = streaming
	if b.closed && end-d.unitStart <= int64(d.set.MaxTxnBuffer) {
		b.mode = replaying
		b.txn.Size = d.unitEvents
	}
	b.closed = false
	d.end, d.db, d.unitEvents = d.unitStart, d.unitDB, 0
	next := 0 // of the arrivals
	for i := 0; d.end < end; {
		argv, n, err := resp.Command(p[i:], d.argv)
		d.argv = argv[:0]
		if err != nil {
			return d.streamError(err) // cannot be: it was parsed before
		}
		i += n
		d.end += int64(n)
		for next < len(d.cut.arrivals)-1 && d.cut.arrivals[next].end < d.end {
			next++
		}
		if next < len(d.cut.arrivals) {
			d.now = d.cut.arrivals[next].at
		}
		if err := d.sized(argv, p[i-n:i]); err != nil {
			return err
		}
	}
	d.db, d.now = db, now
	d.cut.arrivals = d.cut.arrivals[:0]
	return nil
}

// emit hands an event out, or does what the mode says instead.
func (d *Decoder) emit(e *event.Event) error {
	i := d.unitEvents
	d.unitEvents++
	b := &d.block
	switch b.mode {
	case counting:
		b.count(i, i >= d.skip && (d.keep == nil || d.keep(e)))
		return nil
	case replaying:
		if !b.isKept(i) {
			return nil
		}
		if b.txn.Size > 1 {
			b.txn.Seq, b.txn.Last = i, i == b.last
			e.Txn = &b.txn
		}
		return d.hand(e, i)
	case streaming:
		return d.hold(e, i)
	default:
		if i < d.skip || d.keep != nil && !d.keep(e) {
			return nil
		}
		return d.hand(e, i)
	}
}

// hand gives event i of the unit to the handler.
func (d *Decoder) hand(e *event.Event, i int64) error {
	d.at = i + 1
	return d.h.Event(e)
}

func (b *block) count(i int64, keep bool) {
	if i%64 == 0 {
		b.kept = append(b.kept, 0)
	}
	if keep {
		b.kept[i/64] |= 1 << (i % 64)
		b.last = i
	}
	b.counted = i + 1
}

func (b *block) isKept(i int64) bool { return b.kept[i/64]>>(i%64)&1 == 1 }
