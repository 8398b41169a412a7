package command

import (
	"slices"

	"keyfeed/internal/event"
)

// held is the newest event of a streamed block that is to be handed out: a copy, since its bytes may be gone by then.
type held struct {
	event event.Event
	index int64 // in the unit; -1: none is held
	some  bool

	bytes   []byte
	args    [][]byte
	keys    [][]byte
	omitted event.Omitted
}

// hold keeps event i of a streamed block and hands out the one that was held: now it is known not to be the last.
func (d *Decoder) hold(e *event.Event, i int64) error {
	b := &d.block
	var keep bool
	if i < b.counted {
		keep = b.isKept(i) // filtered while the block was being counted
	} else {
		keep = i >= d.skip && (d.keep == nil || d.keep(e))
	}
	if !keep {
		return nil
	}
	if err := d.release(false); err != nil {
		return err
	}
	b.held.take(e, i)
	return nil
}

// release hands out the held event.
func (d *Decoder) release(last bool) error {
	h := &d.block.held
	if !h.some {
		return nil
	}
	h.some = false
	if d.unitEvents > 1 {
		txn := &d.block.txn
		txn.Seq, txn.Size, txn.Last = h.index, 0, last
		h.event.Txn = txn
	}
	return d.hand(&h.event, h.index)
}

func (h *held) take(e *event.Event, i int64) {
	size := len(e.Key)
	for _, list := range [...][][]byte{e.Args, e.Keys} {
		for _, s := range list {
			size += len(s)
		}
	}
	h.bytes = slices.Grow(h.bytes[:0], size) // once: the copies below point into it
	h.event, h.index, h.some = *e, i, true
	h.event.Key = h.copy(e.Key)
	h.args = h.copyAll(h.args, e.Args)
	h.event.Args = h.args
	if h.event.Keys != nil {
		h.keys = h.copyAll(h.keys, e.Keys)
		h.event.Keys = h.keys
	}
	if e.Omitted != nil {
		h.omitted = *e.Omitted
		h.event.Omitted = &h.omitted
	}
}

func (h *held) copyAll(to, from [][]byte) [][]byte {
	to = to[:0]
	for _, s := range from {
		to = append(to, h.copy(s))
	}
	return to
}

func (h *held) copy(s []byte) []byte {
	at := len(h.bytes)
	h.bytes = append(h.bytes, s...)
	return h.bytes[at:len(h.bytes):len(h.bytes)]
}
