package rdb

import (
	"encoding/binary"
	"strconv"
)

// Forms of a length, in the upper two bits of its first byte. From rdb.c, rdbLoadLenByRef and rdbGenericLoadStringObject.
const (
	len6    = 0 // the lower six bits
	len14   = 1 // and the next byte
	lenWide = 2 // 0x80: four bytes, big endian; 0x81: eight
	lenForm = 3 // not a length: the lower six bits name a form of string

	formInt8  = 0
	formInt16 = 1
	formInt32 = 2
	formLZF   = 3 // length compressed, length decompressed, data
)

// length reads a length where no string form may stand.
func (d *Decoder) length(in *input) (uint64, error) {
	n, form, err := lengthOrForm(in)
	if err == nil && form {
		return 0, corrupt("a string form where a length must stand")
	}
	return n, err
}

// lengthOrForm reads a length, or the number of a string form.
func lengthOrForm(in *input) (n uint64, form bool, err error) {
	c, err := in.byte()
	if err != nil {
		return 0, false, err
	}
	switch c >> 6 {
	case len6:
		return uint64(c), false, nil
	case len14:
		c2, err := in.byte()
		return uint64(c&0x3f)<<8 | uint64(c2), false, err
	case lenForm:
		return uint64(c & 0x3f), true, nil
	}
	switch c {
	case 0x80:
		b, err := in.next(4)
		if err != nil {
			return 0, false, err
		}
		return uint64(binary.BigEndian.Uint32(b)), false, nil
	case 0x81:
		b, err := in.next(8)
		if err != nil {
			return 0, false, err
		}
		return binary.BigEndian.Uint64(b), false, nil
	}
	return 0, false, corrupt("an unknown form of length")
}

// lzfHead reads the two lengths in front of LZF data and refuses what no compressor makes.
func (d *Decoder) lzfHead(in *input) (compressed, size uint64, err error) {
	if compressed, err = d.length(in); err != nil {
		return 0, 0, err
	}
	if size, err = d.length(in); err != nil {
		return 0, 0, err
	}
	// A literal run of 32 bytes costs 33; the best reference gives 264 bytes for 3. The second bound keeps memory in
	// proportion to the file (invariant 6).
	if compressed > size+size/32+2 || size/lzfMaxRatio > compressed || size == 0 {
		return 0, 0, corrupt("the lengths of LZF data do not fit each other")
	}
	return compressed, size, nil
}

// string reads a string of any form. The result is borrowed until the next read of in or use of s.
func (d *Decoder) string(in *input, s *slot) (datum, error) {
	n, form, err := lengthOrForm(in)
	if err != nil {
		return datum{}, err
	}
	if !form {
		return d.raw(in, n)
	}
	if n != formLZF {
		b, err := formedInt(in, n, s)
		return datum{b: b}, err
	}
	compressed, size, err := d.lzfHead(in)
	if err != nil {
		return datum{}, err
	}
	if size > uint64(d.cfg.MaxElement) {
		d.lzf.reset(in, compressed, size)
		return d.tooLarge(&d.lzf, size)
	}
	b, err := d.unpack(in, compressed, size, s)
	return datum{b: b}, err
}

// unpack decompresses LZF data of a size that may be held.
func (d *Decoder) unpack(in *input, compressed, size uint64, s *slot) ([]byte, error) {
	src, err := in.next(int(compressed))
	if err != nil {
		return nil, err
	}
	// Invariant 6: size is at most 88 times the bytes just seen, and bounded by the caller.
	if uint64(cap(s.buf)) < size {
		s.buf = make([]byte, size)
	}
	s.buf = s.buf[:size]
	return s.buf, lzfDecompress(s.buf, src)
}

// raw reads a string of n plain bytes.
func (d *Decoder) raw(in *input, n uint64) (datum, error) {
	if n <= uint64(d.cfg.MaxElement) {
		b, err := in.next(int(n))
		return datum{b: b}, err
	}
	return d.tooLarge(&part{in: in, left: n}, n)
}

// formedInt reads an integer in one of the string forms, as text.
func formedInt(in *input, form uint64, s *slot) ([]byte, error) {
	var size int
	switch form {
	case formInt8:
		size = 1
	case formInt16:
		size = 2
	case formInt32:
		size = 4
	default:
		return nil, corrupt("an unknown form of string")
	}
	b, err := in.next(size)
	if err != nil {
		return nil, err
	}
	return strconv.AppendInt(s.num[:0], littleInt(b), 10), nil
}

// littleInt reads a signed little-endian integer of 1, 2, 3, 4 or 8 bytes.
func littleInt(b []byte) int64 {
	switch len(b) {
	case 1:
		return int64(int8(b[0]))
	case 2:
		return int64(int16(binary.LittleEndian.Uint16(b)))
	case 3:
		return int64(int32(uint32(b[0])<<8|uint32(b[1])<<16|uint32(b[2])<<24) >> 8)
	case 4:
		return int64(int32(binary.LittleEndian.Uint32(b)))
	default:
		return int64(binary.LittleEndian.Uint64(b))
	}
}

// keep copies borrowed bytes into s, so that they outlive the next read.
func (d *Decoder) keep(s *slot, v *datum) {
	if !v.over {
		s.buf = append(s.buf[:0], v.b...)
		v.b = s.buf
	}
}

// stringValue reads the value of a string key and delivers it in pieces.
func (d *Decoder) stringValue() error {
	n, form, err := lengthOrForm(&d.main)
	if err != nil {
		return err
	}
	s := &d.slots[1]
	if form && n != formLZF {
		b, err := formedInt(&d.main, n, s)
		if err != nil {
			return err
		}
		return d.onePiece(b)
	}
	if !form {
		if n <= uint64(d.cfg.Piece) {
			b, err := d.main.next(int(n))
			if err != nil {
				return err
			}
			return d.onePiece(b)
		}
		return d.pieces(&d.main, n)
	}
	compressed, size, err := d.lzfHead(&d.main)
	if err != nil {
		return err
	}
	if size <= uint64(d.cfg.Piece) {
		b, err := d.unpack(&d.main, compressed, size, s)
		if err != nil {
			return err
		}
		return d.onePiece(b)
	}
	d.lzf.reset(&d.main, compressed, size)
	d.text.reset(&d.lzf, 0)
	if err := d.pieces(&d.text, size); err != nil {
		return err
	}
	return exhausted(&d.text)
}

func (d *Decoder) onePiece(b []byte) error {
	if err := d.begin(); err != nil || len(b) == 0 {
		return err
	}
	return d.v.Piece(b)
}

func (d *Decoder) pieces(in *input, n uint64) error {
	if err := d.begin(); err != nil {
		return err
	}
	for n > 0 {
		size := min(n, uint64(d.cfg.Piece))
		b, err := in.next(int(size))
		if err != nil {
			return err
		}
		if err := d.v.Piece(b); err != nil {
			return err
		}
		n -= size
	}
	return nil
}

// exhausted checks that a part of the file was consumed to its end.
func exhausted(in *input) error {
	end, err := in.atEnd()
	if err == nil && !end {
		return corrupt("bytes follow the end of a value")
	}
	return err
}
