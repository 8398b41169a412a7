package event_test

import (
	"bytes"
	"crypto/sha256"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"
	"unicode/utf8"

	"pgregory.net/rapid"

	"keyfeed/internal/event"
)

// item is one element of a value as it is given to a Cutter.
type item struct {
	kind  string // entry, info, consumer, …
	text  string // all of it, to compare
	strs  [][]byte
	alone any // its value, as the only one of a part, for the reference encoder
	fexp  int64
	give  func(*event.Cutter) error
}

func (it item) left() event.Omitted {
	all := bytes.Join(it.strs, nil)
	return event.Omitted{Bytes: int64(len(all)), SHA256: sha256.Sum256(all)}
}

// canon is the text of an item: strings in quotes, numbers as they are.
func canon(parts ...any) string {
	var b strings.Builder
	for _, p := range parts {
		if s, ok := p.([]byte); ok {
			p = fmt.Sprintf("%q", s)
		}
		fmt.Fprintf(&b, "%v ", p)
	}
	return b.String()
}

// genElement draws mostly short strings, and some that fill a part or are too large for one.
func genElement() *rapid.Generator[[]byte] {
	return rapid.Custom(func(t *rapid.T) []byte {
		b := genBytes(48).Draw(t, "bytes")
		switch rapid.IntRange(0, 19).Draw(t, "size") {
		case 0:
			return bytes.Repeat(b, rapid.IntRange(1, 400).Draw(t, "times"))
		case 1, 2:
			return bytes.Repeat(b, rapid.IntRange(1, 40).Draw(t, "times"))
		}
		return b
	})
}

func genItems(t *rapid.T, typ string) []item {
	elem := genElement()
	count := rapid.IntRange(0, 60).Draw(t, "count")
	var items []item
	for range count {
		b := elem.Draw(t, "element")
		switch typ {
		case event.TypeList, event.TypeSet:
			items = append(items, item{
				text: canon(b), strs: [][]byte{b}, alone: list{raw(b)},
				give: func(c *event.Cutter) error { return c.Element(b) },
			})
		case event.TypeHash:
			f := fmt.Appendf(elem.Draw(t, "field"), "#%d", len(items)) // a hash has a field once
			at := rapid.SampledFrom([]int64{0, 0, 7, 70368744177663}).Draw(t, "deadline")
			items = append(items, item{
				text: canon(f, b, at), strs: [][]byte{f, b}, alone: rawObject{{f, raw(b)}}, fexp: at,
				give: func(c *event.Cutter) error { return c.Field(f, b, at) },
			})
		case event.TypeZSet:
			score := rapid.Float64().Draw(t, "score")
			text := string(refScore(score))
			items = append(items, item{
				text: canon(b, text), strs: [][]byte{b}, alone: list{list{raw(b), text}},
				give: func(c *event.Cutter) error { return c.Score(b, score) },
			})
		case event.TypeArray:
			i := rapid.Uint64().Draw(t, "index")
			items = append(items, item{
				text: canon(b, i), strs: [][]byte{b}, alone: list{list{fmt.Sprint(i), raw(b)}},
				give: func(c *event.Cutter) error { return c.Index(i, b) },
			})
		}
	}
	if typ == event.TypeStream {
		items = genStream(t)
	}
	return items
}

// refScore is what encoding/json makes of a number, which is the form that docs/events.md asks for.
func refScore(f float64) []byte {
	b, err := json.Marshal(f)
	if err != nil {
		panic(err)
	}
	return b
}

func genStream(t *rapid.T) []item {
	elem := genElement()
	id := rapid.Custom(func(t *rapid.T) event.StreamID {
		return event.StreamID{Ms: rapid.Uint64().Draw(t, "ms"), Seq: rapid.Uint64().Draw(t, "seq")}
	})
	ms := rapid.Int64Range(-1, 1<<45)
	idText := func(id event.StreamID) string { return fmt.Sprintf("%d-%d", id.Ms, id.Seq) }
	var items []item
	for range rapid.IntRange(0, 20).Draw(t, "entries") {
		id, fields := id.Draw(t, "id"), rapid.SliceOfN(elem, 0, 6).Draw(t, "fields")
		items = append(items, item{
			kind: "entry", text: canon(idText(id), fields), strs: fields,
			alone: object{{"entries", list{list{idText(id), raws(fields)}}}},
			give:  func(c *event.Cutter) error { return c.Entry(id.Ms, id.Seq, fields) },
		})
	}
	info := event.StreamInfo{
		LastID: id.Draw(t, "last"), MaxDeletedID: id.Draw(t, "max deleted"), EntriesAdded: rapid.Uint64().Draw(t, "added"),
		HasMaxDeleted: rapid.Bool().Draw(t, "has max"), HasAdded: rapid.Bool().Draw(t, "has added"),
	}
	text := canon(idText(info.LastID))
	if info.HasMaxDeleted {
		text += canon(idText(info.MaxDeletedID))
	}
	if info.HasAdded {
		text += canon(info.EntriesAdded)
	}
	items = append(items, item{kind: "info", text: text, give: func(c *event.Cutter) error { return c.StreamInfo(info) }})
	for g := range rapid.IntRange(0, 4).Draw(t, "groups") {
		name := append([]byte{byte('0' + g)}, genBytes(30).Draw(t, "name")...)
		last, read := id.Draw(t, "last id"), rapid.Int64Range(-1, 1<<40).Draw(t, "read")
		var readPtr *int64
		text := canon(name, idText(last))
		if read >= 0 {
			readPtr = &read
			text += canon(read)
		}
		items = append(items, item{
			kind: "group", text: text, strs: [][]byte{name},
			give: func(c *event.Cutter) error { return c.Group(name, last, readPtr) },
		})
		for range rapid.IntRange(0, 30).Draw(t, "members") {
			consumer := elem.Draw(t, "consumer")
			if rapid.Bool().Draw(t, "pending") {
				id, at, count := id.Draw(t, "id"), rapid.Int64().Draw(t, "at"), rapid.Uint64().Draw(t, "count")
				items = append(items, item{
					kind: "pending", text: canon(name, idText(id), consumer, at, count), strs: [][]byte{consumer},
					give: func(c *event.Cutter) error { return c.Pending(id, consumer, at, count) },
				})
				continue
			}
			seen, active := ms.Draw(t, "seen"), ms.Draw(t, "active")
			items = append(items, item{
				kind: "consumer", text: canon(name, consumer, seen, active), strs: [][]byte{consumer},
				give: func(c *event.Cutter) error { return c.Consumer(consumer, seen, active) },
			})
		}
	}
	return items
}

// cut runs a value through a cutter and returns the encoded events.
func cut(t require, s event.Settings, header event.Event, give func(*event.Cutter) error) [][]byte {
	t.Helper()
	enc := event.NewEncoder(s)
	var out [][]byte
	c := event.NewCutter(s, func(e *event.Event) error {
		b := enc.Append(nil, e)
		if n := enc.Size(e); n != len(b) {
			t.Fatalf("Size %d of %d bytes", n, len(b))
		}
		out = append(out, b)
		return nil
	})
	c.Begin(header)
	if err := give(c); err != nil {
		t.Fatalf("giving a value: %v", err)
	}
	if err := c.End(); err != nil {
		t.Fatalf("ending a value: %v", err)
	}
	if got := c.NextSeq(); got != header.Seq+int64(len(out)) {
		t.Fatalf("NextSeq is %d after %d events from %d", got, len(out), header.Seq)
	}
	return out
}

// require is what *testing.T and *rapid.T have in common.
type require interface {
	Helper()
	Fatalf(string, ...any)
}

func giveAll(items []item) func(*event.Cutter) error {
	return func(c *event.Cutter) error {
		for _, it := range items {
			if err := it.give(c); err != nil {
				return err
			}
		}
		return nil
	}
}

func genHeader(typ string) *rapid.Generator[event.Event] {
	return rapid.Custom(func(t *rapid.T) event.Event {
		e := event.Event{
			Gen: 1795311158, Offset: 77, Seq: rapid.SampledFrom([]int64{1, 9, 99}).Draw(t, "seq"), TsMs: 1795311159408,
			Op: event.OpRead, DB: rapid.IntRange(0, 15).Draw(t, "db"), IsKey: true, Key: genBytes(100).Draw(t, "key"),
			Type: typ, Snapshot: event.SnapshotTrue,
		}
		if rapid.Bool().Draw(t, "expires") {
			e.HasExpire, e.ExpireAtMs = true, 1795311159999
		}
		return e
	})
}

func TestCutterPartsAddUp(t *testing.T) {
	for _, typ := range []string{
		event.TypeList, event.TypeSet, event.TypeHash, event.TypeZSet, event.TypeArray, event.TypeStream,
	} {
		t.Run(typ, func(t *testing.T) {
			rapid.Check(t, func(t *rapid.T) {
				s := genSettings().Draw(t, "settings")
				header := genHeader(typ).Draw(t, "header")
				items := genItems(t, typ)
				got := cut(t, s, header, giveAll(items))
				if again := cut(t, s, header, giveAll(items)); !slices.EqualFunc(got, again, bytes.Equal) {
					t.Fatalf("the same value is cut in two ways")
				}
				checkParts(t, s, header, items, got)
			})
		})
	}
}

// checkParts holds the parts of a value against the elements that it was made of.
func checkParts(t require, s event.Settings, header event.Event, items []item, got [][]byte) {
	t.Helper()
	present := map[string][]string{} // kind → texts, in order
	var left []event.Omitted
	var group string
	for i, b := range got {
		if len(b) > s.MaxBytes {
			t.Fatalf("part %d has %d bytes, more than %d", i, len(b), s.MaxBytes)
		}
		p := parse(t, b)
		checkPlace(t, p, header, i, len(got))
		if o, ok := p.get("omitted").(tree); ok {
			left = append(left, omittedOf(t, o))
			if p.text("cause") != event.CauseOversize || p.get("value") != nil {
				t.Fatalf("part %d: %s", i, b)
			}
			continue
		}
		for _, it := range itemsOf(t, header.Type, p) {
			if it.kind == "group" {
				if it.text == group {
					continue // it goes on
				}
				group = it.text
			}
			present[it.kind] = append(present[it.kind], it.text)
		}
	}
	var missing []event.Omitted
	for _, it := range items {
		if texts := present[it.kind]; len(texts) > 0 && texts[0] == it.text {
			present[it.kind] = texts[1:]
			continue
		}
		missing = append(missing, it.left())
		if it.alone == nil {
			continue
		}
		e := header // it must be true that it is too large for a part of its own
		e.Part = &event.Part{}
		if it.fexp != 0 {
			e.FieldExpires = []event.FieldExpire{{Field: it.strs[0], AtMs: it.fexp}}
		}
		if alone := reference(s, &e, it.alone); len(alone)+streamSlack(header.Type) <= s.MaxBytes {
			t.Fatalf("%s is left out, but has %d of %d bytes", it.text, len(alone), s.MaxBytes)
		}
	}
	for kind, texts := range present {
		if len(texts) > 0 {
			t.Fatalf("%s %s was never given, or not in this order", kind, texts[0])
		}
	}
	if !slices.Equal(left, missing) {
		t.Fatalf("left out: %v, want %v", left, missing)
	}
}

// streamSlack is how many bytes a part may be below the limit and still be full: those of numbers that grow with the
// part, and in a stream the frames of arrays that a part does not have.
func streamSlack(typ string) int {
	if typ == event.TypeStream {
		return 100
	}
	return 8
}

// checkPlace checks what every part has in common.
func checkPlace(t require, p tree, header event.Event, i, n int) {
	t.Helper()
	part, _ := p.get("part").(tree)
	switch {
	case n == 1 && part != nil:
		t.Fatalf("the only event of a value has part")
	case n > 1 && (part.text("i") != fmt.Sprint(i) || part.get("last") != (i == n-1)):
		t.Fatalf("part %d of %d says %v", i, n, part)
	}
	at := p.text("expire_at_ms")
	if header.HasExpire && at != fmt.Sprint(header.ExpireAtMs) || !header.HasExpire && at != "" {
		t.Fatalf("part %d has the deadline %q", i, at)
	}
	source, _ := p.get("source").(tree)
	if source.text("seq") != fmt.Sprint(header.Seq+int64(i)) {
		t.Fatalf("part %d has seq %s", i, source.text("seq"))
	}
}

func TestCutterCutsLate(t *testing.T) {
	for _, typ := range []string{event.TypeList, event.TypeHash, event.TypeZSet, event.TypeArray} {
		t.Run(typ, func(t *testing.T) {
			rapid.Check(t, func(t *rapid.T) {
				s := genSettings().Draw(t, "settings")
				header := genHeader(typ).Draw(t, "header")
				items := genItems(t, typ)
				got := cut(t, s, header, giveAll(items))
				at := 0
				for i, b := range got {
					p := parse(t, b)
					e := header
					e.Seq += int64(i)
					e.Part = &event.Part{I: int64(i)}
					if p.get("omitted") != nil {
						at++
						continue
					}
					n := len(itemsOf(t, typ, p))
					if i == len(got)-1 {
						break
					}
					next := items[at : at+n+1] // with one more it would be too long
					whole := joined(next)
					for _, it := range next {
						if it.fexp != 0 {
							e.FieldExpires = append(e.FieldExpires, event.FieldExpire{Field: it.strs[0], AtMs: it.fexp})
						}
					}
					if size := len(reference(s, &e, whole)); size <= s.MaxBytes {
						t.Fatalf("part %d could have had %s: %d of %d bytes", i, next[n].text, size, s.MaxBytes)
					}
					at += n
				}
			})
		})
	}
}

// joined is the value of a part with these elements.
func joined(items []item) any {
	var l list
	var o rawObject
	for _, it := range items {
		switch alone := it.alone.(type) {
		case list:
			l = append(l, alone...)
		case rawObject:
			o = append(o, alone...)
		}
	}
	if o != nil {
		return o
	}
	return l
}

func TestCutterStrings(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		s := genSettings().Draw(t, "settings")
		header := genHeader(event.TypeString).Draw(t, "header")
		var value []byte
		for range rapid.IntRange(0, 12).Draw(t, "runs") {
			value = append(value, bytes.Repeat(genBytes(40).Draw(t, "run"), rapid.IntRange(1, 120).Draw(t, "times"))...)
		}
		got := cut(t, s, header, func(c *event.Cutter) error { return c.StringPiece(value) })
		again := cut(t, s, header, func(c *event.Cutter) error {
			for rest := value; len(rest) > 0; {
				n := min(len(rest), rapid.SampledFrom([]int{0, 1, 1, 2, 3, 5, 100, 3000}).Draw(t, "piece"))
				if err := c.StringPiece(rest[:n]); err != nil {
					return err
				}
				rest = rest[n:]
			}
			return nil
		})
		if !slices.EqualFunc(got, again, bytes.Equal) {
			t.Fatalf("in pieces the value is cut in another way:\n%s\n%s", got, again)
		}
		var back []byte
		for i, b := range got {
			if len(b) > s.MaxBytes {
				t.Fatalf("part %d has %d bytes, more than %d", i, len(b), s.MaxBytes)
			}
			p := parse(t, b)
			checkPlace(t, p, header, i, len(got))
			binaryForm := p.text("enc") == "base64"
			if binaryForm && utf8.Valid(value) && !s.BinaryAlways {
				t.Fatalf("text became base64 in part %d", i)
			}
			bs := p.bytes(t, "value")
			back = append(back, bs...)
			if i == len(got)-1 {
				continue
			}
			e := header // with the next character it would be too long
			e.Seq += int64(i)
			e.Part = &event.Part{I: int64(i)}
			next := 1
			if !binaryForm {
				_, next = utf8.DecodeRune(value[len(back):])
			}
			if size := len(reference(s, &e, raw(append(bs, value[len(back):][:next]...)))); size <= s.MaxBytes {
				t.Fatalf("part %d could be longer: %d of %d bytes", i, size, s.MaxBytes)
			}
		}
		if !bytes.Equal(back, value) {
			t.Fatalf("%q comes back as %q", value, back)
		}
	})
}

func TestCutterDumps(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		s := genSettings().Draw(t, "settings")
		header := genHeader(event.TypeModule+"vectorset").Draw(t, "header")
		dump := bytes.Repeat([]byte{0, 0xff, 'x'}, rapid.IntRange(0, 3000).Draw(t, "thirds"))
		got := cut(t, s, header, func(c *event.Cutter) error {
			for piece := range slices.Chunk(dump, rapid.IntRange(1, 5000).Draw(t, "piece")) {
				if err := c.Dump(piece); err != nil {
					return err
				}
			}
			return nil
		})
		if len(got) != 1 || len(got[0]) > s.MaxBytes {
			t.Fatalf("%d events, the first of %d bytes", len(got), len(got[0]))
		}
		e := header
		whole := reference(s, &e, object{{"dump", dump}})
		if e.Part = (&event.Part{}); len(reference(s, &e, object{{"dump", dump}})) > s.MaxBytes {
			e.Part = nil
			e.Cause, e.Omitted = event.CauseOversize, &event.Omitted{Bytes: int64(len(dump)), SHA256: sha256.Sum256(dump)}
			whole = reference(s, &e, nil)
		}
		if !bytes.Equal(got[0], whole) {
			t.Fatalf("got %s\nwant %s", got[0], whole)
		}
	})
}

func TestCutterLeavesKeysOut(t *testing.T) {
	s := event.Settings{Source: "s", MaxBytes: 900 << 10}
	long := bytes.Repeat([]byte("k"), event.MaxKeyBytes+1)
	header := event.Event{Gen: 1, Op: event.OpRead, Key: long, IsKey: true, Type: event.TypeHash, Snapshot: event.SnapshotTrue}
	give := func(c *event.Cutter) error {
		for range 100_000 {
			if err := c.Field([]byte("field"), []byte("value"), 5); err != nil {
				return err
			}
		}
		return nil
	}
	got := cut(t, s, header, give)
	want := header
	all := bytes.Repeat([]byte("fieldvalue"), 100_000)
	want.Cause = event.CauseOversize
	want.Omitted = &event.Omitted{
		Bytes: int64(len(all)), SHA256: sha256.Sum256(all), KeyLeft: true, KeySHA256: sha256.Sum256(long),
	}
	if len(got) != 1 || !bytes.Equal(got[0], reference(s, &want, nil)) {
		t.Errorf("got %s", got)
	}
	// A reader that hashed the key itself gets the same.
	header.Key, header.Omitted = nil, &event.Omitted{KeyLeft: true, KeySHA256: sha256.Sum256(long)}
	if again := cut(t, s, header, give); !bytes.Equal(again[0], got[0]) {
		t.Errorf("got %s\nwant %s", again[0], got[0])
	}
	// Under a small limit a shorter key is left out as well, so that every part has room.
	small := event.Settings{Source: "s", MaxBytes: event.MinMaxBytes}
	header.Omitted, header.Key = nil, bytes.Repeat([]byte{1}, event.MinMaxBytes/12+1)
	if got := cut(t, small, header, give); len(got) != 1 || !bytes.Contains(got[0], []byte(`"key_sha256":`)) {
		t.Errorf("%d events, the first is %s", len(got), got[0])
	}
}

func TestCutterOmitElement(t *testing.T) {
	s := event.Settings{Source: "s", MaxBytes: event.MinMaxBytes}
	header := event.Event{Gen: 1, Op: event.OpRead, Key: []byte("k"), IsKey: true, Type: event.TypeList, Snapshot: "true"}
	left := event.Omitted{Bytes: 1 << 40, SHA256: [32]byte{1, 2, 3}}
	got := cut(t, s, header, func(c *event.Cutter) error {
		return errors.Join(c.Element([]byte("a")), c.OmitElement(left), c.OmitElement(left), c.Element([]byte("b")))
	})
	for i, want := range []struct {
		value any
		left  *event.Omitted
	}{{list{raw("a")}, nil}, {nil, &left}, {nil, &left}, {list{raw("b")}, nil}} {
		e := header
		e.Seq, e.Part, e.Omitted = int64(i), &event.Part{I: int64(i), Last: i == 3}, want.left
		if want.left != nil {
			e.Cause = event.CauseOversize
		}
		if ref := reference(s, &e, want.value); !bytes.Equal(got[i], ref) {
			t.Errorf("part %d is\n%s\nwant\n%s", i, got[i], ref)
		}
	}
}

func TestCutterGroupTooLarge(t *testing.T) {
	s := event.Settings{Source: "s", MaxBytes: event.MinMaxBytes}
	header := event.Event{Gen: 1, Op: event.OpRead, Key: []byte("k"), IsKey: true, Type: event.TypeStream, Snapshot: "true"}
	big := bytes.Repeat([]byte("g"), 5000)
	got := cut(t, s, header, func(c *event.Cutter) error {
		return errors.Join(
			c.StreamInfo(event.StreamInfo{}),
			c.Group(big, event.StreamID{}, nil), c.Consumer([]byte("c"), 1, 1), c.Pending(event.StreamID{}, []byte("c"), 1, 1),
			c.Group([]byte("small"), event.StreamID{}, nil), c.Consumer([]byte("d"), 1, 1),
		)
	})
	if len(got) != 3 {
		t.Fatalf("%d parts: %s", len(got), got)
	}
	all := append(slices.Clone(big), "cc"...)
	if o := omittedOf(t, parse(t, got[1]).get("omitted").(tree)); o.Bytes != 5002 || o.SHA256 != sha256.Sum256(all) {
		t.Errorf("left out: %v", o)
	}
	if !bytes.Contains(got[2], []byte(`"groups":[{"name":"small","last_id":"0-0","consumers":[{"name":"d",`)) {
		t.Errorf("the next group: %s", got[2])
	}
}

func TestCutterErrors(t *testing.T) {
	boom := errors.New("boom")
	c := event.NewCutter(event.Settings{MaxBytes: event.MinMaxBytes}, func(*event.Event) error { return boom })
	for name, give := range map[string]func() error{
		"Element": func() error { return c.Element(nil) }, "StringPiece": func() error { return c.StringPiece(nil) },
		"Dump": func() error { return c.Dump(nil) }, "End": c.End,
		"OmitElement": func() error { return c.OmitElement(event.Omitted{}) },
		"Consumer":    func() error { return c.Consumer(nil, 0, 0) },
	} {
		if err := give(); !errors.Is(err, event.ErrNotBegun) {
			t.Errorf("%s without Begin gives %v", name, err)
		}
	}
	c.Begin(event.Event{Op: event.OpRead, IsKey: true, Type: event.TypeList})
	var err error
	for i := 0; err == nil && i < 100; i++ {
		err = c.Element(bytes.Repeat([]byte("x"), 500))
	}
	if !errors.Is(err, boom) || !errors.Is(c.Element(nil), boom) || !errors.Is(c.End(), boom) {
		t.Errorf("the error of emit is lost: %v", err)
	}
	c.Begin(event.Event{Op: event.OpRead, IsKey: true, Type: event.TypeList})
	if err := c.Element(nil); err != nil {
		t.Errorf("after a new Begin: %v", err)
	}
}

func TestCutterMemoryIsBounded(t *testing.T) {
	s := event.Settings{Source: "s", MaxBytes: 64 << 10}
	enc := event.NewEncoder(s)
	buf := make([]byte, 0, s.MaxBytes)
	c := event.NewCutter(s, func(e *event.Event) error {
		buf = enc.Append(buf[:0], e)
		return nil
	})
	header := event.Event{Gen: 1, Op: event.OpRead, Key: []byte("k"), IsKey: true, Type: event.TypeHash, Snapshot: "true"}
	field, val := []byte("a field of it"), []byte("and its value, which is \xff longer")
	value := func() {
		c.Begin(header)
		for range 20_000 { // about 50 parts
			if err := c.Field(field, val, 0); err != nil {
				t.Error(err)
			}
		}
		if err := c.End(); err != nil {
			t.Error(err)
		}
	}
	value()
	if n := testing.AllocsPerRun(3, value); n > 1 {
		t.Errorf("a value of many parts allocates %v times once the buffers have their size", n)
	}
}

func BenchmarkCutter(b *testing.B) {
	s := event.Settings{Source: "redis", MaxBytes: 900 << 10}
	enc := event.NewEncoder(s)
	var buf []byte
	c := event.NewCutter(s, func(e *event.Event) error {
		buf = enc.Append(buf[:0], e)
		return nil
	})
	header := event.Event{Gen: 1, Op: event.OpRead, Key: []byte("user:1234567"), IsKey: true, Snapshot: event.SnapshotTrue}
	field, value := []byte("field:12"), []byte("a value of 24 bytes here")
	run := func(name, typ string, give func() error) {
		b.Run(name, func(b *testing.B) {
			header.Type = typ
			b.ReportAllocs()
			for b.Loop() {
				c.Begin(header)
				if err := errors.Join(give(), c.End()); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
	run("string", event.TypeString, func() error { return c.StringPiece(value) })
	run("hash of 10", event.TypeHash, func() error {
		for range 10 {
			if err := c.Field(field, value, 0); err != nil {
				return err
			}
		}
		return nil
	})
	run("zset of 200", event.TypeZSet, func() error {
		for i := range 200 {
			if err := c.Score(field, float64(i)*1.25); err != nil {
				return err
			}
		}
		return nil
	})
	run("hash of 100000, in parts", event.TypeHash, func() error {
		for range 100_000 {
			if err := c.Field(field, value, 0); err != nil {
				return err
			}
		}
		return nil
	})
}
