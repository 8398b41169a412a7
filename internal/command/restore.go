package command

import (
	"encoding/binary"

	"keyfeed/internal/event"
)

// restore makes the event of RESTORE key ttl payload [REPLACE] [ABSTTL] [IDLETIME s] [FREQ n]. A ttl without ABSTTL, as
// Redis 6.2 and older send it, is relative to the arrival and becomes absolute.
func (d *Decoder) restore(r *row, argv [][]byte) (fits bool, err error) {
	ttl, ok := number(argv[2])
	if !ok || ttl < 0 {
		return false, nil
	}
	replace, absolute := false, false
	for i := 4; i < len(argv); i++ {
		switch {
		case isWord(argv[i], "REPLACE"):
			replace = true
		case isWord(argv[i], "ABSTTL"):
			absolute = true
		case isWord(argv[i], "IDLETIME"), isWord(argv[i], "FREQ"):
			i++
		default:
			return false, nil
		}
	}
	args := argv[2:]
	switch {
	case ttl == 0:
		ttl = -1
	case !absolute:
		if ttl, ok = plus(ttl, d.now); !ok {
			return false, nil
		}
		d.parts = append(append(append(d.parts[:0], d.digits(ttl)), argv[3:]...), d.words.absttl)
		args = d.parts
	}
	d.expect(1)
	e := d.start(r, r.name)
	if replace {
		e.Op = event.OpUpdate
	}
	e.Key, e.IsKey, e.Args = argv[1], true, args
	e.Type = d.payloadType(argv[3])
	e.ExpireAtMs, e.HasExpire = ttl, true
	return true, d.put(e, cutNone)
}

// payloadType is the type of a DUMP payload by its first byte (rdb.h, RDB_TYPE_*; the numbers above 21 by Redis 7.4 to
// 8.8 and Valkey 9, which agree on the type where they do not on the encoding). Empty: not known.
func (d *Decoder) payloadType(payload []byte) string {
	if len(payload) == 0 {
		return ""
	}
	switch payload[0] {
	case 0:
		return event.TypeString
	case 1, 10, 14, 18:
		return event.TypeList
	case 2, 11, 20:
		return event.TypeSet
	case 3, 5, 12, 17:
		return event.TypeZSet
	case 4, 9, 13, 16, 22, 23, 24, 25:
		return event.TypeHash
	case 15, 19, 21, 26, 27:
		return event.TypeStream
	case 28:
		return event.TypeArray
	case 6, 7:
		return d.moduleType(payload[1:])
	default:
		return ""
	}
}

// moduleType reads the 64-bit module id that begins a module value: 9 characters of 6 bits, then 10 bits of version
// (module.c, moduleTypeEncodeId). It is written as a length of 64 bits: 0x81 and eight bytes, the highest first.
func (d *Decoder) moduleType(b []byte) string {
	if len(b) < 9 || b[0] != 0x81 {
		return ""
	}
	const charset = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_"
	id := binary.BigEndian.Uint64(b[1:9]) >> 10
	var name [len(event.TypeModule) + 9]byte
	n := copy(name[:], event.TypeModule)
	for i := 8; i >= 0; i-- {
		name[n+i] = charset[id&63]
		id >>= 6
	}
	return d.types.get(name[:])
}
