package rdb

import (
	"encoding/binary"
	"math"
	"strconv"
	"unsafe"
)

// elements reads types 1 and 2: a count, then strings.
func (d *Decoder) elements() error {
	n, err := d.length(&d.main)
	if err != nil {
		return err
	}
	for range n {
		e, err := d.string(&d.main, &d.slots[0])
		if err != nil {
			return err
		}
		if err := d.element(e); err != nil {
			return err
		}
	}
	return nil
}

func (d *Decoder) element(e datum) error {
	if e.over {
		return d.omit()
	}
	if !d.begun {
		if err := d.begin(); err != nil {
			return err
		}
	}
	return d.v.Element(e.b)
}

func (d *Decoder) field(name, value datum, expireAtMs int64) error {
	if name.over || value.over {
		return d.omit()
	}
	if !d.begun {
		if err := d.begin(); err != nil {
			return err
		}
	}
	return d.v.Field(name.b, value.b, expireAtMs)
}

func (d *Decoder) member(m datum, score float64) error {
	if m.over {
		return d.omit()
	}
	if !d.begun {
		if err := d.begin(); err != nil {
			return err
		}
	}
	return d.v.Member(m.b, score)
}

// pair reads two strings; both are borrowed until the next read.
func (d *Decoder) pair() (name, value datum, err error) {
	if name, err = d.string(&d.main, &d.slots[0]); err != nil {
		return name, value, err
	}
	d.keep(&d.slots[0], &name)
	d.before = name.b
	value, err = d.string(&d.main, &d.slots[1])
	d.completes(name, value)
	return name, value, err
}

// completes ends a pair: a value whose name was too large to hold goes the same way.
func (d *Decoder) completes(name, value datum) {
	d.before = nil
	if name.over && !value.over {
		d.over.write(value.b)
	}
}

// fields reads type 4: a count, then pairs of strings.
func (d *Decoder) fields() error {
	n, err := d.length(&d.main)
	if err != nil {
		return err
	}
	for range n {
		name, value, err := d.pair()
		if err != nil {
			return err
		}
		if err := d.field(name, value, 0); err != nil {
			return err
		}
	}
	return nil
}

// fieldsTTL reads types 24 and 22 of Redis 7.4: a count, then per field its deadline as a length, name and value.
// Type 24 has the smallest deadline in front, 8 bytes little endian, and stores others as the distance to it plus one;
// 0 is none. Type 22, of the release candidates, stores them as they are.
func (d *Decoder) fieldsTTL(relative bool) error {
	base := uint64(0)
	if relative {
		b, err := d.main.next(8)
		if err != nil {
			return err
		}
		base = binary.LittleEndian.Uint64(b)
	}
	n, err := d.length(&d.main)
	if err != nil {
		return err
	}
	for range n {
		at, err := d.length(&d.main)
		if err != nil {
			return err
		}
		if at != 0 && relative {
			at += base - 1
		}
		if at > math.MaxInt64 {
			return corrupt("the deadline of a field is out of range")
		}
		name, value, err := d.pair()
		if err != nil {
			return err
		}
		if err := d.field(name, value, int64(at)); err != nil {
			return err
		}
	}
	return nil
}

// fieldsValkey reads type 22 of Valkey 9: a count, then per field name, value and deadline, 8 bytes little endian;
// -1 is none.
func (d *Decoder) fieldsValkey() error {
	n, err := d.length(&d.main)
	if err != nil {
		return err
	}
	for range n {
		name, value, err := d.pair()
		if err != nil {
			return err
		}
		d.keep(&d.slots[1], &value)
		b, err := d.main.next(8)
		if err != nil {
			return err
		}
		at := int64(binary.LittleEndian.Uint64(b))
		if err := d.field(name, value, max(at, 0)); err != nil {
			return err
		}
	}
	return nil
}

// members reads types 3 and 5: a count, then a string and a score each.
func (d *Decoder) members(binaryScores bool) error {
	n, err := d.length(&d.main)
	if err != nil {
		return err
	}
	for range n {
		m, err := d.string(&d.main, &d.slots[0])
		if err != nil {
			return err
		}
		if d.main.w-d.main.r < 1+math.MaxUint8 { // reading the score may move the buffer under the member
			d.keep(&d.slots[0], &m)
		}
		score, err := d.score(binaryScores)
		if err != nil {
			return err
		}
		if err := d.member(m, score); err != nil {
			return err
		}
	}
	return nil
}

// score reads a score: 8 bytes of IEEE 754, little endian; or one byte with the length of its text, where 253 is nan,
// 254 inf and 255 -inf.
func (d *Decoder) score(binaryScores bool) (float64, error) {
	if binaryScores {
		b, err := d.main.next(8)
		if err != nil {
			return 0, err
		}
		return math.Float64frombits(binary.LittleEndian.Uint64(b)), nil
	}
	n, err := d.main.byte()
	if err != nil {
		return 0, err
	}
	switch n {
	case 253:
		return math.NaN(), nil
	case 254:
		return math.Inf(1), nil
	case 255:
		return math.Inf(-1), nil
	}
	b, err := d.main.next(int(n))
	if err != nil {
		return 0, err
	}
	return parseScore(b)
}

func parseScore(b []byte) (float64, error) {
	// The string lives for this call only, while b does not change.
	f, err := strconv.ParseFloat(unsafe.String(unsafe.SliceData(b), len(b)), 64)
	if err != nil && !math.IsInf(f, 0) { // out of range gives an infinity, as strtod does
		return 0, corrupt("a score is not a number")
	}
	return f, nil
}
