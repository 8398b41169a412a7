package rdb

import "encoding/binary"

// A listpack, from listpack.c:
//
//	bytes 4, count 2 (65535: unknown), elements, ff
//
// An element is its encoding and data, then their length as a number that is read backwards ("backlen", 1 to 5 bytes).
//
//	0xxxxxxx        unsigned 7 bits        11110000 l4   string, length 32 bits little endian
//	10xxxxxx        string, length 6 bits  11110001 i2   11110010 i3   11110011 i4   11110100 i8
//	110xxxxx y      signed 13 bits         1110xxxx y    string, length 12 bits
const listpackHeader = 6

func (w *walker) listpackHead(size uint64) error {
	b, err := w.in.next(listpackHeader)
	if err != nil {
		return err
	}
	if uint64(binary.LittleEndian.Uint32(b)) != size {
		return corrupt("a listpack is not as long as its header says")
	}
	w.head = int(binary.LittleEndian.Uint16(b[4:]))
	return nil
}

// short reads the usual element of a listpack, a string of 1 to 63 bytes that is there as a whole. It returns nil, and
// leaves everything to item, when something else follows.
func (w *walker) short() []byte {
	in := w.in
	if w.kind != listpack || in.r >= in.w {
		return nil
	}
	c := in.buf[in.r]
	if c <= 0x80 || c >= 0xc0 {
		return nil
	}
	start := in.r + 1
	end := start + int(c&0x3f)
	if end >= in.w || in.buf[end] != c&0x3f+1 {
		return nil
	}
	in.r = end + 1
	w.seen++
	return in.buf[start:end:end]
}

// shortInt is short for integers of up to 32 bits.
func (w *walker) shortInt() (int64, bool) {
	in := w.in
	if w.kind != listpack || in.w-in.r < 6 {
		return 0, false
	}
	b := in.buf[in.r : in.r+6 : in.r+6]
	c := b[0]
	var n int64
	var size int
	switch {
	case c < 0x80:
		n, size = int64(c), 1
	case c < 0xc0:
		return 0, false
	case c < 0xe0:
		n, size = int64(int16(uint16(c)<<11|uint16(b[1])<<3)>>3), 2
	case c == 0xf1:
		n, size = int64(int16(uint16(b[1])|uint16(b[2])<<8)), 3
	case c == 0xf2:
		n, size = int64(int32(uint32(b[1])<<8|uint32(b[2])<<16|uint32(b[3])<<24)>>8), 4
	case c == 0xf3:
		n, size = int64(int32(binary.LittleEndian.Uint32(b[1:]))), 5
	default:
		return 0, false
	}
	if int(b[size]) != size {
		return 0, false
	}
	in.r += size + 1
	w.seen++
	return n, true
}

// listpackItem reads an element. Strings are borrowed from the input.
func (w *walker) listpackItem() (item, error) {
	in := w.in
	if in.r == in.w {
		if err := in.fill(1); err != nil {
			return item{}, err
		}
	}
	c := in.buf[in.r]
	switch {
	case c < 0x80:
		if err := w.listpackSkip(2, 1); err != nil {
			return item{}, err
		}
		return item{n: int64(c), kind: itemInt}, nil
	case c < 0xc0: // encoding, up to 63 bytes, backlen of one byte: the usual string
		n := int(c & 0x3f)
		if in.w-in.r < n+2 {
			if err := in.fill(n + 2); err != nil {
				return item{}, err
			}
		}
		b := in.buf[in.r+1 : in.r+1+n : in.r+1+n]
		if int(in.buf[in.r+1+n]) != n+1 {
			return item{}, errBacklen
		}
		in.r += n + 2
		return item{data: datum{b: b}, kind: itemString}, nil
	case c < 0xe0:
		if err := in.need(3); err != nil {
			return item{}, err
		}
		n := int64(c&0x1f)<<8 | int64(in.buf[in.r+1])
		if n >= 1<<12 {
			n -= 1 << 13
		}
		return item{n: n, kind: itemInt}, w.listpackSkip(3, 2)
	case c < 0xf0:
		if err := in.need(2); err != nil {
			return item{}, err
		}
		n := uint64(c&0x0f)<<8 | uint64(in.buf[in.r+1])
		in.r += 2
		return w.listpackString(2, n)
	}
	var size int
	switch c {
	case 0xf0:
		b, err := in.next(5)
		if err != nil {
			return item{}, err
		}
		return w.listpackString(5, uint64(binary.LittleEndian.Uint32(b[1:])))
	case 0xf1:
		size = 2
	case 0xf2:
		size = 3
	case 0xf3:
		size = 4
	case 0xf4:
		size = 8
	case 0xff:
		in.r++
		return item{kind: itemEnd}, nil
	default:
		return item{}, corrupt("an unknown encoding in a listpack")
	}
	if err := in.need(size + 2); err != nil {
		return item{}, err
	}
	n := littleInt(in.buf[in.r+1 : in.r+1+size])
	return item{n: n, kind: itemInt}, w.listpackSkip(size+2, byte(size+1))
}

const errBacklen = corrupt("an element of a listpack has a wrong length at its end")

// listpackSkip consumes an integer of n bytes whose last byte is its backlen.
func (w *walker) listpackSkip(n int, backlen byte) error {
	b, err := w.in.next(n)
	if err != nil {
		return err
	}
	if b[n-1] != backlen {
		return errBacklen
	}
	return nil
}

// listpackString reads the bytes and the backlen of a string whose encoding took head bytes.
func (w *walker) listpackString(head, n uint64) (item, error) {
	back := backlenSize(head + n)
	if n > uint64(w.d.cfg.MaxElement) {
		v, err := w.d.raw(w.in, n)
		if err != nil {
			return item{}, err
		}
		b, err := w.in.next(back)
		if err != nil {
			return item{}, err
		}
		return item{data: v, kind: itemString}, checkBacklen(b, head+n)
	}
	b, err := w.in.next(int(n) + back)
	if err != nil {
		return item{}, err
	}
	return item{data: datum{b: b[:n:n]}, kind: itemString}, checkBacklen(b[n:], head+n)
}

// backlenSize is how many bytes lpEncodeBacklen takes for n.
func backlenSize(n uint64) int {
	switch {
	case n <= 127:
		return 1
	case n < 1<<14-1:
		return 2
	case n < 1<<21-1:
		return 3
	case n < 1<<28-1:
		return 4
	default:
		return 5
	}
}

// checkBacklen checks the seven-bit groups of b, the highest first, all but the first with the top bit.
func checkBacklen(b []byte, want uint64) error {
	n := uint64(0)
	for i, c := range b {
		if (c >= 0x80) != (i > 0) {
			return errBacklen
		}
		n = n<<7 | uint64(c&0x7f)
	}
	if n != want {
		return errBacklen
	}
	return nil
}
