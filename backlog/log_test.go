package backlog_test

import (
	"bytes"
	"context"
	"errors"
	"strings"
	"testing"
	"time"

	"keyfeed/backlog"
	"keyfeed/internal/change"
)

var (
	idA = strings.Repeat("a", 40)
	idB = strings.Repeat("b", 40)
	idC = strings.Repeat("c", 40)
)

func origin(offset int64) backlog.Origin {
	return backlog.Origin{Gen: 1795311158, ReplID: idA, Offset: offset, DB: 2}
}

func create(t *testing.T, cfg backlog.Config, offset int64) (*backlog.Log, string) {
	t.Helper()
	dir := t.TempDir()
	l, err := backlog.Create(dir, cfg, origin(offset))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = l.Close() })
	return l, dir
}

// add appends a chunk with the given text at the end of the log.
func add(t *testing.T, l *backlog.Log, text string, unitEnd bool, db int) {
	t.Helper()
	err := l.Append(change.Chunk{Start: l.Tail().Offset, Data: []byte(text), Arrived: 1000 + l.Tail().Offset, UnitEnd: unitEnd, DB: db})
	if err != nil {
		t.Fatal(err)
	}
}

func cursor(t *testing.T, l *backlog.Log, offset int64) *backlog.Cursor {
	t.Helper()
	c, err := l.Cursor(offset)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = c.Close() })
	return c
}

// readAll reads what a cursor can deliver without waiting, as text; a change of history reads as "<id's first letter>".
func readAll(t *testing.T, c *backlog.Cursor) string {
	t.Helper()
	var b strings.Builder
	for c.Ready() {
		item, err := c.Next(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		if h := item.History; h != nil {
			b.WriteString("<" + h.Prev[:1] + h.ReplID[:1] + ">")
			continue
		}
		if item.Chunk.End() != c.Offset() {
			t.Fatalf("chunk ends at %d, cursor is at %d", item.Chunk.End(), c.Offset())
		}
		b.Write(item.Chunk.Data)
	}
	return b.String()
}

func TestAppendAndRead(t *testing.T) {
	l, dir := create(t, backlog.Config{}, 100)
	c := cursor(t, l, 100)
	if c.Ready() {
		t.Error("a cursor on an empty log is ready")
	}
	add(t, l, "one", true, 2)
	add(t, l, "two", true, 3)
	if got, want := l.Tail(), (backlog.Tail{Offset: 106, Unit: change.Position{Gen: 1795311158, Offset: 106, DB: 3, ReplID: idA}}); got != want {
		t.Errorf("Tail() = %+v, want %+v", got, want)
	}
	item, err := c.Next(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	if k := item.Chunk; k.Start != 100 || string(k.Data) != "one" || k.Arrived != 1100 || !k.UnitEnd || k.DB != 2 {
		t.Errorf("first chunk is %+v", k)
	}
	if got := readAll(t, c); got != "two" {
		t.Errorf("the rest is %q", got)
	}
	if got := readAll(t, cursor(t, l, 101)); got != "netwo" {
		t.Errorf("a cursor inside a frame reads %q", got)
	}
	if got := l.Synced(); got != 100 {
		t.Errorf("Synced() = %d before the sync", got)
	}
	if err := l.Close(); err != nil {
		t.Fatal(err)
	}
	if err := l.Append(change.Chunk{Start: 106, Data: []byte("x")}); !errors.Is(err, backlog.ErrClosed) {
		t.Errorf("Append after Close gives %v", err)
	}

	l, err = backlog.Open(dir, backlog.Config{})
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	if got := l.Synced(); got != 106 {
		t.Errorf("Synced() = %d after opening", got)
	}
	add(t, l, "three", true, 3)
	if got := readAll(t, cursor(t, l, 100)); got != "onetwothree" {
		t.Errorf("after opening the log reads %q", got)
	}
}

func TestAppendRefuses(t *testing.T) {
	l, _ := create(t, backlog.Config{}, 100)
	add(t, l, "x", true, 0)
	tests := []struct {
		name  string
		chunk change.Chunk
		want  error
	}{
		{"gap", change.Chunk{Start: 102, Data: []byte("x")}, backlog.ErrGap},
		{"overlap", change.Chunk{Start: 100, Data: []byte("x")}, backlog.ErrGap},
		{"empty at the wrong place", change.Chunk{Start: 5}, backlog.ErrGap},
		{"too large", change.Chunk{Start: 101, Data: make([]byte, backlog.MaxChunk+1)}, backlog.ErrChunk},
		{"negative database", change.Chunk{Start: 101, Data: []byte("x"), DB: -1}, backlog.ErrChunk},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			if err := l.Append(tt.chunk); !errors.Is(err, tt.want) {
				t.Errorf("Append gives %v, want %v", err, tt.want)
			}
		})
	}
	if err := l.Append(change.Chunk{Start: 101}); err != nil {
		t.Errorf("an empty chunk gives %v", err)
	}
	if got := readAll(t, cursor(t, l, 100)); got != "x" {
		t.Errorf("the log reads %q", got)
	}
}

func TestUnitsAreDeliveredWhole(t *testing.T) {
	l, _ := create(t, backlog.Config{}, 0)
	c := cursor(t, l, 0)
	add(t, l, "a", true, 0)
	add(t, l, "MULTI", false, 0)
	add(t, l, "more", false, 0)
	if got := readAll(t, c); got != "a" {
		t.Errorf("before the unit's end the cursor reads %q", got)
	}
	add(t, l, "EXEC", true, 1)
	if got := readAll(t, c); got != "MULTImoreEXEC" {
		t.Errorf("after the unit's end the cursor reads %q", got)
	}
}

func TestCutToUnit(t *testing.T) {
	l, dir := create(t, backlog.Config{}, 0)
	add(t, l, "a", true, 4)
	add(t, l, "MULTI", false, 4)
	pos, err := l.CutToUnit()
	if err != nil || pos.Offset != 1 || pos.DB != 4 {
		t.Fatalf("CutToUnit() = %v, %v", pos, err)
	}
	add(t, l, "b", true, 5)
	if got := readAll(t, cursor(t, l, 0)); got != "ab" {
		t.Errorf("the log reads %q", got)
	}
	if err := l.Close(); err != nil {
		t.Fatal(err)
	}
	if l, err = backlog.Open(dir, backlog.Config{}); err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	if got := readAll(t, cursor(t, l, 0)); got != "ab" {
		t.Errorf("after opening the log reads %q", got)
	}
}

func TestHistories(t *testing.T) {
	l, dir := create(t, backlog.Config{}, 0)
	for range 2 {
		c := cursor(t, l, 0)
		if l.Tail().Offset == 0 {
			add(t, l, "a1", true, 1)
			add(t, l, "x", false, 1)
			if err := l.AppendHistory(idB); !errors.Is(err, backlog.ErrInUnit) {
				t.Errorf("a history inside a unit gives %v", err)
			}
			if _, err := l.CutToUnit(); err != nil {
				t.Fatal(err)
			}
			for _, id := range []string{idB, idB, idC} {
				if err := l.AppendHistory(id); err != nil {
					t.Fatal(err)
				}
			}
			add(t, l, "c1", true, 1)
		}
		if got := readAll(t, c); got != "a1<ab><bc>c1" {
			t.Errorf("the log reads %q", got)
		}
		if got := readAll(t, cursor(t, l, 2)); got != "<ab><bc>c1" {
			t.Errorf("from the change on the log reads %q", got)
		}
		for id, want := range map[string]string{idA: "<ab><bc>c1", idB: "<bc>c1", idC: "c1"} {
			c, err := l.CursorAt(change.Position{Gen: l.Gen(), Offset: 2, DB: 1, ReplID: id})
			if err != nil {
				t.Fatal(err)
			}
			if got := readAll(t, c); got != want {
				t.Errorf("at the change, from %s the log reads %q, want %q", id[:1], got, want)
			}
			if err := c.Close(); err != nil {
				t.Error(err)
			}
		}
		if err := l.Close(); err != nil {
			t.Fatal(err)
		}
		var err error
		if l, err = backlog.Open(dir, backlog.Config{}); err != nil {
			t.Fatal(err)
		}
		defer l.Close()
	}
}

func TestVerify(t *testing.T) {
	l, _ := create(t, backlog.Config{}, 10)
	add(t, l, "aaaa", true, 1) // 14
	add(t, l, "aaaa", true, 2) // 18
	if err := l.AppendHistory(idB); err != nil {
		t.Fatal(err)
	}
	add(t, l, "bbbb", true, 3) // 22
	good := change.Position{Gen: l.Gen(), Offset: 18, DB: 2, ReplID: idB}
	with := func(f func(*change.Position)) change.Position { p := good; f(&p); return p }
	tests := []struct {
		name string
		pos  change.Position
		want string // "", "foreign", "range"
	}{
		{"at a change, after it", good, ""},
		{"at a change, before it", with(func(p *change.Position) { p.ReplID = idA }), ""},
		{"at a change, another id", with(func(p *change.Position) { p.ReplID = idC }), "foreign"},
		{"inside a frame", with(func(p *change.Position) { p.Offset, p.DB, p.ReplID = 16, 9, idA }), ""},
		{"inside a frame, later id", with(func(p *change.Position) { p.Offset = 16 }), "foreign"},
		{"after a change, old id", with(func(p *change.Position) { p.Offset, p.ReplID = 20, idA }), "foreign"},
		{"origin", with(func(p *change.Position) { p.Offset, p.ReplID = 10, idA }), ""},
		{"wrong database", with(func(p *change.Position) { p.DB = 7 }), "foreign"},
		{"generation", with(func(p *change.Position) { p.Gen++ }), "foreign"},
		{"before the head", with(func(p *change.Position) { p.Offset = 9 }), "range"},
		{"after the tail", with(func(p *change.Position) { p.Offset = 23 }), "range"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			err := l.Verify(tt.pos)
			_, isRange := errors.AsType[*backlog.OutOfRangeError](err)
			got := map[bool]string{true: "range"}[isRange]
			if errors.Is(err, backlog.ErrForeign) {
				got = "foreign"
			}
			if got != tt.want || (err == nil) != (tt.want == "") {
				t.Errorf("Verify(%v) = %v, want %q", tt.pos, err, tt.want)
			}
		})
	}
	for offset, want := range map[int64]change.Position{
		13: {Gen: l.Gen(), Offset: 10, DB: 2, ReplID: idA},
		14: {Gen: l.Gen(), Offset: 14, DB: 1, ReplID: idA},
		18: {Gen: l.Gen(), Offset: 18, DB: 2, ReplID: idB},
		99: {Gen: l.Gen(), Offset: 22, DB: 3, ReplID: idB},
	} {
		if got, err := l.UnitEndAtOrBefore(offset); err != nil || got != want {
			t.Errorf("UnitEndAtOrBefore(%d) = %v, %v, want %v", offset, got, err, want)
		}
	}
}

func TestCutTo(t *testing.T) {
	// Small segments, so that the cut goes through sealed ones.
	for _, sync := range []bool{false, true} {
		l, dir := create(t, backlog.Config{SegmentBytes: 300}, 0)
		for i := range 40 {
			add(t, l, strings.Repeat(string(rune('A'+i)), 10), true, i)
			if sync {
				if err := l.Sync(); err != nil {
					t.Fatal(err)
				}
			}
		}
		before, after := cursor(t, l, 0), cursor(t, l, 0)
		for before.Offset() < 50 {
			if _, err := before.Next(t.Context()); err != nil {
				t.Fatal(err)
			}
		}
		readAll(t, after)
		pos, err := l.CutTo(77)
		if err != nil || pos.Offset != 70 || pos.DB != 6 {
			t.Fatalf("CutTo(77) = %v, %v", pos, err)
		}
		if got := l.Synced(); got > 70 {
			t.Errorf("Synced() = %d after a cut to 70", got)
		}
		if err := l.AppendHistory(idB); err != nil {
			t.Fatal(err)
		}
		add(t, l, strings.Repeat("z", 900), true, 0)
		if got := readAll(t, before); got != "FFFFFFFFFFGGGGGGGGGG<ab>"+strings.Repeat("z", 900) {
			t.Errorf("a cursor before the cut reads %q", got)
		}
		if _, err := after.Next(t.Context()); !errors.As(err, new(*backlog.OutOfRangeError)) {
			t.Errorf("a cursor after the cut gets %v", err)
		}
		if err := l.Close(); err != nil {
			t.Fatal(err)
		}
		if l, err = backlog.Open(dir, backlog.Config{}); err != nil {
			t.Fatal(err)
		}
		if got := readAll(t, cursor(t, l, 60)); got != "GGGGGGGGGG<ab>"+strings.Repeat("z", 900) {
			t.Errorf("after opening the log reads %q", got)
		}
		_, err = l.CutTo(-1)
		if !errors.As(err, new(*backlog.OutOfRangeError)) {
			t.Errorf("a cut before the head gives %v", err)
		}
		if err := l.Close(); err != nil {
			t.Fatal(err)
		}
	}
}

// TestCutBehindACursor: what the cursor has read ahead is not what the log holds any more.
func TestCutBehindACursor(t *testing.T) {
	l, _ := create(t, backlog.Config{}, 0)
	c := cursor(t, l, 0)
	add(t, l, "kept", true, 0)
	add(t, l, "gone", true, 0)
	if item, err := c.Next(t.Context()); err != nil || string(item.Chunk.Data) != "kept" {
		t.Fatalf("Next gives %q, %v", item.Chunk.Data, err)
	}
	if _, err := l.CutTo(4); err != nil {
		t.Fatal(err)
	}
	if c.Ready() {
		t.Error("the cursor is ready at the end of the log")
	}
	add(t, l, "here", true, 0)
	if got := readAll(t, c); got != "here" {
		t.Errorf("the cursor reads %q", got)
	}
}

func TestNextBlocksAtTheTail(t *testing.T) {
	l, _ := create(t, backlog.Config{}, 0)
	c := cursor(t, l, 0)
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := c.Next(ctx); !errors.Is(err, context.Canceled) {
		t.Fatalf("Next with an ended context gives %v", err)
	}
	got := make(chan string)
	go func() {
		item, err := c.Next(t.Context())
		if err != nil {
			t.Error(err)
		}
		got <- string(bytes.Clone(item.Chunk.Data))
	}()
	add(t, l, "x", true, 0)
	if s := <-got; s != "x" {
		t.Errorf("Next gives %q", s)
	}
	ended := make(chan error)
	go func() {
		_, err := c.Next(t.Context())
		ended <- err
	}()
	if err := l.Close(); err != nil {
		t.Fatal(err)
	}
	if err := <-ended; !errors.Is(err, backlog.ErrClosed) {
		t.Errorf("Next on a closed log gives %v", err)
	}
}

func TestCreateAndOpenRefuse(t *testing.T) {
	dir := t.TempDir()
	if _, err := backlog.Open(dir, backlog.Config{}); !errors.Is(err, backlog.ErrNoLog) {
		t.Errorf("Open of an empty directory gives %v", err)
	}
	if _, err := backlog.Create(dir, backlog.Config{}, backlog.Origin{Gen: 1, ReplID: "x"}); err == nil {
		t.Error("Create with a bad origin gives no error")
	}
	if _, err := backlog.Create(dir, backlog.Config{SegmentBytes: -1}, origin(0)); err == nil {
		t.Error("Create with a bad configuration gives no error")
	}
	l, err := backlog.Create(dir, backlog.Config{}, origin(0))
	if err != nil {
		t.Fatal(err)
	}
	if err := l.Close(); err != nil {
		t.Fatal(err)
	}
	if _, err := backlog.Create(dir, backlog.Config{}, origin(0)); !errors.Is(err, backlog.ErrExists) {
		t.Errorf("Create over a log gives %v", err)
	}
}

func TestTrimRemovesWholeSegments(t *testing.T) {
	l, dir := create(t, backlog.Config{SegmentBytes: 300, RetainBytes: -1}, 0)
	for i := range 40 {
		add(t, l, strings.Repeat(string(rune('A'+i)), 10), true, i)
	}
	slow := cursor(t, l, 0)
	l.Trim(205, time.Now())
	if err := l.Retain(time.Now()); err != nil {
		t.Fatal(err)
	}
	if h := l.Head(); h != 0 {
		t.Errorf("Head() = %d before anything of the log is durable", h)
	}
	if err := errors.Join(l.Sync(), l.Retain(time.Now())); err != nil {
		t.Fatal(err)
	}
	if h := l.Head(); h != 180 { // segments of 30 bytes
		t.Errorf("Head() = %d after Trim(205)", h)
	}
	if _, err := l.Cursor(0); !errors.As(err, new(*backlog.OutOfRangeError)) {
		t.Errorf("a cursor before the head gives %v", err)
	}
	// A cursor in a removed segment reads that to its end.
	for range 3 {
		if _, err := slow.Next(t.Context()); err != nil {
			t.Fatal(err)
		}
	}
	for range 2 {
		if _, err := slow.Next(t.Context()); !errors.As(err, new(*backlog.OutOfRangeError)) {
			t.Errorf("a cursor that was overtaken by trimming gets %v", err)
		}
	}
	if err := l.Close(); err != nil {
		t.Fatal(err)
	}
	l, err := backlog.Open(dir, backlog.Config{})
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	if h := l.Head(); h != 180 {
		t.Errorf("Head() = %d after opening", h)
	}
}

func TestCutAt(t *testing.T) {
	l, _ := create(t, backlog.Config{}, 0)
	add(t, l, "MULTI", false, 0)
	add(t, l, "EXECab", true, 1)
	add(t, l, "cd", true, 2)
	c := cursor(t, l, 0)
	readAll(t, c)
	if _, err := l.CutAt(change.Position{Gen: l.Gen(), Offset: 3, ReplID: idA}); !errors.Is(err, backlog.ErrForeign) {
		t.Errorf("a cut inside a unit gives %v", err)
	}
	want := change.Position{Gen: l.Gen(), Offset: 10, DB: 7, ReplID: idA}
	if pos, err := l.CutAt(want); err != nil || pos != want || l.Tail().Offset != 10 {
		t.Errorf("CutAt gives %v, %v", pos, err)
	}
	if err := l.AppendHistory(idB); err != nil {
		t.Fatal(err)
	}
	add(t, l, "x", true, 0)
	if err := l.Verify(want); err != nil {
		t.Errorf("the position of the cut is not valid any more: %v", err)
	}
	if got := readAll(t, cursor(t, l, 0)); got != "MULTIEXECa<ab>x" {
		t.Errorf("the log reads %q", got)
	}
	if _, err := c.Next(t.Context()); !errors.As(err, new(*backlog.OutOfRangeError)) {
		t.Errorf("a cursor after the cut gets %v", err)
	}
}
