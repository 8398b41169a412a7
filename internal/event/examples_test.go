package event_test

import (
	"bytes"
	"crypto/sha256"
	"flag"
	"fmt"
	"os"
	"regexp"
	"strings"
	"testing"

	"github.com/santhosh-tekuri/jsonschema/v6"
	"pgregory.net/rapid"

	"keyfeed/docs"
	"keyfeed/internal/event"
)

var update = flag.Bool("update", false, "write the examples of docs/events.md anew")

const eventsPage = "../../docs/events.md"

// compileSchema gives the check of one encoded event.
func compileSchema(t *testing.T) func([]byte) error {
	t.Helper()
	doc, err := jsonschema.UnmarshalJSON(strings.NewReader(docs.EventsSchema()))
	if err != nil {
		t.Fatal(err)
	}
	c := jsonschema.NewCompiler()
	if err := c.AddResource("events.schema.json", doc); err != nil {
		t.Fatal(err)
	}
	schema, err := c.Compile("events.schema.json")
	if err != nil {
		t.Fatal(err)
	}
	return func(b []byte) error {
		v, err := jsonschema.UnmarshalJSON(bytes.NewReader(b))
		if err != nil {
			return err
		}
		return schema.Validate(v)
	}
}

const (
	oldID = "8371b445a6b6f5b2d4f9e3c1a0978877665544aa"
	newID = "0c9de43f1be27ab0d8d0a7a1ab33c9e0f1e2d3c4"
)

// example is an event of docs/events.md. Some make several.
type example struct {
	name   string
	events func() [][]byte
}

func exampleSettings() event.Settings {
	return event.Settings{Source: "redis", MaxBytes: 900 << 10}
}

// stream is an event of a command.
func stream(name, cmd string, e event.Event, args ...string) example {
	e.Gen, e.TsMs, e.N, e.Cmd = 1795311158, 1795311159408, max(e.N, 1), cmd
	e.Offset = 123456
	for _, a := range args {
		e.Args = append(e.Args, []byte(a))
	}
	return encoded(name, e)
}

func encoded(name string, e event.Event) example {
	return example{name, func() [][]byte { return [][]byte{event.NewEncoder(exampleSettings()).Append(nil, &e)} }}
}

// snapshotKey is an event of a snapshot, or its parts.
func snapshotKey(t *testing.T, name, typ string, header event.Event, s event.Settings, give func(*event.Cutter) error) example {
	t.Helper()
	header.Gen, header.Offset, header.Seq, header.TsMs = 1795311158, 4200, 17, 1795311158250
	header.Op, header.Type, header.IsKey, header.Snapshot = event.OpRead, typ, true, event.SnapshotTrue
	return example{name, func() [][]byte { return cut(t, s, header, give) }}
}

func examples(t *testing.T) []example {
	t.Helper()
	key := func(op event.Op, key, typ, effect string) event.Event {
		return event.Event{Op: op, IsKey: true, Key: []byte(key), Type: typ, Effect: effect}
	}
	message := func(kind string, db int) event.Event {
		return event.Event{Op: event.OpMessage, Kind: kind, DB: db}
	}
	at := event.Stamp{Gen: 1795311158, Offset: 4200, TsMs: 1795311158250}
	end, later := at, at
	end.Seq = 1002
	later.Offset, later.TsMs = 123456, 1795311159408
	read := func(name, typ, key string, give func(*event.Cutter) error) example {
		return snapshotKey(t, name, typ, event.Event{Key: []byte(key)}, exampleSettings(), give)
	}
	small := exampleSettings()
	small.MaxBytes = event.MinMaxBytes

	set := key(event.OpUpdate, "user:1", event.TypeString, event.EffectValue)
	set.HasExpire, set.ExpireAtMs = true, -1
	lease := key(event.OpCreate, "lock:7", event.TypeString, event.EffectValue)
	lease.HasExpire, lease.ExpireAtMs = true, 1795311219408
	move := key(event.OpCreate, "job:9", "", event.EffectDerive)
	move.Seq, move.N, move.HasKeyDB, move.KeyDB, move.Keys = 1, 2, true, 3, [][]byte{[]byte("job:9"), []byte("job:9")}
	rename := key(event.OpDelete, "draft", "", event.EffectGone)
	rename.N, rename.Keys = 2, [][]byte{[]byte("draft"), []byte("page")}
	inTxn := key(event.OpUpdate, "stock", event.TypeString, event.EffectDelta)
	inTxn.Txn = &event.Txn{Gen: 1795311158, Offset: 123321, Seq: 1, Size: 2, Last: true}
	binaryForm := key(event.OpUpdate, "\xfe\xff", event.TypeSet, event.EffectPut)
	flushDB := event.Event{Op: event.OpTruncate, DB: 3}
	flushAll := event.Event{Op: event.OpTruncate, DB: event.NoDB}
	slots := message(event.KindSlots, event.NoDB)
	slots.Message, slots.Cause = event.Slots{Ranges: [][2]int{{0, 100}, {200, 200}}}, event.CauseMigration
	library := message(event.KindFunction, event.NoDB)
	library.Gen, library.Offset, library.Seq, library.TsMs = at.Gen, at.Offset, 1, at.TsMs
	library.Cmd, library.Args = "FUNCTION LOAD", [][]byte{[]byte("REPLACE"), []byte("#!lua name=lib\nredis.register_function('f', function() return 1 end)")}
	left := key(event.OpUpdate, "index", event.TypeZSet, event.EffectDerive)
	left.Keys = [][]byte{[]byte("index")}
	left.Cause, left.Omitted = event.CauseOversize, &event.Omitted{Bytes: 1048588, SHA256: sha256.Sum256([]byte("an example"))}
	longKey := key(event.OpDelete, "", "", event.EffectGone)
	longKey.Cause = event.CauseOversize
	longKey.Omitted = &event.Omitted{SHA256: sha256.Sum256(nil), KeyLeft: true, KeySHA256: sha256.Sum256([]byte("a long key"))}

	expiring := event.Event{Key: []byte("session:1"), HasExpire: true, ExpireAtMs: 1795314759408}
	return []example{
		read("r string", event.TypeString, "greeting", func(c *event.Cutter) error { return c.StringPiece([]byte("héllo\n")) }),
		read("r list", event.TypeList, "queue", giveAll([]item{elem("a"), elem("b"), elem("a")})),
		read("r set", event.TypeSet, "tags", giveAll([]item{elem("x"), elem("y")})),
		snapshotKey(t, "r hash", event.TypeHash, expiring, exampleSettings(), func(c *event.Cutter) error {
			if err := c.Field([]byte("name"), []byte("Jane"), 0); err != nil {
				return err
			}
			return c.Field([]byte("code"), []byte("1234"), 1795311459408)
		}),
		read("r zset", event.TypeZSet, "board", func(c *event.Cutter) error {
			for _, m := range []struct {
				name  string
				score float64
			}{{"ann", 1}, {"bob", 0.1}, {"cid", 1e21}} {
				if err := c.Score([]byte(m.name), m.score); err != nil {
					return err
				}
			}
			return nil
		}),
		read("r stream", event.TypeStream, "orders", giveStream),
		read("r array", event.TypeArray, "cells", func(c *event.Cutter) error { return c.Index(12, []byte("x")) }),
		read("r module", event.TypeModule+"vectorset", "vectors", func(c *event.Cutter) error { return c.Dump([]byte{7, 0x81, 0, 0xff}) }),
		snapshotKey(t, "r base64", event.TypeList, event.Event{DB: 2, Key: []byte{0xff}}, exampleSettings(), giveAll([]item{elem("a"), elem("\x80")})),
		snapshotKey(t, "r parts", event.TypeSet, event.Event{Key: []byte("big")}, small, giveAll([]item{
			elem("first"), elem(strings.Repeat("x", 5000)), elem("last"),
		})),
		stream("c", "SET", lease, "token", "PXAT", "1795311219408"),
		stream("c move", "MOVE", move, "job:9", "3"),
		stream("u", "SET", set, "Jane"),
		stream("u hash", "HSET", key(event.OpUpdate, "user:2", event.TypeHash, event.EffectPut), "name", "Joe", "age", "7"),
		stream("u txn", "DECRBY", inTxn, "2"),
		stream("u base64", "SADD", binaryForm, "plain", "\x00\xff"),
		stream("u omitted", "ZUNIONSTORE", left),
		stream("d", "DEL", key(event.OpDelete, "user:3", "", event.EffectGone)),
		stream("d rename", "RENAME", rename, "draft", "page"),
		stream("d long key", "DEL", longKey),
		stream("t", "FLUSHDB", flushDB, "ASYNC"),
		stream("t all", "FLUSHALL", flushAll),
		encoded("m snapshot_begin", event.NewSnapshotBegin(at, event.Begin{
			Reason: event.ReasonHistoryLost, Server: "redis", ServerVersion: "7.0.15", RDBVersion: 10, ReplID: newID,
			Prev: "1795300000:00000000000000987654:0000000000:" + oldID,
		})),
		encoded("m snapshot_end", event.NewSnapshotEnd(end, event.End{
			Keys: 1000, Events: 1003, Bytes: 52100, Ms: 812, Skipped: []event.Skip{{Name: "module_aux:example", N: 1}},
		})),
		encoded("m gap", event.NewGap(at, event.Begin{Reason: event.ReasonHistoryRewritten, ReplID: newID})),
		encoded("m history", event.NewHistory(later, event.History{PrevReplID: oldID, ReplID: newID})),
		encoded("m heartbeat", event.NewHeartbeat(later, event.Heartbeat{
			Position: "1795311158:00000000000000123456:0000000000:" + newID, Keys: 1000, KeysKnown: true,
		})),
		stream("m swapdb", "SWAPDB", message(event.KindSwapDB, event.NoDB), "0", "1"),
		stream("m function", "FUNCTION DELETE", message(event.KindFunction, event.NoDB), "lib"),
		encoded("m function of a snapshot", library),
		stream("m slots", "TRIMSLOTS", slots, "RANGES", "2", "0", "100", "200", "200"),
		stream("m publish", "PUBLISH", message(event.KindPublish, event.NoDB), "news", "hello"),
		stream("m unknown", "FT.ADD", message(event.KindUnknown, 0), "index", "doc"),
	}
}

func elem(s string) item {
	return item{give: func(c *event.Cutter) error { return c.Element([]byte(s)) }}
}

func giveStream(c *event.Cutter) error {
	read := int64(5)
	return giveAll([]item{
		{give: func(c *event.Cutter) error {
			return c.Entry(4, 0, [][]byte{[]byte("sku"), []byte("a"), []byte("sku"), []byte("b")})
		}},
		{give: func(c *event.Cutter) error {
			return c.StreamInfo(event.StreamInfo{
				LastID: event.StreamID{Ms: 5}, MaxDeletedID: event.StreamID{Ms: 5}, EntriesAdded: 7, HasMaxDeleted: true, HasAdded: true,
			})
		}},
		{give: func(c *event.Cutter) error { return c.Group([]byte("billing"), event.StreamID{Ms: 5}, &read) }},
		{give: func(c *event.Cutter) error { return c.Consumer([]byte("worker-1"), 1795311150000, 1795311150000) }},
		{give: func(c *event.Cutter) error {
			return c.Pending(event.StreamID{Ms: 4}, []byte("worker-1"), 1795311159408, 1)
		}},
	})(c)
}

// An example stands in docs/events.md between a comment with its name and the end of the code block.
func exampleBlock(name string) *regexp.Regexp {
	return regexp.MustCompile("(?s)(<!-- example: " + regexp.QuoteMeta(name) + " -->\n```json\n)(.*?)(```\n)")
}

func TestExamplesOfTheDocumentation(t *testing.T) {
	page, err := os.ReadFile(eventsPage)
	if err != nil {
		t.Fatal(err)
	}
	validate := compileSchema(t)
	shown := page
	seen := map[string]bool{}
	for _, ex := range examples(t) {
		var block []byte
		for _, b := range ex.events() {
			if err := validate(b); err != nil {
				t.Errorf("%s: %s\n%v", ex.name, b, err)
			}
			block = append(append(block, b...), '\n')
			seen[fmt.Sprintf("op %s", parse(t, b).text("op"))] = true
			seen["kind "+parse(t, b).text("kind")] = true
		}
		re := exampleBlock(ex.name)
		found := re.FindSubmatch(shown)
		switch {
		case found == nil:
			t.Errorf("%s has no place for the example %q", eventsPage, ex.name)
		case !bytes.Equal(found[2], block) && !*update:
			t.Errorf("the example %q is\n%swant\n%s(go test ./internal/event -run Documentation -update writes it)", ex.name, found[2], block)
		}
		shown = re.ReplaceAllFunc(shown, func([]byte) []byte {
			return bytes.Join([][]byte{found[1], block, found[3]}, nil)
		})
	}
	for _, want := range []string{
		"op r", "op c", "op u", "op d", "op t", "op m", "kind snapshot_begin", "kind snapshot_end", "kind gap", "kind history",
		"kind heartbeat", "kind swapdb", "kind function", "kind slots", "kind publish", "kind unknown",
	} {
		if !seen[want] {
			t.Errorf("no example shows %s", want)
		}
	}
	if n := bytes.Count(page, []byte("<!-- example: ")); n != len(examples(t)) {
		t.Errorf("%s has places for %d examples, there are %d", eventsPage, n, len(examples(t)))
	}
	if *update && !bytes.Equal(shown, page) {
		if err := os.WriteFile(eventsPage, shown, 0o644); err != nil {
			t.Fatal(err)
		}
	}
}

// What breaks the rules is refused: a schema that takes everything would pass the test above.
func TestSchemaRefuses(t *testing.T) {
	validate := compileSchema(t)
	good := map[string]string{}
	for _, ex := range examples(t) {
		good[ex.name] = string(ex.events()[0])
	}
	tests := []struct{ name, example, old, replacement string }{
		{"another version", "u", `"v":1`, `"v":2`},
		{"an unknown field", "u", `"v":1`, `"v":1,"more":1`},
		{"an unknown op", "u", `"op":"u"`, `"op":"x"`},
		{"an unknown kind", "m swapdb", `"swapdb"`, `"swap"`},
		{"a bad id", "u", `:0000000000"`, `:0"`},
		{"null", "u", `"effect":"value"`, `"effect":null`},
		{"no effect", "u", `"effect":"value",`, ``},
		{"no key", "u", `"key":"user:1",`, ``},
		{"no args", "u", `"args":["Jane"],`, ``},
		{"no n", "u", `,"n":1`, ``},
		{"a value in a stream event", "u", `"args"`, `"value":"x","args"`},
		{"a deletion that keeps the key", "d", `"gone"`, `"put"`},
		{"a change that deletes", "u", `"value"`, `"gone"`},
		{"text where enc says base64", "u base64", `"cGxhaW4="`, `"plain!"`},
		{"a key that is no base64", "u base64", `"/v8="`, `"?"`},
		{"last that is false", "u txn", `"last":true`, `"last":false`},
		{"omitted with args", "u omitted", `"omitted"`, `"args":[],"omitted"`},
		{"omitted without cause", "u omitted", `"cause":"oversize",`, ``},
		{"a cause without omitted", "u", `"ts_ms"`, `"cause":"oversize","ts_ms"`},
		{"a read with args", "r string", `"value"`, `"args":[],"value"`},
		{"a read with n", "r string", `"seq":17}`, `"seq":17,"n":1}`},
		{"a read without snapshot", "r string", `"snapshot":"true",`, ``},
		{"a list that is text", "r string", `"type":"string"`, `"type":"list"`},
		{"a score that is a number", "r zset", `"0.1"`, `0.1`},
		{"a field deadline outside of a hash", "r list", `"snapshot"`, `"field_expire_at_ms":{"a":1},"snapshot"`},
		{"an empty array of a stream", "r stream", `[["4-0",["sku","a","sku","b"]]]`, `[]`},
		{"the only part", "r parts", `"last":false`, `"last":true`},
		{"FLUSHDB of no database", "t", `"db":3,`, ``},
		{"FLUSHALL of one database", "t all", `"cmd"`, `"db":0,"cmd"`},
		{"the fields of another kind", "m heartbeat", `"position"`, `"reason":"initial","position"`},
		{"keys that are no number", "m snapshot_end", `"keys":1000`, `"keys":["a"]`},
		{"a kind that is no message", "u", `"op":"u"`, `"op":"u","kind":"unknown"`},
		{"a bad replication id", "m history", newID + `","ts_ms"`, `x","ts_ms"`},
		{"a heartbeat with an ordered id", "m heartbeat", `:heartbeat:1795311159408`, `:0000000000`},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			bad := strings.Replace(good[tt.example], tt.old, tt.replacement, 1)
			if bad == good[tt.example] {
				t.Fatalf("%s does not hold %s", bad, tt.old)
			}
			if validate([]byte(bad)) == nil {
				t.Errorf("taken: %s", bad)
			}
		})
	}
}

func TestPartsAreOfTheSchema(t *testing.T) {
	validate := compileSchema(t)
	for _, typ := range []string{
		event.TypeList, event.TypeHash, event.TypeZSet, event.TypeArray, event.TypeStream,
	} {
		rapid.Check(t, func(t *rapid.T) {
			s := genSettings().Draw(t, "settings")
			for _, b := range cut(t, s, genHeader(typ).Draw(t, "header"), giveAll(genItems(t, typ))) {
				if err := validate(b); err != nil {
					t.Fatalf("%s\n%v", b, err)
				}
			}
		})
	}
}
