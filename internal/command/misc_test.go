package command_test

import (
	"bytes"
	"fmt"
	"slices"
	"strings"
	"testing"

	"keyfeed/internal/change"
	"keyfeed/internal/command"
	"keyfeed/internal/event"
	"keyfeed/internal/resp"
)

// TestPayloadTypes: RESTORE tells the type by the first byte of its payload.
func TestPayloadTypes(t *testing.T) {
	want := map[byte]string{
		0: "string", 1: "list", 2: "set", 3: "zset", 4: "hash", 5: "zset", 9: "hash", 10: "list", 11: "set", 12: "zset", 13: "hash",
		14: "list", 15: "stream", 16: "hash", 17: "zset", 18: "list", 19: "stream", 20: "set", 21: "stream", 22: "hash", 23: "hash",
		24: "hash", 25: "hash", 26: "stream", 27: "stream", 28: "array",
	}
	for b := range 256 {
		r := decode(t, settings(), resp.AppendCommand(nil, []byte("RESTORE"), []byte("k"), []byte("0"), []byte{byte(b), 'x'}))
		_, got, _ := strings.Cut(r.events[0], `"type":"`)
		if got, _, _ = strings.Cut(got, `"`); !strings.Contains(r.events[0], `"type"`) {
			got = ""
		}
		if got != want[byte(b)] {
			t.Errorf("payload %d is %q, want %q", b, got, want[byte(b)])
		}
	}
	// The module id of ReJSON-RL, version 3, as Redis writes it: 9 characters of 6 bits, 10 bits.
	payload := []byte{7, 0x81, 0x44, 0x5e, 0x25, 0x48, 0xe3, 0x7e, 0x44, 0x03}
	const charset = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_"
	var id uint64
	for _, c := range "ReJSON-RL" {
		id = id<<6 | uint64(strings.IndexRune(charset, c))
	}
	id = id<<10 | 3
	for i := range 8 {
		payload[2+i] = byte(id >> (56 - 8*i))
	}
	for range 2 { // the second time the name is known
		r := decode(t, settings(), resp.AppendCommand(nil, []byte("RESTORE"), []byte("k"), []byte("0"), payload))
		if !strings.Contains(r.events[0], `"type":"module:ReJSON-RL"`) {
			t.Errorf("module payload gives %s", r.events[0])
		}
	}
	for _, short := range [][]byte{{7}, {7, 0x81, 1}, {6, 0x80, 1, 2, 3, 4, 5, 6, 7, 8}} {
		r := decode(t, settings(), resp.AppendCommand(nil, []byte("RESTORE"), []byte("k"), []byte("0"), short))
		if strings.Contains(r.events[0], `"type"`) {
			t.Errorf("payload %x gives %s", short, r.events[0])
		}
	}
}

// TestWrapped: RREPLAY is the command in it, at its own offset and in the database it names.
func TestWrapped(t *testing.T) {
	wrap := func(inner []byte, more ...string) []byte {
		argv := [][]byte{[]byte("RREPLAY"), []byte("uuid"), inner}
		for _, m := range more {
			argv = append(argv, []byte(m))
		}
		return resp.AppendCommand(nil, argv...)
	}
	p := slices.Concat(
		wrap(stream("SET a 1"), "3", "55"), wrap(stream("DEL a b"), "4"), wrap(stream("SET c 1")),
		wrap(stream("SELECT 9"), "1"), wrap(stream("ping")), stream("SET d 1"),
		wrap(stream("SET e 1", "SET f 1")), wrap(wrap(stream("SET g 1"))), wrap(stream("SET h 1"), "x"), wrap(nil),
		wrap(stream("XGROUP CREATE k g 0"), "2"), wrap(stream("PFDEBUG TODENSE k"), "2"), wrap(stream("NOSUCH k"), "2"),
	)
	var got []string
	set := settings()
	set.Keep = func(e *event.Event) bool {
		got = append(got, fmt.Sprintf("%s %q %q db%d", e.Cmd, e.Kind, e.Key, e.DB))
		return true
	}
	r := decode(t, set, p)
	want := []string{
		`SET "" "a" db3`, `DEL "" "a" db4`, `DEL "" "b" db4`, `SET "" "c" db0`, `SET "" "d" db0`,
		`RREPLAY "unknown" "" db0`, `RREPLAY "unknown" "" db0`, `RREPLAY "unknown" "" db0`, `RREPLAY "unknown" "" db0`,
		`XGROUP CREATE "" "k" db2`, `PFDEBUG TODENSE "" "k" db2`, `NOSUCH "unknown" "" db2`,
	}
	if !slices.Equal(got, want) {
		t.Errorf("got\n%s\nwant\n%s", strings.Join(got, "\n"), strings.Join(want, "\n"))
	}
	if first := int64(len(wrap(stream("SET a 1"), "3", "55"))); r.units[0].Offset != first || !strings.Contains(r.events[0], fmt.Sprintf(`"offset":%d,"seq":0,"n":1}`, first)) {
		t.Errorf("the first event is %s, want it at %d", r.events[0], first)
	}
	if len(r.units) != 13 {
		t.Errorf("%d units, want 13", len(r.units))
	}
}

// TestPublish: messages are events only where the settings ask for them, those of Sentinel never.
func TestPublish(t *testing.T) {
	hello := resp.AppendCommand(nil, "PUBLISH", "__sentinel__:hello", "x")
	p := slices.Concat(stream("PUBLISH ch m", "MULTI", "SET a 1", "PUBLISH ch m", "EXEC"), hello)
	for publish, want := range map[bool]int{false: 1, true: 3} {
		set := settings()
		set.Publish = publish
		r := decode(t, set, p)
		if len(r.events) != want || len(r.units) != 3 {
			t.Errorf("publish %t: %d events in %d units, want %d in 3", publish, len(r.events), len(r.units), want)
		}
	}
}

func TestCounts(t *testing.T) {
	p := stream("SET a 1", "set a 1", "ping", "EXEC", "MULTI", "JSON.SET a 1", "json.set a 1", "DEL a", "EXEC", "SPOP a")
	for i := range 200 {
		p = append(p, stream(fmt.Sprintf("CMD%03d a", i))...)
	}
	set := settings()
	set.MaxTxnBuffer = 60 // the block is counted in part, then streamed
	c := decode(t, set, p).dec.Counts()
	want := map[string]int64{"": 202, "SET": 2, "PING": 1, "MULTI": 1, "EXEC": 2, "DEL": 1, "SPOP": 1}
	for _, n := range c.Commands {
		if want[n.Name] != n.N {
			t.Errorf("%q counted %d times, want %d", n.Name, n.N, want[n.Name])
		}
		if mute := slices.Contains([]string{"PING", "MULTI", "EXEC"}, n.Name); mute != n.Mute {
			t.Errorf("%q: mute is %t", n.Name, n.Mute)
		}
		delete(want, n.Name)
	}
	if len(want) > 0 {
		t.Errorf("not counted: %v", want)
	}
	if len(c.Unknown) != 100 || c.Others != 102 || c.StrayExec != 1 {
		t.Errorf("%d unknown names, %d others, %d stray EXEC; want 100, 102, 1", len(c.Unknown), c.Others, c.StrayExec)
	}
	if i := slices.IndexFunc(c.Unknown, func(n command.Count) bool { return n.Name == "JSON.SET" }); i < 0 || c.Unknown[i].N != 2 {
		t.Errorf("unknown names %v", c.Unknown)
	}
}

// TestHistory: positions carry the replication id that holds from then on.
func TestHistory(t *testing.T) {
	d := command.New(settings(), command.Start{Gen: 7, ReplID: "one"})
	r := newRecord(settings())
	if err := feed(d, r, stream("SET a 1"), 100); err != nil {
		t.Fatal(err)
	}
	d.SetReplID("two")
	if err := feed(d, r, stream("SET a 1"), 100); err != nil {
		t.Fatal(err)
	}
	if r.units[0].ReplID != "one" || r.units[1].ReplID != "two" || d.Position().ReplID != "two" {
		t.Errorf("positions %v", r.units)
	}
}

// TestNames: what cannot be a name is shown as far as it can be.
func TestNames(t *testing.T) {
	for name, want := range map[string]string{
		"SET\x00": `"cmd":"SET\u0000"`, "": `"cmd":"","`, "\xff": "\"cmd\":\"\uFFFD\"", "naïve": `"cmd":"NAïVE"`,
		strings.Repeat("n", 200): `"cmd":"` + strings.Repeat("N", 128) + `"`,
	} {
		for range 2 {
			r := decode(t, settings(), resp.AppendCommand(nil, name, "k", "v"))
			if name == "" {
				want = `"kind":"unknown"`
			}
			if !strings.Contains(r.events[0], want) {
				t.Errorf("%q gives %s, want %s", name, r.events[0], want)
			}
		}
	}
}

// TestNoAllocations: a stream of ordinary commands allocates nothing, whatever the events are.
func TestNoAllocations(t *testing.T) {
	p := slices.Concat(sets(10), stream("HSET h f v", "DEL a b c", "SELECT 3", "MSET a 1 b 2", "SET k v EX 10", "EXPIRE k 10", "ping",
		"MULTI", "LPUSH l a", "ZADD z 1 a", "EXEC", "XADD s 1-0 f v", "XGROUP CREATE s g 0", "RENAME a b", "JSON.SET a 1", "PUBLISH a b"))
	for _, limit := range []int{1, 1 << 20} {
		set := settings()
		set.MaxTxnBuffer, set.Publish = limit, true
		set.Keep = func(*event.Event) bool { return true }
		h := &encodeAll{enc: event.NewEncoder(set.Settings)}
		d := command.New(set, command.Start{Gen: 7, ReplID: replid})
		var start int64
		one := func() {
			for _, part := range [][]byte{p[:len(p)/2], p[len(p)/2:]} { // the middle is inside a command
				if err := d.Feed(change.Chunk{Start: start, Data: part, Arrived: arrived}, h); err != nil {
					t.Fatal(err)
				}
				start += int64(len(part))
			}
		}
		one()
		if n := testing.AllocsPerRun(100, one); n != 0 {
			t.Errorf("limit %d: %v allocations", limit, n)
		}
	}
}

// TestBigCommandIsForgotten: what a monster needed is given back.
func TestBigCommandIsForgotten(t *testing.T) {
	set := settings()
	d := command.New(set, command.Start{Gen: 7})
	p := resp.AppendCommand(nil, []byte("SET"), []byte("k"), bytes.Repeat([]byte("x"), 16<<20))
	if err := feed(d, &discard{}, p, 1<<20); err != nil {
		t.Fatal(err)
	}
	if n := d.Held(); n > 8<<20 {
		t.Errorf("%d bytes are kept", n)
	}
}
