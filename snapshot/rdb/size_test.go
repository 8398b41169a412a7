package rdb_test

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"runtime"
	"testing"

	"keyfeed/snapshot/rdb"
)

// generated is a file that is made while it is read, so that the test holds none of it. It has no checksum.
type generated struct {
	head, tail []byte
	next       func(b *builder, i int)
	n, i       int
	buf        builder
	state      int
}

func (g *generated) Read(p []byte) (int, error) {
	for g.buf.Len() == 0 {
		switch {
		case g.state == 0:
			g.buf.raw(g.head...)
			g.state = 1
		case g.state == 1 && g.i < g.n:
			for range 1000 {
				if g.i < g.n {
					g.next(&g.buf, g.i)
					g.i++
				}
			}
		case g.state == 1:
			g.buf.raw(g.tail...).raw(255).u64(0)
			g.state = 2
		default:
			return 0, io.EOF
		}
	}
	return g.buf.Read(p)
}

// heapWatch is a counter that looks at the heap now and then.
type heapWatch struct {
	counter
	calls int
	peak  uint64
}

func (h *heapWatch) look() {
	if h.calls++; h.calls%20_000 == 1 {
		var m runtime.MemStats
		runtime.ReadMemStats(&m)
		h.peak = max(h.peak, m.HeapAlloc)
	}
}

func (h *heapWatch) Piece(b []byte) error              { h.look(); return h.counter.Piece(b) }
func (h *heapWatch) Element(b []byte) error            { h.look(); return h.counter.Element(b) }
func (h *heapWatch) Field(n, v []byte, at int64) error { h.look(); return h.counter.Field(n, v, at) }
func (h *heapWatch) Member(m []byte, s float64) error  { h.look(); return h.counter.Member(m, s) }
func (h *heapWatch) Entry(e *rdb.Entry) error          { h.look(); return h.counter.Entry(e) }
func (h *heapWatch) Pending(p *rdb.Pending) error      { h.look(); return h.counter.Pending(p) }
func (h *heapWatch) Omitted(o *rdb.Oversize) error     { h.look(); return h.counter.Omitted(o) }
func (h *heapWatch) Key(k *rdb.Key) error              { h.look(); return h.counter.Key(k) }
func (h *heapWatch) total() int {
	c := &h.counter
	return c.elements + c.fields + c.members + c.entries + c.pending + c.omitted
}

// A value of any size takes the memory of its largest element. The limits leave room for garbage of the test itself.
func TestValuesOfAnySize(t *testing.T) {
	const million = 1_000_000
	packed := packItem("an element of fifty bytes, or nearly as many as that")
	lp := func(n int) []byte {
		head := binary.LittleEndian.AppendUint32(nil, uint32(n*len(packed)+7))
		return append(head, 0xff, 0xff)
	}
	entries := make([]nodeEntry, 100)
	for i := range entries {
		entries[i] = nodeEntry{seq: i, same: true, fields: []string{"value", "123456"}}
	}
	streamNode := build("").str("0123456789abcdef").str(nodeOf([]string{"a", "b"}, entries...)).Bytes()
	listNode := build("").len(2).str(listpackOf(hundred()...)).Bytes()
	const stringSize = 300 << 20
	repeats := stringSize/264 - 1
	for name, tt := range map[string]struct {
		file  generated
		want  int
		bytes int64
		limit uint64
	}{
		"hash of a million fields": {generated{
			head: build("REDIS0010").key(4, "k").len(million).Bytes(), n: million,
			next: func(b *builder, i int) { b.str(fmt.Sprint("field", i)).str("a value") },
		}, million, 0, 8 << 20},
		"hash of a million fields with deadlines": {generated{
			head: build("REDIS0012").key(24, "k").u64(4102444800000).len(million).Bytes(), n: million,
			next: func(b *builder, i int) { b.len(uint64(i)).str(fmt.Sprint("field", i)).str("a value") },
		}, million, 0, 8 << 20},
		"sorted set of a million members": {generated{
			head: build("REDIS0010").key(5, "k").len(million).Bytes(), n: million,
			next: func(b *builder, i int) { b.str(fmt.Sprint("member", i)).u64(uint64(i)) },
		}, million, 0, 8 << 20},
		"list of a million elements": {generated{
			head: build("REDIS0010").key(18, "k").len(million / 100).Bytes(), n: million / 100,
			next: func(b *builder, _ int) { b.raw(listNode...) },
		}, million, 0, 8 << 20},
		"one listpack of a million elements": {generated{
			head: build("REDIS0011").key(20, "k").len(uint64(million*len(packed) + 7)).raw(lp(million)...).Bytes(),
			tail: []byte{0xff}, n: million,
			next: func(b *builder, _ int) { b.raw(packed...) },
		}, million, 0, 8 << 20},
		"stream of a million entries": {generated{
			head: build("REDIS0010").key(15, "k").len(million / 100).Bytes(), n: million / 100,
			tail: build("").len(million).id(1, 1).len(0).Bytes(),
			next: func(b *builder, _ int) { b.raw(streamNode...) },
		}, million, 0, 8 << 20},
		"string of 300 MiB": {generated{
			head: build("REDIS0010").key(0, "k").len(stringSize).Bytes(), n: stringSize / 1024,
			next: func(b *builder, _ int) { b.raw(make([]byte, 1024)...) },
		}, 0, stringSize, 8 << 20},
		"string of 300 MiB, compressed": {generated{
			head: build("REDIS0010").key(0, "k").raw(0xc3).len(uint64(2+3*repeats)).len(uint64(1+264*repeats)).raw(0, 'x').Bytes(),
			n:    repeats, next: func(b *builder, _ int) { b.raw(0xe0, 255, 0) },
		}, 0, int64(1 + 264*repeats), 8 << 20},
		"element of 300 MiB": {generated{
			head: build("REDIS0010").key(1, "k").len(1).len(stringSize).Bytes(), n: stringSize / 1024,
			next: func(b *builder, _ int) { b.raw(make([]byte, 1024)...) },
		}, 1, 0, 8 << 20},
		"compressed element of 300 MiB": {generated{
			head: build("REDIS0010").key(2, "k").len(1).raw(0xc3).len(uint64(2+3*repeats)).len(uint64(1+264*repeats)).raw(0, 'x').Bytes(),
			n:    repeats, next: func(b *builder, _ int) { b.raw(0xe0, 255, 0) },
		}, 1, 0, 8 << 20},
		"module value of 300 MiB": {generated{
			head: build("REDIS0010").key(7, "k").len(moduleID).len(5).len(stringSize).Bytes(), n: stringSize / 1024,
			tail: []byte{0},
			next: func(b *builder, _ int) { b.raw(make([]byte, 1024)...) },
		}, 1, 0, 8 << 20},
	} {
		t.Run(name, func(t *testing.T) {
			runtime.GC()
			var before runtime.MemStats
			runtime.ReadMemStats(&before)
			h := &heapWatch{}
			if err := rdb.NewDecoder(&tt.file, rdb.Config{}).Decode(h); err != nil {
				t.Fatal(err)
			}
			if h.keys != 1 || h.total() != tt.want || h.bytes != tt.bytes {
				t.Errorf("%d elements and %d bytes, want %d and %d", h.total(), h.bytes, tt.want, tt.bytes)
			}
			if used := h.peak - min(h.peak, before.HeapAlloc); used > tt.limit {
				t.Errorf("the heap grew by %d KiB, want at most %d", used>>10, tt.limit>>10)
			}
		})
	}
}

func hundred() []any {
	out := make([]any, 100)
	for i := range out {
		out[i] = "element"
	}
	return out
}

// A group with a million pending entries: in memory there is a block of them at a time, and the file is read again.
func TestMillionPendingEntries(t *testing.T) {
	const n, consumers = 1_000_000, 7
	b := build("REDIS0011").key(21, "k").len(0).len(0).id(n, 0).id(0, 0).id(0, 0).len(n)
	b.len(1).str("g").id(n, 0).len(n).len(n)
	for i := range uint64(n) {
		b.rawID(i/3, i).u64(1700000000000 + i).len(i % 100)
	}
	b.len(consumers)
	for c := range uint64(consumers) {
		b.str(fmt.Sprint("consumer", c)).u64(5).u64(6).len((n - c + consumers - 1) / consumers)
		for i := c; i < n; i += consumers {
			b.rawID(i/3, i)
		}
	}
	path := filepath.Join(t.TempDir(), "dump.rdb")
	if err := os.WriteFile(path, b.end(), 0o600); err != nil {
		t.Fatal(err)
	}
	b = nil //nolint:wastedassign // given back before the heap is looked at
	f, err := os.Open(path)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = f.Close() }()
	runtime.GC()
	var before runtime.MemStats
	runtime.ReadMemStats(&before)
	v := &pendingCheck{seen: make([]bool, n)}
	if err := rdb.NewDecoder(f, rdb.Config{Again: f}).Decode(v); err != nil {
		t.Fatal(err)
	}
	if v.pending != n || v.wrong != 0 {
		t.Errorf("%d entries, %d of them wrong or repeated", v.pending, v.wrong)
	}
	// A block has 10 MiB; while it grows for the first time there are two.
	if used := v.peak - min(v.peak, before.HeapAlloc); used > 40<<20 {
		t.Errorf("the heap grew by %d MiB", used>>20)
	}
	if _, err := f.Seek(0, io.SeekStart); err != nil {
		t.Fatal(err)
	}
	err = rdb.NewDecoder(f, rdb.Config{}).Decode(rdb.Discard{})
	if _, ok := errors.AsType[*rdb.UnsupportedError](err); !ok {
		t.Errorf("without a way to read again: %v, want an UnsupportedError", err)
	}
}

type pendingCheck struct {
	heapWatch
	seen  []bool
	wrong int
}

func (c *pendingCheck) Pending(p *rdb.Pending) error {
	i := p.ID.Seq
	if p.ID.Ms != i/3 || c.seen[i] || p.Count != i%100 || p.DeliveredMs != int64(1700000000000+i) ||
		string(p.Consumer) != fmt.Sprint("consumer", i%7) {
		c.wrong++
	}
	c.seen[i] = true
	return c.heapWatch.Pending(p)
}

// Many consumers with long names are not held either.
func TestConsumerNamesBeyondTheBound(t *testing.T) {
	const n = 40
	name := func(i uint64) string { return string(bytes.Repeat([]byte{byte('A' + i)}, 300<<10)) }
	b := build("REDIS0009").key(15, "k").len(0).len(0).id(1, 1).len(1).str("g").id(1, 1).len(n)
	for i := range uint64(n) {
		b.rawID(i, 0).u64(i).len(i)
	}
	b.len(n)
	for i := range uint64(n) {
		b.str(name(n-1-i)).u64(0).len(1).rawID(n-1-i, 0)
	}
	file := b.end()
	got := 0
	v := &visitFunc{pending: func(p *rdb.Pending) {
		if string(p.Consumer) != name(p.ID.Ms) || p.Count != p.ID.Ms {
			t.Errorf("entry %d has consumer %.3q, count %d", p.ID.Ms, p.Consumer, p.Count)
		}
		got++
	}}
	if err := rdb.NewDecoder(bytes.NewReader(file), rdb.Config{Again: bytes.NewReader(file)}).Decode(v); err != nil || got != n {
		t.Errorf("%d entries, %v", got, err)
	}
	err := rdb.NewDecoder(bytes.NewReader(file), rdb.Config{}).Decode(rdb.Discard{})
	if _, ok := errors.AsType[*rdb.UnsupportedError](err); !ok {
		t.Errorf("without a way to read again: %v, want an UnsupportedError", err)
	}
}

type visitFunc struct {
	rdb.Discard
	pending func(*rdb.Pending)
}

func (v *visitFunc) Pending(p *rdb.Pending) error {
	v.pending(p)
	return nil
}
