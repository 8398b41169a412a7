package command_test

import (
	"fmt"
	"slices"
	"strings"
	"testing"

	"pgregory.net/rapid"

	"keyfeed/internal/change"
	"keyfeed/internal/command"
	"keyfeed/internal/event"
	"keyfeed/internal/resp"
)

// units draws a stream as a list of units.
func units() *rapid.Generator[[][]byte] {
	word := rapid.OneOf(
		rapid.SampledFrom([]string{"", "a", "b", "k:1", "\xff\x00", "é\"\\\n"}),
		rapid.StringN(0, 20, 60),
		rapid.Custom(func(t *rapid.T) string {
			return strings.Repeat(rapid.SampledFrom([]string{"x", "\x01", "ü", "\xfe", "\""}).Draw(t, "letter"), rapid.IntRange(0, 9000).Draw(t, "times"))
		}),
	)
	cmd := rapid.Custom(func(t *rapid.T) []byte {
		head := rapid.SampledFrom([]string{
			"SET", "SET", "DEL", "UNLINK", "HSET", "RPUSH", "LPUSH", "SADD", "ZADD", "MSET", "APPEND", "SETRANGE k 5", "ping", "SELECT 1", "SELECT 2",
			"RENAME", "COPY", "SMOVE", "SETEX k 10", "EXPIRE k 10", "EXPIRE k 10", "FLUSHALL", "FLUSHDB", "NOSUCH", "XADD", "HDEL", "EXEC", "PUBLISH", "BITOP and",
			"RESTORE k 5", "SCRIPT LOAD", "XGROUP CREATE", "FUNCTION LOAD", "SWAPDB 1 2", "CLUSTER", "SPOP", "PFADD", "ZADD k NX CH",
		}).Draw(t, "head")
		var argv [][]byte
		for w := range strings.FieldsSeq(head) {
			argv = append(argv, []byte(w))
		}
		for range rapid.IntRange(0, 5).Draw(t, "args") {
			argv = append(argv, []byte(word.Draw(t, "word")))
		}
		return resp.AppendCommand(nil, argv...)
	})
	return rapid.SliceOfN(rapid.Custom(func(t *rapid.T) []byte {
		switch rapid.IntRange(0, 9).Draw(t, "unit") {
		case 0:
			return []byte("\n")
		case 1, 2, 3:
			p := stream("MULTI")
			for range rapid.IntRange(0, 6).Draw(t, "commands") {
				if c := cmd.Draw(t, "command"); !strings.Contains(string(c[:12]), "EXEC") {
					p = append(p, c...)
				}
			}
			return append(p, stream("EXEC")...)
		default:
			return cmd.Draw(t, "command")
		}
	}), 1, 12)
}

// drawn is a stream with the settings to decode it.
type drawn struct {
	units  [][]byte
	set    command.Settings
	chunks []change.Chunk // with their arrival times
}

func draw(t *rapid.T) drawn {
	d := drawn{units: units().Draw(t, "stream"), set: settings()}
	d.set.MaxBytes = rapid.SampledFrom([]int{event.MinMaxBytes, 8 << 10, 512 << 10}).Draw(t, "max bytes")
	d.set.BinaryAlways = rapid.Bool().Draw(t, "binary")
	d.set.MaxTxnBuffer = rapid.SampledFrom([]int{1, 100, 5000, 1 << 20}).Draw(t, "max txn")
	d.set.MaxCommand = rapid.SampledFrom([]int{0, 1, 300, 6000}).Draw(t, "max command")
	d.set.Publish = rapid.Bool().Draw(t, "publish")
	if rapid.Bool().Draw(t, "filter") {
		d.set.Keep = func(e *event.Event) bool { return len(e.Key)%2 == 0 }
	}
	d.chunks = cutInto(t, slices.Concat(d.units...), 0, func(i int) int64 { return arrived + int64(i)*1000 })
	return d
}

// cutInto cuts p into chunks anywhere.
func cutInto(t *rapid.T, p []byte, start int64, at func(i int) int64) []change.Chunk {
	var all []change.Chunk
	for i := 0; len(p) > 0; i++ {
		n := rapid.IntRange(1, max(len(p)/rapid.SampledFrom([]int{1, 3, 50}).Draw(t, "part"), 1)).Draw(t, "size")
		all = append(all, change.Chunk{Start: start, Data: p[:n:n], Arrived: at(i)})
		p, start = p[n:], start+int64(n)
	}
	return all
}

func run(t *rapid.T, d drawn, start command.Start, chunks []change.Chunk) *record {
	r := newRecord(d.set)
	r.dec = command.New(d.set, start)
	for _, c := range chunks {
		c.Data = slices.Clone(c.Data)
		if err := r.dec.Feed(c, r); err != nil {
			t.Fatalf("Feed: %v", err)
		}
		clear(c.Data)
	}
	return r
}

// TestChunkingChangesNothing: the same bytes with the same arrival times give the same events, ids and positions.
func TestChunkingChangesNothing(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		d := draw(t)
		want := run(t, d, command.Start{Gen: 7, ReplID: replid}, d.chunks)
		var finer []change.Chunk
		for _, c := range d.chunks {
			finer = append(finer, cutInto(t, c.Data, c.Start, func(int) int64 { return c.Arrived })...)
		}
		got := run(t, d, command.Start{Gen: 7, ReplID: replid}, finer)
		same(t, "events", got.events, want.events)
		same(t, "positions", got.at, want.at)
		same(t, "units", got.units, want.units)
		same(t, "counts", got.counts, want.counts)
		for _, text := range want.events {
			if len(text) > d.set.MaxBytes {
				t.Fatalf("an event of %d bytes, more than %d", len(text), d.set.MaxBytes)
			}
			e := parse(t, text)
			i := slices.IndexFunc(d.chunks, func(c change.Chunk) bool { return c.End() >= e.Source.Offset })
			if e.TsMs != d.chunks[i].Arrived {
				t.Fatalf("an event at %d has time %d, the chunk that ends its command %d", e.Source.Offset, e.TsMs, d.chunks[i].Arrived)
			}
			if e.Cmd == "PEXPIREAT" && *e.Expire != e.TsMs+10_000 {
				t.Fatalf("EXPIRE 10 at %d became %d", e.TsMs, *e.Expire)
			}
		}
	})
}

// TestIDsAreOrdered: ids grow as text and are never used twice; seq counts from 0 to n-1 for every offset.
func TestIDsAreOrdered(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		d := draw(t)
		d.set.Keep = nil
		r := run(t, d, command.Start{Gen: 7, ReplID: replid}, d.chunks)
		last, next, of := "", 0, 0
		for i, e := range r.events {
			id, _, _ := strings.Cut(strings.TrimPrefix(e, `{"v":1,"id":"`), `"`)
			if id <= last {
				t.Fatalf("id %s after %s", id, last)
			}
			last = id
			var seq, n int
			if _, err := fmt.Sscanf(r.short[i][strings.LastIndex(r.short[i], " "):], "%d/%d", &seq, &n); err != nil {
				t.Fatal(err)
			}
			if next == of {
				next, of = 0, n
			}
			if seq != next || n != of {
				t.Fatalf("event %d of the stream is %d of %d, want %d of %d", i, seq, n, next, of)
			}
			next++
		}
		if next != of {
			t.Fatalf("the last command has %d of %d events", next, of)
		}
	})
}

// TestRestart: decoding from any unit end on, or from inside a unit with a count, gives the rest of the events.
func TestRestart(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		d := draw(t)
		want := run(t, d, command.Start{Gen: 7, ReplID: replid}, d.chunks)
		i := rapid.IntRange(-1, len(want.at)-1).Draw(t, "after event")
		from := change.Position{Gen: 7, ReplID: replid}
		if i >= 0 {
			from = want.at[i]
		}
		if len(want.units) > 0 && rapid.Bool().Draw(t, "at a unit") {
			from = rapid.SampledFrom(want.units).Draw(t, "unit")
			i = -1
			for i+1 < len(want.at) && want.at[i+1].Compare(from) < 0 {
				i++
			}
		}
		var rest []change.Chunk
		for _, c := range d.chunks {
			if c.End() <= from.Offset {
				continue
			}
			if c.Start < from.Offset {
				c.Data, c.Start = c.Data[from.Offset-c.Start:], from.Offset
			}
			rest = append(rest, c)
		}
		got := run(t, d, command.Start{Gen: 7, ReplID: replid, Offset: from.Offset, DB: from.DB, Skip: from.Count}, rest)
		same(t, "events", got.events, want.events[i+1:])
		same(t, "positions", got.at, want.at[i+1:])
	})
}

func same[T comparable](t *rapid.T, what string, got, want []T) {
	t.Helper()
	if !slices.Equal(got, want) {
		t.Fatalf("%s differ:\n got %v\nwant %v", what, got, want)
	}
}
