package rdb

import (
	"strconv"
)

// packing is an encoding of many elements in one string.
type packing uint8

const (
	listpack packing = iota
	ziplist
)

// unknownCount stands in the headers of both packings when they hold as many elements or more.
const unknownCount = 1<<16 - 1

// closePacked checks that the packed value was consumed to its end.
func (d *Decoder) closePacked(in *input) error {
	err := exhausted(in)
	if err == nil {
		d.packedAt = notPacked
	}
	return err
}

// Kinds of item.
const (
	itemString = iota
	itemInt
	itemEnd
)

// item is an element of a packed value.
type item struct {
	data datum
	n    int64
	kind uint8
}

// openPacked makes d.packed the content of the string that follows, and returns its size. Small ones are there as a
// whole; others are read while they are walked.
func (d *Decoder) openPacked() (*input, uint64, error) {
	in := &d.packed
	d.packedAt = d.main.offset()
	n, form, err := lengthOrForm(&d.main)
	if err != nil {
		return nil, 0, err
	}
	switch {
	case !form && n <= blobBuffer:
		b, err := d.main.next(int(n))
		if err != nil {
			return nil, 0, err
		}
		in.view(b)
	case !form:
		d.part = part{in: &d.main, left: n}
		d.big.reset(&d.part, 0)
		in = &d.big
	case n != formLZF:
		return nil, 0, corrupt("a packed value is stored as an integer")
	default:
		compressed, size, err := d.lzfHead(&d.main)
		if err != nil {
			return nil, 0, err
		}
		if n = size; size <= blobBuffer {
			b, err := d.unpack(&d.main, compressed, size, &d.slots[1])
			if err != nil {
				return nil, 0, err
			}
			in.view(b)
			break
		}
		d.lzf.reset(&d.main, compressed, size)
		d.big.reset(&d.lzf, 0)
		in = &d.big
	}
	return in, n, nil
}

// walker goes over the items of a listpack or a ziplist.
type walker struct {
	d    *Decoder
	in   *input
	kind packing
	head int // elements as the header says
	seen int // elements so far

	prev  uint32 // ziplist: bytes of the element before
	last  uint64 // ziplist: offset of the last element
	first uint64 // ziplist: where the header says that it is
}

// open begins to walk the string that follows.
func (d *Decoder) open(kind packing) (walker, error) {
	in, size, err := d.openPacked()
	if err != nil {
		return walker{}, err
	}
	w := walker{d: d, in: in, kind: kind}
	if kind == ziplist {
		err = w.ziplistHead(size)
	} else {
		err = w.listpackHead(size)
	}
	return w, err
}

// item reads the next element. At the end it checks that the value was consumed whole.
func (w *walker) item() (it item, err error) {
	if w.kind == ziplist {
		it, err = w.ziplistItem()
	} else {
		it, err = w.listpackItem()
	}
	if err != nil {
		return it, err
	}
	if it.kind != itemEnd {
		w.seen++
		return it, nil
	}
	if w.head != unknownCount && w.head != w.seen {
		return it, corrupt("a packed value does not hold as many elements as its header says")
	}
	return it, w.d.closePacked(w.in)
}

// text is item with integers written out into s.
func (w *walker) text(s *slot) (datum, bool, error) {
	if b := w.short(); b != nil {
		return datum{b: b}, true, nil
	}
	if n, ok := w.shortInt(); ok {
		return datum{b: strconv.AppendInt(s.num[:0], n, 10)}, true, nil
	}
	it, err := w.item()
	if err != nil || it.kind == itemEnd {
		return datum{}, false, err
	}
	if it.kind == itemInt {
		return datum{b: strconv.AppendInt(s.num[:0], it.n, 10)}, true, nil
	}
	return it.data, true, nil
}

// more is text where an element must follow.
func (w *walker) more(s *slot) (datum, error) {
	v, ok, err := w.text(s)
	if err == nil && !ok {
		return v, corrupt("a packed value ends inside a pair")
	}
	return v, err
}

// hold copies v unless reading on leaves it where it is.
func (w *walker) hold(s *slot, v *datum) {
	if !w.in.fixed() {
		w.d.keep(s, v)
	}
}

// value reads the second string of a pair; name stays valid.
func (w *walker) value(name *datum) (datum, error) {
	w.hold(&w.d.slots[0], name)
	w.d.before = name.b
	value, err := w.more(&w.d.slots[1])
	w.d.completes(*name, value)
	return value, err
}

// packedElements reads a list or a set.
func (d *Decoder) packedElements(kind packing) error {
	w, err := d.open(kind)
	if err != nil {
		return err
	}
	for {
		e, ok, err := w.text(&d.slots[0])
		if err != nil || !ok {
			return err
		}
		if err := d.element(e); err != nil {
			return err
		}
	}
}

// packedFields reads a hash: name, value, name, value ….
func (d *Decoder) packedFields(kind packing) error {
	w, err := d.open(kind)
	if err != nil {
		return err
	}
	for {
		name, ok, err := w.text(&d.slots[0])
		if err != nil || !ok {
			return err
		}
		value, err := w.value(&name)
		if err != nil {
			return err
		}
		if err := d.field(name, value, 0); err != nil {
			return err
		}
	}
}

// packedTTL reads types 25 and 23 of Redis 7.4: a listpack of name, value, deadline in Unix ms or 0. Type 25 has the
// smallest deadline in front, 8 bytes, which only the server's own bookkeeping needs.
func (d *Decoder) packedTTL(leading bool) error {
	if leading {
		if _, err := d.main.next(8); err != nil {
			return err
		}
	}
	w, err := d.open(listpack)
	if err != nil {
		return err
	}
	for {
		name, ok, err := w.text(&d.slots[0])
		if err != nil || !ok {
			return err
		}
		value, err := w.value(&name)
		if err != nil {
			return err
		}
		w.hold(&d.slots[1], &value)
		at, err := w.integer()
		if err != nil {
			return err
		}
		if at < 0 {
			return corrupt("the deadline of a field is out of range")
		}
		if err := d.field(name, value, at); err != nil {
			return err
		}
	}
}

// packedMembers reads a sorted set: member, score, member, score ….
func (d *Decoder) packedMembers(kind packing) error {
	w, err := d.open(kind)
	if err != nil {
		return err
	}
	for {
		m, ok, err := w.text(&d.slots[0])
		if err != nil || !ok {
			return err
		}
		w.hold(&d.slots[0], &m)
		it, err := w.item()
		if err != nil {
			return err
		}
		var score float64
		switch it.kind {
		case itemEnd:
			return corrupt("a packed value ends inside a pair")
		case itemInt:
			score = float64(it.n)
		default:
			if score, err = parseScore(it.data.b); err != nil {
				return err
			}
		}
		if err := d.member(m, score); err != nil {
			return err
		}
	}
}

// integer reads an element that must be an integer, stored as such or as text.
func (w *walker) integer() (int64, error) {
	if n, ok := w.shortInt(); ok {
		return n, nil
	}
	it, err := w.item()
	if err != nil {
		return 0, err
	}
	switch it.kind {
	case itemInt:
		return it.n, nil
	case itemString:
		if n, err := strconv.ParseInt(string(it.data.b), 10, 64); err == nil {
			return n, nil
		}
	}
	return 0, corrupt("a packed value has something else where an integer must stand")
}

// quicklist reads type 14: a count, then ziplists.
func (d *Decoder) quicklist() error {
	n, err := d.length(&d.main)
	if err != nil {
		return err
	}
	for range n {
		if err := d.packedElements(ziplist); err != nil {
			return err
		}
	}
	return nil
}

// quicklist2 reads type 18: a count, then nodes: 1 and an element as plain string, or 2 and a listpack.
func (d *Decoder) quicklist2() error {
	n, err := d.length(&d.main)
	if err != nil {
		return err
	}
	for range n {
		container, err := d.length(&d.main)
		if err != nil {
			return err
		}
		switch container {
		case 1:
			e, err := d.string(&d.main, &d.slots[0])
			if err != nil {
				return err
			}
			if err := d.element(e); err != nil {
				return err
			}
		case 2:
			if err := d.packedElements(listpack); err != nil {
				return err
			}
		default:
			return corrupt("an unknown form of list node")
		}
	}
	return nil
}
