package rdb

import "encoding/binary"

// A ziplist, from ziplist.c of Redis 6.2:
//
//	bytes 4, offset of the last element 4, count 2 (65535: unknown), elements, ff
//
// An element begins with the size of the one before it (one byte, or fe and four), then its encoding and data:
//
//	00xxxxxx     string, length 6 bits            11000000 i2   11010000 i4   11100000 i8
//	01xxxxxx y   string, length 14 bits           11110000 i3   11111110 i1
//	10000000 l4  string, length 32 bits, big endian             1111xxxx  the number xxxx - 1, 0 to 12
const ziplistHeader = 10

func (w *walker) ziplistHead(size uint64) error {
	b, err := w.in.next(ziplistHeader)
	if err != nil {
		return err
	}
	if uint64(binary.LittleEndian.Uint32(b)) != size {
		return corrupt("a ziplist is not as long as its header says")
	}
	w.first = uint64(binary.LittleEndian.Uint32(b[4:]))
	w.head = int(binary.LittleEndian.Uint16(b[8:]))
	w.last = ziplistHeader
	return nil
}

// ziplistItem reads an element. Strings are borrowed from the input.
func (w *walker) ziplistItem() (item, error) {
	in := w.in
	start := in.offset()
	c, err := in.byte()
	if err != nil {
		return item{}, err
	}
	if c == 0xff {
		if w.last != w.first {
			return item{}, corrupt("a ziplist does not end where its header says")
		}
		return item{kind: itemEnd}, nil
	}
	prev := uint32(c)
	if c == 0xfe {
		b, err := in.next(4)
		if err != nil {
			return item{}, err
		}
		prev = binary.LittleEndian.Uint32(b)
	}
	if prev != w.prev {
		return item{}, corrupt("an element of a ziplist has a wrong length of the one before it")
	}
	it, err := w.ziplistData()
	if err != nil {
		return item{}, err
	}
	w.last = uint64(start)
	w.prev = uint32(in.offset() - start)
	return it, nil
}

func (w *walker) ziplistData() (item, error) {
	in := w.in
	c, err := in.byte()
	if err != nil {
		return item{}, err
	}
	switch c >> 6 {
	case 0:
		return w.ziplistString(uint64(c & 0x3f))
	case 1:
		c2, err := in.byte()
		if err != nil {
			return item{}, err
		}
		return w.ziplistString(uint64(c&0x3f)<<8 | uint64(c2))
	case 2:
		b, err := in.next(4)
		if err != nil {
			return item{}, err
		}
		return w.ziplistString(uint64(binary.BigEndian.Uint32(b)))
	}
	var size int
	switch c {
	case 0xc0:
		size = 2
	case 0xd0:
		size = 4
	case 0xe0:
		size = 8
	case 0xf0:
		size = 3
	case 0xfe:
		size = 1
	default:
		if c < 0xf1 || c > 0xfd {
			return item{}, corrupt("an unknown encoding in a ziplist")
		}
		return item{n: int64(c) - 0xf1, kind: itemInt}, nil
	}
	b, err := in.next(size)
	if err != nil {
		return item{}, err
	}
	return item{n: littleInt(b), kind: itemInt}, nil
}

func (w *walker) ziplistString(n uint64) (item, error) {
	v, err := w.d.raw(w.in, n)
	return item{data: v, kind: itemString}, err
}
