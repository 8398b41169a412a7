package rdb_test

import (
	"bytes"
	"encoding/binary"
	"math"
	"strconv"
	"strings"

	"github.com/hdt3213/rdb/crc64jones"
	"github.com/hdt3213/rdb/lzf"
)

// builder writes RDB files by hand, from the descriptions of the formats: what no server at hand writes any more (or
// yet), and what none would.
type builder struct{ bytes.Buffer }

func build(magic string) *builder {
	b := &builder{}
	b.WriteString(magic)
	return b
}

func (b *builder) raw(p ...byte) *builder {
	b.Write(p)
	return b
}

// len writes a length in its shortest form.
func (b *builder) len(n uint64) *builder {
	switch {
	case n < 1<<6:
		return b.raw(byte(n))
	case n < 1<<14:
		return b.raw(0x40|byte(n>>8), byte(n))
	case n < 1<<32:
		return b.raw(binary.BigEndian.AppendUint32([]byte{0x80}, uint32(n))...)
	}
	return b.raw(binary.BigEndian.AppendUint64([]byte{0x81}, n)...)
}

func (b *builder) str(s string) *builder {
	b.len(uint64(len(s))).WriteString(s)
	return b
}

// lzf writes a string compressed.
func (b *builder) lzf(s string) *builder {
	packed, err := lzf.Compress([]byte(s))
	if err != nil {
		panic(err)
	}
	return b.raw(0xc3).len(uint64(len(packed))).len(uint64(len(s))).raw(packed...)
}

func (b *builder) key(code byte, name string) *builder { return b.raw(code).str(name) }

func (b *builder) u64(n uint64) *builder { return b.raw(binary.LittleEndian.AppendUint64(nil, n)...) }

func (b *builder) id(ms, seq uint64) *builder { return b.len(ms).len(seq) }

func (b *builder) rawID(ms, seq uint64) *builder {
	return b.raw(binary.BigEndian.AppendUint64(binary.BigEndian.AppendUint64(nil, ms), seq)...)
}

// end writes the end of a file of RDB 5 or later. The builder can go on being used.
func (b *builder) end() []byte {
	file := append(bytes.Clone(b.Bytes()), 255)
	return binary.LittleEndian.AppendUint64(file, crcOf(file))
}

func crcOf(p []byte) uint64 {
	h := crc64jones.New()
	_, _ = h.Write(p)
	return h.Sum64()
}

// packString encodes an element of a listpack in the shortest form; an int in the shortest form of integer.
func packItem(v any) []byte {
	var e []byte
	switch v := v.(type) {
	case int:
		n := int64(v)
		switch {
		case n >= 0 && n < 128:
			e = []byte{byte(n)}
		case n >= -4096 && n < 4096:
			e = []byte{0xc0 | byte(uint64(n)>>8)&0x1f, byte(n)}
		case n >= math.MinInt16 && n <= math.MaxInt16:
			e = binary.LittleEndian.AppendUint16([]byte{0xf1}, uint16(n))
		case n >= -1<<23 && n < 1<<23:
			e = []byte{0xf2, byte(n), byte(n >> 8), byte(n >> 16)}
		case n >= math.MinInt32 && n <= math.MaxInt32:
			e = binary.LittleEndian.AppendUint32([]byte{0xf3}, uint32(n))
		default:
			e = binary.LittleEndian.AppendUint64([]byte{0xf4}, uint64(n))
		}
	case string:
		switch n := len(v); {
		case n < 64:
			e = []byte{0x80 | byte(n)}
		case n < 4096:
			e = []byte{0xe0 | byte(n>>8), byte(n)}
		default:
			e = binary.LittleEndian.AppendUint32([]byte{0xf0}, uint32(n))
		}
		e = append(e, v...)
	}
	return append(e, backlen(len(e))...)
}

func backlen(n int) []byte {
	size := 1
	for _, limit := range []int{127, 1<<14 - 2, 1<<21 - 2, 1<<28 - 2} {
		if n > limit {
			size++
		}
	}
	out := make([]byte, size)
	for i := size - 1; i >= 0; i-- {
		out[i] = byte(n & 127)
		if i > 0 {
			out[i] |= 128
		}
		n >>= 7
	}
	return out
}

// listpackOf makes a listpack; count in the header is that of the items, or 65535 where they are as many or more.
func listpackOf(items ...any) string {
	var body []byte
	for _, v := range items {
		body = append(body, packItem(v)...)
	}
	out := binary.LittleEndian.AppendUint32(nil, uint32(len(body)+7))
	out = binary.LittleEndian.AppendUint16(out, uint16(min(len(items), 65535)))
	return string(append(append(out, body...), 0xff))
}

// ziplistOf makes a ziplist. Ints are stored as integers.
func ziplistOf(items ...any) string {
	var body []byte
	prev, last := 0, 0
	for _, v := range items {
		start := len(body)
		last = start
		if prev < 254 {
			body = append(body, byte(prev))
		} else {
			body = binary.LittleEndian.AppendUint32(append(body, 254), uint32(prev))
		}
		body = append(body, zipItem(v)...)
		prev = len(body) - start
	}
	out := binary.LittleEndian.AppendUint32(nil, uint32(len(body)+11))
	out = binary.LittleEndian.AppendUint32(out, uint32(last+10))
	out = binary.LittleEndian.AppendUint16(out, uint16(min(len(items), 65535)))
	return string(append(append(out, body...), 0xff))
}

func zipItem(v any) []byte {
	if s, ok := v.(string); ok {
		var e []byte
		switch n := len(s); {
		case n < 64:
			e = []byte{byte(n)}
		case n < 16384:
			e = []byte{0x40 | byte(n>>8), byte(n)}
		default:
			e = binary.BigEndian.AppendUint32([]byte{0x80}, uint32(n))
		}
		return append(e, s...)
	}
	n := int64(v.(int))
	switch {
	case n >= 0 && n <= 12:
		return []byte{0xf1 + byte(n)}
	case n >= math.MinInt8 && n <= math.MaxInt8:
		return []byte{0xfe, byte(n)}
	case n >= math.MinInt16 && n <= math.MaxInt16:
		return binary.LittleEndian.AppendUint16([]byte{0xc0}, uint16(n))
	case n >= -1<<23 && n < 1<<23:
		return []byte{0xf0, byte(n), byte(n >> 8), byte(n >> 16)}
	case n >= math.MinInt32 && n <= math.MaxInt32:
		return binary.LittleEndian.AppendUint32([]byte{0xd0}, uint32(n))
	}
	return binary.LittleEndian.AppendUint64([]byte{0xe0}, uint64(n))
}

// zipmapOf makes a zipmap; every value is followed by free unused bytes.
func zipmapOf(free int, pairs ...string) string {
	length := func(n int) []byte {
		if n < 254 {
			return []byte{byte(n)}
		}
		return binary.LittleEndian.AppendUint32([]byte{254}, uint32(n))
	}
	out := []byte{byte(min(len(pairs)/2, 254))}
	for i := 0; i < len(pairs); i += 2 {
		out = append(append(out, length(len(pairs[i]))...), pairs[i]...)
		out = append(append(out, length(len(pairs[i+1]))...), byte(free))
		out = append(append(out, pairs[i+1]...), make([]byte, free)...)
	}
	return string(append(out, 0xff))
}

func intsetOf(width int, values ...int64) string {
	out := binary.LittleEndian.AppendUint32(nil, uint32(width))
	out = binary.LittleEndian.AppendUint32(out, uint32(len(values)))
	for _, v := range values {
		out = append(out, binary.LittleEndian.AppendUint64(nil, uint64(v))[:width]...)
	}
	return string(out)
}

// nodeEntry is an entry of a stream node; same: it has the names of the node, and fields are values only.
type nodeEntry struct {
	ms, seq       int
	deleted, same bool
	fields        []string
}

// nodeOf makes the listpack of a stream node.
func nodeOf(names []string, entries ...nodeEntry) string {
	live, deleted := 0, 0
	for _, e := range entries {
		if e.deleted {
			deleted++
		} else {
			live++
		}
	}
	items := []any{live, deleted, len(names)}
	for _, n := range names {
		items = append(items, n)
	}
	items = append(items, 0)
	for _, e := range entries {
		flags, size := 0, len(e.fields)+3
		if e.deleted {
			flags |= 1
		}
		if e.same {
			flags |= 2
		}
		items = append(items, flags, e.ms, e.seq)
		if !e.same {
			items = append(items, len(e.fields)/2)
			size++
		}
		for _, f := range e.fields {
			if n, err := strconv.Atoi(f); err == nil && strconv.Itoa(n) == f {
				items = append(items, n)
			} else {
				items = append(items, f)
			}
		}
		items = append(items, size)
	}
	return listpackOf(items...)
}

// everything is a small file with every opcode and every value type that a magic has.
func everything(magic string) []byte {
	b := build(magic)
	b.raw(250).str("redis-ver").str("7.4.0").raw(250).str("redis-bits").raw(0xc0, 64)
	b.raw(245).str("#!lua name=lib\n")
	b.raw(247).len(moduleID).len(2).len(2).len(5).str("aux").len(2).len(7).len(0)
	b.raw(254).len(0).raw(251).len(20).len(2)
	b.raw(244).len(3).len(5).len(1)
	b.raw(252).u64(4102444800123).raw(248).len(1000).key(0, "string").str("value")
	b.raw(253).raw(0, 0, 0, 0x70).raw(249, 7).key(0, "int").raw(0xc1, 0x39, 0x30)
	b.key(0, "lzf").lzf("aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaabbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbb")
	b.key(1, "long").len(1).str(strings.Repeat("0123456789", 8))
	b.key(1, "list").len(3).str("a").raw(0xc0, 0xff).str("c")
	b.key(2, "set").len(2).str("x").str("y")
	b.key(3, "zset").len(4).str("one").raw(1).raw('1').str("nan").raw(253).str("inf").raw(254).str("-inf").raw(255)
	b.key(4, "hash").len(1).str("f").str("v")
	b.key(5, "zset2").len(1).str("m").u64(math.Float64bits(-0.5))
	b.key(7, "module").len(moduleID).len(2).len(5).len(1).len(9).len(3).raw(1, 2, 3, 4).len(4).u64(7).len(5).str("s").len(0)
	b.key(9, "zipmap").str(zipmapOf(3, "f", "v", "g", "w"))
	b.key(10, "ziplist").str(ziplistOf("a", 5, -1, 1000, 1<<20, 1<<30, 1<<40))
	b.key(11, "intset").str(intsetOf(2, -1, 5))
	b.key(12, "zset ziplist").str(ziplistOf("m", 1, "n", "2.5"))
	b.key(13, "hash ziplist").str(ziplistOf("f", "v"))
	b.key(14, "quicklist").len(2).str(ziplistOf("a")).str(ziplistOf("b", "c"))
	stream(b.key(15, "stream"), 1)
	b.key(16, "hash listpack").str(listpackOf("f", "v", "g", 70000))
	b.key(17, "zset listpack").str(listpackOf("m", 1, "n", "-inf"))
	b.key(18, "quicklist2").len(3).len(1).str("plain").len(2).str(listpackOf("a", -5)).len(1).str("plain too")
	stream(b.key(19, "stream2"), 2)
	b.key(20, "set listpack").str(listpackOf("a", 1))
	stream(b.key(21, "stream3"), 3)
	if magic[0] == 'V' {
		b.raw(243).str("job").len(1).len(0).len(100)
		b.key(22, "hash2").len(2).str("f").str("v").u64(4102444800000).str("g").str("w").u64(math.MaxUint64)
		return b.end()
	}
	b.key(22, "hash ttl rc").len(2).len(4102444800000).str("f").str("v").len(0).str("g").str("w")
	b.key(23, "hash lp ttl rc").str(listpackOf("f", "v", 4102444800000, "g", "w", 0))
	b.key(24, "hash ttl").u64(4102444800000).len(2).len(1).str("f").str("v").len(0).str("g").str("w")
	b.key(25, "hash lp ttl").u64(4102444800000).str(listpackOf("f", "v", 4102444800000, "g", "w", 0))
	return b.end()
}

// moduleID is that of the type name "testtype1", encoding version 3.
const moduleID = uint64(45)<<58 | uint64(30)<<52 | uint64(44)<<46 | uint64(45)<<40 | uint64(45)<<34 | uint64(50)<<28 |
	uint64(41)<<22 | uint64(30)<<16 | uint64(53)<<10 | 3

// stream writes a stream value of a version.
func stream(b *builder, version int) *builder {
	b.len(1).str(string(binary.BigEndian.AppendUint64(binary.BigEndian.AppendUint64(nil, 10), 1)))
	b.str(nodeOf([]string{"a", "b"},
		nodeEntry{same: true, fields: []string{"1", "two"}},
		nodeEntry{ms: 1, deleted: true, same: true, fields: []string{"gone", "gone"}},
		nodeEntry{ms: 2, seq: 5, fields: []string{"a", "1", "a", "2"}}))
	b.len(2).id(12, 6)
	if version > 1 {
		b.id(10, 1).id(11, 1).len(3)
	}
	b.len(1).str("group").id(12, 6)
	if version > 1 {
		b.len(math.MaxUint64)
	}
	b.len(2).rawID(10, 1).u64(1700000000000).len(1).rawID(12, 6).u64(1700000000001).len(300)
	b.len(3)
	for i, c := range []string{"one", "two", "idle"} {
		b.str(c).u64(1700000000002)
		if version > 2 {
			b.u64(math.MaxUint64)
		}
		switch i {
		case 0:
			b.len(1).rawID(12, 6)
		case 1:
			b.len(1).rawID(10, 1)
		default:
			b.len(0)
		}
	}
	return b
}
