package rdb

import (
	"encoding/binary"

	"github.com/hdt3213/rdb/crc64jones"
)

// Opcodes inside the value of a module, from rdb.h.
const (
	moduleEOF    = 0
	moduleSint   = 1
	moduleUint   = 2
	moduleFloat  = 3
	moduleDouble = 4
	moduleString = 5
)

// moduleValue reads type 7: the module's id, then values each behind an opcode, then the opcode 0. What is delivered is
// a RESTORE payload, as DUMP makes it: type byte, these bytes, RDB version (2, little endian), CRC-64 (8).
func (d *Decoder) moduleValue() error {
	d.main.settle()
	d.tap.reset(d.cfg.MaxElement)
	if d.module.sum == nil {
		d.module.sum = crc64jones.New()
	}
	d.module.sum.Reset()
	d.tap.sum = d.module.sum
	ends := &d.module.ends
	ends[0] = typeModule2
	d.tap.write(ends[:1])
	d.main.tap = &d.tap
	err := d.moduleBody()
	d.main.settle()
	d.main.tap = nil
	if err != nil {
		return err
	}
	binary.LittleEndian.PutUint16(ends[:], uint16(d.version))
	d.tap.write(ends[:2])
	binary.LittleEndian.PutUint64(ends[:], d.module.sum.Sum64())
	d.tap.sum = nil
	d.tap.write(ends[:])
	if err := d.begin(); err != nil {
		return err
	}
	payload, o := d.tap.data()
	if o != nil {
		return d.v.Omitted(o)
	}
	return d.v.Dump(payload)
}

func (d *Decoder) moduleBody() error {
	id, err := d.length(&d.main)
	if err != nil {
		return err
	}
	if d.module.id != id || d.module.name == "" {
		d.module.id, d.module.name = id, moduleName(id)
	}
	d.key.Module = d.module.name
	return d.moduleItems()
}

// moduleItems reads opcodes and their values up to the opcode 0.
func (d *Decoder) moduleItems() error {
	for {
		op, err := d.length(&d.main)
		if err != nil {
			return err
		}
		switch op {
		case moduleEOF:
			return nil
		case moduleSint, moduleUint:
			_, err = d.length(&d.main)
		case moduleFloat:
			_, err = d.main.next(4)
		case moduleDouble:
			_, err = d.main.next(8)
		case moduleString:
			err = d.skipString()
		default:
			err = corrupt("an unknown opcode in the value of a module")
		}
		if err != nil {
			return err
		}
	}
}

// skipString passes over a string without decoding it.
func (d *Decoder) skipString() error {
	n, form, err := lengthOrForm(&d.main)
	if err != nil {
		return err
	}
	if form {
		switch n {
		case formInt8, formInt16, formInt32:
			n = 1 << n
		case formLZF:
			if n, _, err = d.lzfHead(&d.main); err != nil {
				return err
			}
		default:
			return corrupt("an unknown form of string")
		}
	}
	for n > 0 {
		size := min(n, mainBuffer/2)
		if _, err := d.main.next(int(size)); err != nil {
			return err
		}
		n -= size
	}
	return nil
}

// moduleAux reads opcode 247: a module's id, when it applies, and values, up to the opcode 0.
func (d *Decoder) moduleAux() error {
	if _, err := d.length(&d.main); err != nil {
		return err
	}
	op, err := d.length(&d.main)
	if err != nil {
		return err
	}
	if op != moduleUint {
		return corrupt("data of a module does not begin with when it applies")
	}
	if _, err := d.length(&d.main); err != nil {
		return err
	}
	if err := d.moduleItems(); err != nil {
		return err
	}
	return d.v.Skipped(SkipModuleAux)
}

// moduleName is the name of a module type: nine characters of six bits each, then ten bits of version.
func moduleName(id uint64) string {
	const chars = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_"
	var b [9]byte
	id >>= 10
	for i := len(b) - 1; i >= 0; i-- {
		b[i] = chars[id&63]
		id >>= 6
	}
	return string(b[:])
}
