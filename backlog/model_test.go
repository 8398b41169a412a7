package backlog_test

import (
	"bytes"
	"crypto/sha256"
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"pgregory.net/rapid"

	"keyfeed/backlog"
	"keyfeed/backlog/internal/crashfs"
	"keyfeed/internal/change"
)

// record is a frame of the model: a chunk, or a history where id is set.
type record struct {
	chunk change.Chunk
	id    string
}

func (r record) end() int64    { return r.chunk.End() }
func (r record) unitEnd() bool { return r.id != "" || r.chunk.UnitEnd }

// model is a log as a slice, with the real one beside it.
type model struct {
	cfg     backlog.Config
	fs      *crashfs.FS
	l       *backlog.Log
	records []record // from the origin on, what is trimmed included
	durable int      // so many of records must survive a power cut
	head    int64
}

const modelDir = "log"

func newModel(t *rapid.T) *model {
	m := &model{fs: crashfs.New(), head: 1000}
	m.cfg = backlog.Config{
		FS: m.fs, SegmentBytes: rapid.Int64Range(200, 800).Draw(t, "segment"), RetainBytes: -1,
	}
	l, err := backlog.Create(modelDir, m.cfg, origin(m.head))
	if err != nil {
		t.Fatal(err)
	}
	m.l = l
	return m
}

// tail is what the log's end must be.
func (m *model) tail() backlog.Tail {
	t := backlog.Tail{Offset: 1000, Unit: change.Position{Gen: 1795311158, Offset: 1000, DB: 2, ReplID: idA}}
	for _, r := range m.records {
		t.Offset = r.end()
		switch {
		case r.id != "":
			t.Unit.ReplID = r.id
		case r.chunk.UnitEnd:
			t.Unit.Offset, t.Unit.DB = r.end(), r.chunk.DB
		}
	}
	return t
}

// cut is the number of records up to the last unit end at or before offset.
func (m *model) cut(offset int64) int {
	n := 0
	for i, r := range m.records {
		if r.unitEnd() && r.end() <= offset {
			n = i + 1
		}
	}
	return n
}

// text writes down what a cursor from offset must deliver.
func (m *model) text(offset int64) string {
	var b strings.Builder
	for _, r := range m.records[:m.cut(m.tail().Unit.Offset)] {
		switch {
		case r.id != "" && r.end() >= offset:
			fmt.Fprintf(&b, "<%s>", r.id[:1])
		case r.id == "" && r.end() > offset:
			skip := max(0, offset-r.chunk.Start)
			c := r.chunk
			c.Start, c.Data = c.Start+skip, c.Data[skip:]
			writeChunk(&b, c)
		}
	}
	return b.String()
}

func (m *model) read(t *rapid.T, offset int64) string {
	c, err := m.l.Cursor(offset)
	if err != nil {
		t.Fatalf("cursor at %d: %v", offset, err)
	}
	defer c.Close()
	var b strings.Builder
	for c.Ready() {
		item, err := c.Next(t.Context())
		if err != nil {
			t.Fatalf("reading from %d: %v", offset, err)
		}
		if item.History != nil {
			fmt.Fprintf(&b, "<%s>", item.History.ReplID[:1])
			continue
		}
		writeChunk(&b, item.Chunk)
	}
	return b.String()
}

// writeChunk writes a chunk down so that two texts are equal when the chunks are.
func writeChunk(b *strings.Builder, c change.Chunk) {
	fmt.Fprintf(b, "[%d+%d %x at %d end %v db %d]", c.Start, len(c.Data), sha256.Sum224(c.Data), c.Arrived, c.UnitEnd, c.DB)
}

func (m *model) check(t *rapid.T) {
	if got, want := m.l.Tail(), m.tail(); got != want {
		t.Fatalf("Tail() = %+v, want %+v", got, want)
	}
	if got := m.l.Head(); got != m.head {
		t.Fatalf("Head() = %d, want %d", got, m.head)
	}
	from := m.head
	if span := m.tail().Unit.Offset - m.head; span > 0 && rapid.Bool().Draw(t, "inside") {
		from += rapid.Int64Range(0, span).Draw(t, "from")
	}
	if got, want := m.read(t, from), m.text(from); got != want {
		t.Fatalf("from %d the log reads\n%s\nwant\n%s", from, got, want)
	}
	var size int64
	names, err := m.fs.List(modelDir)
	if err != nil {
		t.Fatal(err)
	}
	for _, name := range names {
		size += int64(len(m.fs.Bytes(modelDir + "/" + name)))
	}
	if got := m.l.Size(); got != size {
		t.Fatalf("Size() = %d, the files have %d", got, size)
	}
}

// reopen opens fs, which holds the first records of one of the candidates, but not fewer than kept.
func (m *model) reopen(t *rapid.T, fs *crashfs.FS, kept int, headMax int64, candidates ...[]record) {
	m.fs, m.cfg.FS = fs, fs
	l, err := backlog.Open(modelDir, m.cfg)
	if err != nil {
		t.Fatalf("opening: %v", err)
	}
	m.l = l
	var found []record
	m.durable = -1
	for _, records := range candidates {
		for i := kept; i <= len(records); i++ {
			m.records = records[:i:i]
			if m.tail() == l.Tail() && m.text(l.Head()) == m.read(t, l.Head()) {
				found, m.durable = m.records, i
			}
		}
	}
	if m.records = found; m.durable < 0 {
		t.Fatalf("after opening the tail is %+v, which is no end of a frame from the first %d on of %v", l.Tail(), kept, candidates)
	}
	if h := l.Head(); h < m.head || h > headMax {
		t.Fatalf("after opening the head is %d, want %d to %d", h, m.head, headMax)
	}
	m.head = l.Head()
	if got, want := l.Synced(), l.Tail().Unit.Offset; got != want {
		t.Fatalf("after opening Synced() = %d, want %d", got, want)
	}
}

// TestModel runs random histories of a log against a slice, with power cuts between and inside operations.
func TestModel(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		m := newModel(t)
		choose := func(n int) int { return n - rapid.IntRange(0, n).Draw(t, "lost") }
		// during runs an operation, and now and then a power cut strikes inside it: then the operation's own effects
		// may be there or not.
		during := func(op func() (headMax int64)) {
			strike := rapid.IntRange(-20, 12).Draw(t, "strike")
			var crashed *crashfs.FS
			fs := m.fs
			fs.Before(func() {
				if strike--; strike == 0 {
					crashed = fs.Crash(choose)
				}
			})
			before, durable, head := m.records, m.durable, m.head
			headMax := op()
			fs.Before(nil)
			if crashed == nil {
				return
			}
			kept := min(durable, len(m.records), m.durable)
			m.head = head
			m.reopen(t, crashed, kept, max(headMax, head), before, m.records)
		}
		t.Repeat(map[string]func(*rapid.T){
			"": m.check,
			"append": func(t *rapid.T) {
				during(func() int64 {
					for range rapid.IntRange(1, 6).Draw(t, "chunks") {
						m.append(t)
					}
					return 0
				})
			},
			"history": func(t *rapid.T) {
				during(func() int64 {
					id := strings.Repeat(rapid.SampledFrom([]string{"a", "b", "c"}).Draw(t, "id"), 40)
					tail := m.tail()
					err := m.l.AppendHistory(id)
					switch inUnit := tail.Offset != tail.Unit.Offset; {
					case inUnit != errors.Is(err, backlog.ErrInUnit), !inUnit && err != nil:
						t.Fatalf("history at %+v: %v", tail, err)
					case !inUnit && id != tail.Unit.ReplID:
						m.records = append(m.records, record{id: id, chunk: change.Chunk{Start: tail.Offset}})
					}
					return 0
				})
			},
			"sync": func(t *rapid.T) {
				during(func() int64 {
					if err := m.l.Sync(); err != nil {
						t.Fatal(err)
					}
					if got, want := m.l.Synced(), m.tail().Unit.Offset; got != want {
						t.Fatalf("Synced() = %d, want %d", got, want)
					}
					return 0
				})
				m.durable = len(m.records)
			},
			"cut to unit": func(t *rapid.T) {
				during(func() int64 {
					pos, err := m.l.CutToUnit()
					if err != nil {
						t.Fatal(err)
					}
					m.cutDone(t, pos, m.tail().Unit.Offset)
					return 0
				})
			},
			"cut to": func(t *rapid.T) {
				during(func() int64 {
					offset := rapid.Int64Range(m.head, m.tail().Offset+5).Draw(t, "offset")
					pos, err := m.l.CutTo(offset)
					if err != nil {
						t.Fatal(err)
					}
					m.cutDone(t, pos, offset)
					return 0
				})
			},
			"cut at": func(t *rapid.T) {
				during(func() int64 {
					m.cutAt(t)
					return 0
				})
			},
			"trim": func(t *rapid.T) {
				during(func() int64 {
					offset := rapid.Int64Range(m.head, m.tail().Offset).Draw(t, "offset")
					m.l.Trim(offset, time.UnixMilli(0))
					if err := m.l.Retain(time.UnixMilli(0)); err != nil {
						t.Fatal(err)
					}
					m.head = m.l.Head()
					published := m.l.Published()
					if m.head > published {
						t.Fatalf("Head() = %d after only %d was published", m.head, published)
					}
					return m.head
				})
			},
			"reopen": func(t *rapid.T) {
				if err := m.l.Close(); err != nil {
					t.Fatal(err)
				}
				m.reopen(t, m.fs, len(m.records), m.head, m.records)
			},
			"kill": func(t *rapid.T) { m.reopen(t, m.fs, len(m.records), m.head, m.records) },
			"power cut": func(t *rapid.T) {
				m.reopen(t, m.fs.Crash(choose), m.durable, m.head, m.records)
			},
			"no space": func(t *rapid.T) {
				m.fs.SetSpace(rapid.Int64Range(0, 300).Draw(t, "space"))
				for range 8 {
					c := m.chunk(t)
					err := m.l.Append(c)
					if errors.Is(err, backlog.ErrFull) {
						break
					}
					if err != nil {
						t.Fatal(err)
					}
					m.records = append(m.records, record{chunk: c})
				}
				m.check(t)
				if err := m.l.Sync(); err != nil && !errors.Is(err, backlog.ErrFull) {
					t.Fatal(err)
				}
				m.fs.SetSpace(-1)
			},
		})
	})
}

func (m *model) chunk(t *rapid.T) change.Chunk {
	size := rapid.IntRange(1, 60).Draw(t, "bytes")
	if rapid.IntRange(0, 30).Draw(t, "large") == 0 {
		size = 70_000 // written by two calls
	}
	// Never zeros: of a large frame that was refused for want of space, zeros after the size grew would be a copy.
	data := bytes.Repeat([]byte{byte(rapid.IntRange(1, 255).Draw(t, "byte"))}, size)
	if rapid.IntRange(0, 4).Draw(t, "magic") == 0 {
		copy(data, "\xf5kf\xfa")
	}
	return change.Chunk{
		Start: m.tail().Offset, Data: data, Arrived: rapid.Int64().Draw(t, "arrived"),
		UnitEnd: rapid.IntRange(0, 3).Draw(t, "inside unit") > 0, DB: rapid.IntRange(0, 1<<31-1).Draw(t, "db"),
	}
}

func (m *model) append(t *rapid.T) {
	c := m.chunk(t)
	if err := m.l.Append(c); err != nil {
		t.Fatal(err)
	}
	m.records = append(m.records, record{chunk: c})
}

// cutAt cuts inside or at the end of a data frame that ends at a unit end; others must be refused.
func (m *model) cutAt(t *rapid.T) {
	var at []int
	for i, r := range m.records {
		if r.id == "" && r.chunk.Start >= m.head && r.end() <= m.tail().Unit.Offset {
			at = append(at, i)
		}
	}
	if len(at) == 0 {
		return
	}
	i := rapid.SampledFrom(at).Draw(t, "frame")
	r := m.records[i].chunk
	offset := r.Start + rapid.Int64Range(1, int64(len(r.Data))).Draw(t, "bytes")
	all := m.records
	m.records = all[:m.cut(offset)]
	if offset < r.End() {
		m.records = all[:i] // the id that is valid inside this frame
	}
	p := m.tail().Unit
	m.records = all
	p.Offset = offset
	if offset < r.End() {
		p.DB = rapid.IntRange(0, 15).Draw(t, "db")
	}
	got, err := m.l.CutAt(p)
	if !r.UnitEnd {
		if !errors.Is(err, backlog.ErrForeign) {
			t.Fatalf("CutAt(%v) inside a unit gives %v", p, err)
		}
		return
	}
	if err != nil {
		t.Fatal(err)
	}
	if offset == r.End() {
		m.cutDone(t, got, offset)
		return
	}
	r.Data, r.DB = r.Data[:offset-r.Start], p.DB
	m.records = append(m.records[:i:i], record{chunk: r})
	m.durable = min(m.durable, i)
	if want := m.tail().Unit; got != want || got != p {
		t.Fatalf("CutAt(%v) gives %v, want %v", p, got, want)
	}
}

func (m *model) cutDone(t *rapid.T, pos change.Position, offset int64) {
	n := m.cut(offset)
	m.durable = min(m.durable, n)
	m.records = m.records[:n:n]
	if want := m.tail().Unit; pos != want {
		t.Fatalf("the cut to %d gives %v, want %v", offset, pos, want)
	}
}
