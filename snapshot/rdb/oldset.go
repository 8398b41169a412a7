package rdb

import (
	"encoding/binary"
	"strconv"
)

// intset reads type 11, from intset.c: width 4 (2, 4 or 8 bytes), count 4, then that many integers, little endian.
func (d *Decoder) intset() error {
	in, size, err := d.openPacked()
	if err != nil {
		return err
	}
	b, err := in.next(8)
	if err != nil {
		return err
	}
	width, n := uint64(binary.LittleEndian.Uint32(b)), uint64(binary.LittleEndian.Uint32(b[4:]))
	if width != 2 && width != 4 && width != 8 || 8+width*n != size {
		return corrupt("an intset is not as long as its header says")
	}
	s := &d.slots[0]
	for range n {
		b, err := in.next(int(width))
		if err != nil {
			return err
		}
		if err := d.element(datum{b: strconv.AppendInt(s.num[:0], littleInt(b), 10)}); err != nil {
			return err
		}
	}
	return d.closePacked(in)
}

// zipmap reads type 9, hashes of Redis up to 2.4, from zipmap.c:
//
//	count 1 (254: unknown), then: length, name, length, free 1, value, free unused bytes; ff
//
// A length below 254 is one byte; 254 is followed by four bytes, little endian. (A comment in zipmap.c says 253; its
// code, ZIPMAP_BIGLEN, says 254.)
func (d *Decoder) zipmap() error {
	in, _, err := d.openPacked()
	if err != nil {
		return err
	}
	head, err := in.byte()
	if err != nil {
		return err
	}
	for pairs := 0; ; pairs++ {
		n, end, err := zipmapLength(in)
		if err != nil {
			return err
		}
		if end {
			if head != 254 && int(head) != pairs {
				return corrupt("a zipmap does not hold as many fields as its header says")
			}
			return d.closePacked(in)
		}
		if err := d.zipmapField(in, n); err != nil {
			return err
		}
	}
}

func (d *Decoder) zipmapField(in *input, n uint64) error {
	name, err := d.raw(in, n)
	if err != nil {
		return err
	}
	d.keep(&d.slots[0], &name)
	n, end, err := zipmapLength(in)
	if err != nil {
		return err
	}
	if end {
		return corrupt("a zipmap ends inside a pair")
	}
	free, err := in.byte()
	if err != nil {
		return err
	}
	d.before = name.b
	value, err := d.raw(in, n)
	if err != nil {
		return err
	}
	if !in.fixed() {
		// slots[1] may hold the zipmap itself when it was decompressed, but then in is fixed.
		d.keep(&d.slots[1], &value)
	}
	d.completes(name, value)
	if _, err := in.next(int(free)); err != nil {
		return err
	}
	return d.field(name, value, 0)
}

func zipmapLength(in *input) (n uint64, end bool, err error) {
	c, err := in.byte()
	if err != nil || c == 255 {
		return 0, c == 255, err
	}
	if c < 254 {
		return uint64(c), false, nil
	}
	b, err := in.next(4)
	if err != nil {
		return 0, false, err
	}
	return uint64(binary.LittleEndian.Uint32(b)), false, nil
}
