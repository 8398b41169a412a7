package replay_test

import (
	"context"
	"encoding/base64"
	"errors"
	"fmt"
	"net"
	"reflect"
	"strings"
	"testing"
	"time"

	"github.com/redis/go-redis/v9"

	"keyfeed/internal/replay"
	"keyfeed/internal/testenv"
)

// script makes events: lines with {id} replaced by ascending ids and the fields that every event has added.
type script struct {
	lines  []string
	offset int64
}

// add appends an event: body is what stands between the id and ts_ms.
func (s *script) add(body string) *script {
	s.offset += 10
	return s.seq(0, body)
}

// seq appends a further event of the same command.
func (s *script) seq(seq int, body string) *script {
	id := fmt.Sprintf("%010d:%020d:%010d", 1795311158, s.offset, seq)
	s.lines = append(s.lines, fmt.Sprintf(
		`{"v":1,"id":%q,%s,"ts_ms":1,"source":{"name":"redis","gen":1795311158,"offset":%d,"seq":%d,"n":1}}`, id, body, s.offset, seq))
	return s
}

func connect(t *testing.T, in *testenv.Instance) net.Conn {
	t.Helper()
	c, err := net.Dial("tcp", in.Addr())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { c.Close() })
	return c
}

func (s *script) play(t *testing.T, in *testenv.Instance) replay.Stats {
	t.Helper()
	r := replay.New(connect(t, in), replay.Options{})
	for _, line := range s.lines {
		if err := r.Apply([]byte(line)); err != nil {
			t.Fatalf("%s: %v", line, err)
		}
	}
	if err := r.Flush(); err != nil {
		t.Fatal(err)
	}
	return r.Stats()
}

// want runs a command on the target and compares its answer.
func want(t *testing.T, c *redis.Client, answer any, args ...any) {
	t.Helper()
	got, err := c.Do(t.Context(), args...).Result()
	if err != nil && !errors.Is(err, redis.Nil) {
		t.Errorf("%v: %v", args, err)
		return
	}
	if !reflect.DeepEqual(got, answer) {
		t.Errorf("%v gives %#v, want %#v", args, got, answer)
	}
}

func list(elems ...any) []any { return append([]any{}, elems...) }

func b64(s string) string { return base64.StdEncoding.EncodeToString([]byte(s)) }

func TestSnapshotValues(t *testing.T) {
	target := testenv.Redis(t)
	ctx := t.Context()
	c := target.Client()
	c.Set(ctx, "old", "x", 0)
	if err := c.Do(ctx, "FUNCTION", "LOAD", "#!lua name=old\nredis.register_function('old', function() return 1 end)").Err(); err != nil {
		t.Fatal(err)
	}
	dump := target.DB(9).Do(ctx, "RPUSH", "d", "x", "y")
	if dump.Err() != nil {
		t.Fatal(dump.Err())
	}
	payload := target.DB(9).Dump(ctx, "d").Val()

	s := &script{}
	s.add(`"op":"m","kind":"snapshot_begin","reason":"initial"`)
	s.seq(1, `"op":"m","kind":"function","cmd":"FUNCTION LOAD","args":["REPLACE","#!lua name=lib\nredis.register_function('f', function() return 7 end)"],"snapshot":"true"`)
	r := func(body string) { s.seq(len(s.lines), `"op":"r",`+body+`,"snapshot":"true"`) }
	r(`"db":0,"key":"str","type":"string","value":"välue"`)
	r(`"db":0,"key":"bin","type":"string","value":"` + b64("\xff\x00") + `","enc":"base64"`)
	r(`"db":0,"key":"` + b64("\xfe") + `","key_enc":"base64","type":"string","value":"v"`)
	r(`"db":0,"key":"","type":"string","value":""`)
	r(`"db":3,"key":"list","type":"list","value":["a","b"],"expire_at_ms":5,"part":{"i":0,"last":false}`)
	r(`"db":3,"key":"list","type":"list","value":["` + b64("\xfd") + `"],"expire_at_ms":5,"enc":"base64","part":{"i":1,"last":false}`)
	r(`"db":3,"key":"list","type":"list","value":["d"],"expire_at_ms":5,"part":{"i":2,"last":true}`)
	r(`"db":3,"key":"set","type":"set","value":["1","2","x"]`)
	r(`"db":3,"key":"hash","type":"hash","value":{"f":"1","g":"2"}`)
	r(`"db":3,"key":"zset","type":"zset","value":[["a","-inf"],["b","0.1"],["c","inf"],["d","1e+300"]]`)
	r(`"db":3,"key":"zero","type":"zset","value":[["m","-0"],["n","0"]]`)
	r(`"db":3,"key":"zbin","type":"zset","value":[["` + b64("\xff") + `","2"]],"enc":"base64"`)
	r(`"db":3,"key":"big","type":"string","value":"one","part":{"i":0,"last":false}`)
	r(`"db":3,"key":"big","type":"string","value":"two","part":{"i":1,"last":true}`)
	r(`"db":0,"key":"mod","type":"module:x","value":{"dump":"` + b64(payload) + `"},"expire_at_ms":9999999999999`)
	s.seq(len(s.lines), `"op":"m","kind":"snapshot_end","keys":11`)
	stats := s.play(t, target)

	if stats.Snapshots != 1 || stats.SnapshotOpen || stats.Repeats != 0 || stats.Events != int64(len(s.lines)) {
		t.Errorf("stats %+v", stats)
	}
	want(t, c, int64(0), "EXISTS", "old")
	want(t, c, int64(7), "FCALL", "f", "0")
	if err := c.Do(ctx, "FCALL", "old", "0").Err(); err == nil {
		t.Error("the old function is still there")
	}
	want(t, c, "välue", "GET", "str")
	want(t, c, "\xff\x00", "GET", "bin")
	want(t, c, "v", "GET", "\xfe")
	want(t, c, "", "GET", "")
	want(t, c, list("x", "y"), "LRANGE", "mod", "0", "-1")
	want(t, c, int64(9999999999999), "PEXPIRETIME", "mod")
	d := target.DB(3)
	want(t, d, list("a", "b", "\xfd", "d"), "LRANGE", "list", "0", "-1")
	want(t, d, int64(3), "SCARD", "set")
	want(t, d, list("f", "1", "g", "2"), "HGETALL", "hash")
	want(t, d, list("a", "-inf", "b", "0.10000000000000001", "d", "1.0000000000000001e+300", "c", "inf"), "ZRANGE", "zset", "0", "-1", "WITHSCORES")
	want(t, d, list("m", "-0", "n", "0"), "ZRANGE", "zero", "0", "-1", "WITHSCORES")
	want(t, d, "2", "ZSCORE", "zbin", "\xff")
	want(t, d, "onetwo", "GET", "big")
	if ttl := d.TTL(ctx, "list").Val(); ttl < 50*time.Minute || ttl > time.Hour {
		t.Errorf("a passed deadline became %v from now, want an hour", ttl)
	}
	want(t, d, int64(-1), "TTL", "set")
}

func TestStreamCommands(t *testing.T) {
	target := testenv.Redis(t)
	ctx := t.Context()
	c := target.Client()
	payload := func(value string) string {
		c := target.DB(9)
		c.Set(ctx, "tmp", value, 0)
		return c.Dump(ctx, "tmp").Val()
	}
	s := &script{}
	u := func(body string) { s.add(`"op":"u","db":0,` + body) }
	u(`"key":"s","type":"string","effect":"value","cmd":"SET","args":["v","NX","PXAT","1"],"expire_at_ms":1`)
	u(`"key":"keep","type":"string","cmd":"SET","args":["v","XX","GET","IFEQ","x","KEEPTTL"]`)
	u(`"key":"long","cmd":"SET","args":["v","EXAT","9999999999"]`)
	u(`"key":"` + b64("\xff") + `","key_enc":"base64","type":"string","cmd":"APPEND","args":["` + b64("\xfe") + `"],"enc":"base64"`)
	u(`"key":"ttl","type":"string","cmd":"SET","args":["v"],"expire_at_ms":-1`)
	u(`"key":"ttl","cmd":"PEXPIREAT","args":["5","NX"],"expire_at_ms":5`)
	u(`"key":"ttl2","cmd":"SET","args":["v"]`)
	u(`"key":"ttl2","cmd":"PEXPIREAT","args":["9999999999999","XX"],"expire_at_ms":9999999999999`)
	u(`"key":"ttl3","cmd":"SET","args":["v"]`)
	u(`"key":"ttl3","cmd":"EXPIREAT","args":["5"]`)
	u(`"key":"ttl3","cmd":"PERSIST","args":[],"expire_at_ms":-1`)
	u(`"key":"res","cmd":"RESTORE","args":["5","` + b64(payload("r")) + `","ABSTTL","REPLACE"],"enc":"base64"`)
	s.lines[len(s.lines)-1] = strings.ReplaceAll(s.lines[len(s.lines)-1], `"5","`, `"`+b64("5")+`","`)
	s.lines[len(s.lines)-1] = strings.ReplaceAll(s.lines[len(s.lines)-1], `"ABSTTL","REPLACE"`, `"`+b64("ABSTTL")+`","`+b64("REPLACE")+`"`)
	// keys: the command is run once
	s.add(`"op":"d","db":0,"key":"keep","effect":"gone","cmd":"RENAME","args":["keep","kept"],"keys":["keep","kept"]`)
	s.seq(1, `"op":"u","db":0,"key":"kept","effect":"derive","cmd":"RENAME","args":["keep","kept"],"keys":["keep","kept"]`)
	s.add(`"op":"d","db":0,"key":"kept","cmd":"MOVE","args":["kept","2"],"keys":["kept","kept"]`)
	s.seq(1, `"op":"c","db":0,"key_db":2,"key":"kept","cmd":"MOVE","args":["kept","2"],"keys":["kept","kept"]`)
	s.add(`"op":"c","db":2,"key_db":0,"key":"copied","cmd":"COPY","args":["kept","copied","DB","0"],"keys":["copied"]`)
	u(`"key":"l1","type":"list","cmd":"RPUSH","args":["a","b","c"]`)
	s.add(`"op":"u","db":0,"key":"l1","type":"list","cmd":"LMOVE","args":["l1","l2","LEFT","RIGHT"],"keys":["l1","l2"]`)
	s.seq(1, `"op":"u","db":0,"key":"l2","type":"list","cmd":"LMOVE","args":["l1","l2","LEFT","RIGHT"],"keys":["l1","l2"]`)
	// MSET comes as SETs, DEL as one event a key
	s.add(`"op":"u","db":0,"key":"m1","type":"string","cmd":"SET","args":["1"],"expire_at_ms":-1`)
	s.seq(1, `"op":"u","db":0,"key":"m2","type":"string","cmd":"SET","args":["2"],"expire_at_ms":-1`)
	s.add(`"op":"d","db":0,"key":"m1","effect":"gone","cmd":"DEL","args":[]`)
	s.seq(1, `"op":"d","db":0,"key":"m1","effect":"gone","cmd":"DEL","args":[]`)
	// container commands
	u(`"key":"x","type":"stream","cmd":"XGROUP CREATE","args":["g","$","MKSTREAM"]`)
	u(`"key":"x","type":"stream","cmd":"XADD","args":["5-1","f","v"]`)
	u(`"key":"x","type":"stream","cmd":"XADD","args":["NOMKSTREAM","MAXLEN","=","2","LIMIT","100","5-2","LIMIT","v"]`)
	u(`"key":"x","type":"stream","cmd":"XADD","args":["5-3","f","v"]`)
	u(`"key":"x","type":"stream","cmd":"XTRIM","args":["MINID","=","5-2","LIMIT","100"]`)
	u(`"key":"x","type":"stream","cmd":"XGROUP CREATECONSUMER","args":["g","c"]`)
	u(`"key":"h","type":"string","cmd":"PFADD","args":["a"]`)
	u(`"key":"h","type":"string","cmd":"PFDEBUG TODENSE","args":[]`)
	// a transaction in two databases
	s.add(`"op":"u","db":0,"key":"t1","cmd":"SET","args":["1"],"txn":{"id":"1:1","seq":0,"size":2,"last":false}`)
	s.add(`"op":"u","db":5,"key":"t2","cmd":"SET","args":["2"],"txn":{"id":"1:1","seq":1,"size":2,"last":true}`)
	// messages
	s.add(`"op":"u","db":6,"key":"six","cmd":"SET","args":["6"]`)
	s.add(`"op":"m","kind":"swapdb","cmd":"SWAPDB","args":["6","7"]`)
	s.add(`"op":"u","db":6,"key":"new6","cmd":"SET","args":["6"]`)
	s.add(`"op":"m","kind":"function","cmd":"FUNCTION LOAD","args":["#!lua name=lib\nredis.register_function('f', function() return 7 end)"]`)
	s.add(`"op":"m","kind":"publish","cmd":"PUBLISH","args":["ch","m"]`)
	s.add(`"op":"m","kind":"heartbeat","position":"x"`)
	s.lines[len(s.lines)-1] = strings.Replace(s.lines[len(s.lines)-1], `:0000000000","op"`, `:heartbeat:5","op"`, 1)
	s.add(`"op":"u","db":8,"key":"gone","cmd":"SET","args":["6"]`)
	s.add(`"op":"t","db":8,"cmd":"FLUSHDB","args":["ASYNC"]`)
	s.lines = append(s.lines, s.lines[:20]...)                                                                                    // repeats
	s.lines = append(s.lines, `{"v":1,"id":"0000000000:00000000000000000000:heartbeat:7","op":"m","kind":"heartbeat","ts_ms":7}`) // of another writer
	stats := s.play(t, target)

	if stats.Repeats != 20 {
		t.Errorf("%d repeats, want 20", stats.Repeats)
	}
	hour := func(key string) {
		t.Helper()
		if ttl := c.TTL(ctx, key).Val(); ttl < 50*time.Minute || ttl > time.Hour {
			t.Errorf("%s expires in %v, want an hour", key, ttl)
		}
	}
	hour("s")
	hour("ttl")
	hour("res")
	want(t, c, "r", "GET", "res")
	want(t, c, int64(9999999999), "EXPIRETIME", "long")
	want(t, c, "\xfe", "GET", "\xff")
	want(t, c, int64(9999999999999), "PEXPIRETIME", "ttl2")
	want(t, c, int64(-1), "TTL", "ttl3")
	want(t, c, int64(0), "EXISTS", "keep", "kept")
	want(t, target.DB(2), "v", "GET", "kept")
	want(t, c, "v", "GET", "copied")
	want(t, c, list("b", "c"), "LRANGE", "l1", "0", "-1")
	want(t, c, list("a"), "LRANGE", "l2", "0", "-1")
	want(t, c, int64(0), "EXISTS", "m1")
	want(t, c, "2", "GET", "m2")
	if consumers := c.XInfoConsumers(ctx, "x", "g").Val(); len(consumers) != 1 || consumers[0].Name != "c" {
		t.Errorf("consumers of group g: %v", consumers)
	}
	want(t, c, list(list("5-2", list("LIMIT", "v")), list("5-3", list("f", "v"))), "XRANGE", "x", "-", "+")
	want(t, c, "1", "GET", "t1")
	want(t, target.DB(5), "2", "GET", "t2")
	want(t, target.DB(7), "6", "GET", "six")
	want(t, target.DB(6), "6", "GET", "new6")
	want(t, c, int64(7), "FCALL", "f", "0")
	want(t, target.DB(8), int64(0), "DBSIZE")
}

func TestSnapshotStreams(t *testing.T) {
	value := func(v, extra string) string {
		return `"op":"r","db":0,"key":"x","type":"stream","value":` + v + extra + `,"snapshot":"true"`
	}
	tests := []struct {
		name    string
		events  []string
		rebuilt int64
		entries []any
		info    map[string]any
		pending []string // group consumer id count
	}{
		{
			name: "entries with repeated fields, scalars, group",
			events: []string{value(`{"entries":[["1-0",["f","v","f","w"]],["4-0",["a","b"]]],"last_id":"5-0","max_deleted_id":"3-0","entries_added":7,`+
				`"groups":[{"name":"g","last_id":"4-0","entries_read":5,"consumers":[{"name":"c","seen_ms":1,"active_ms":1},{"name":"idle","seen_ms":1}],"pending":[["4-0","c",1795311159408,3]]}]}`, "")},
			entries: list(list("1-0", list("f", "v", "f", "w")), list("4-0", list("a", "b"))),
			info:    map[string]any{"last-generated-id": "5-0", "max-deleted-entry-id": "3-0", "entries-added": int64(7)},
			pending: []string{"g c 4-0 3"},
		},
		{
			name: "parts, group that comes again, base64",
			events: []string{
				value(`{"entries":[["1-0",["`+b64("f")+`","`+b64("\xff")+`"]]]}`, `,"enc":"base64","part":{"i":0,"last":false}`),
				value(`{"entries":[["2-0",["f","v"]]],"last_id":"2-0","max_deleted_id":"0-0","entries_added":2}`, `,"part":{"i":1,"last":false}`),
				value(`{"groups":[{"name":"g","last_id":"2-0","entries_read":2,"consumers":[{"name":"c"}],"pending":[["1-0","c",1000,1]]}]}`, `,"part":{"i":2,"last":false}`),
				value(`{"groups":[{"name":"g","last_id":"2-0","entries_read":2,"consumers":[],"pending":[["2-0","c",1000,2]]}]}`, `,"part":{"i":3,"last":true}`),
			},
			entries: list(list("1-0", list("f", "\xff")), list("2-0", list("f", "v"))),
			info:    map[string]any{"last-generated-id": "2-0", "max-deleted-entry-id": "0-0", "entries-added": int64(2)},
			pending: []string{"g c 1-0 1", "g c 2-0 2"},
		},
		{
			name:    "empty",
			events:  []string{value(`{"entries":[],"last_id":"9-0","max_deleted_id":"9-0","entries_added":4}`, "")},
			entries: list(),
			info:    map[string]any{"last-generated-id": "9-0", "max-deleted-entry-id": "9-0", "entries-added": int64(4), "groups": int64(0)},
		},
		{
			name: "pending without entries in the middle, before and after",
			events: []string{value(`{"entries":[["3-0",["f","3"]],["5-0",["f","5"]]],"last_id":"9-0","max_deleted_id":"7-0","entries_added":9,`+
				`"groups":[{"name":"g","last_id":"9-0","entries_read":9,"consumers":[{"name":"c"}],"pending":[["1-0","c",1000,1],["3-0","c",1000,1],["4-0","c",1000,2],["7-0","d",1000,3]]},`+
				`{"name":"h","last_id":"4-0","entries_read":4,"consumers":[{"name":"c"}],"pending":[["4-0","c",1000,9]]}]}`, "")},
			rebuilt: 1,
			entries: list(list("3-0", list("f", "3")), list("5-0", list("f", "5"))),
			info:    map[string]any{"last-generated-id": "9-0", "max-deleted-entry-id": "7-0", "entries-added": int64(9)},
			pending: []string{"g c 1-0 1", "g c 3-0 1", "g c 4-0 2", "g d 7-0 3", "h c 4-0 9"},
		},
		{
			name: "pending of trimmed entries, nothing was deleted",
			events: []string{value(`{"entries":[["3-0",["f","3"]]],"last_id":"3-0","max_deleted_id":"0-0","entries_added":3,`+
				`"groups":[{"name":"g","last_id":"3-0","entries_read":3,"consumers":[{"name":"c"}],"pending":[["1-0","c",1000,1],["2-0","c",1000,1]]}]}`, "")},
			rebuilt: 1,
			entries: list(list("3-0", list("f", "3"))),
			info:    map[string]any{"last-generated-id": "3-0", "max-deleted-entry-id": "0-0", "entries-added": int64(3)},
			pending: []string{"g c 1-0 1", "g c 2-0 1"},
		},
		{
			name: "pending of an empty stream",
			events: []string{value(`{"entries":[],"last_id":"3-0","max_deleted_id":"0-0","entries_added":3,`+
				`"groups":[{"name":"g","last_id":"3-0","entries_read":3,"consumers":[],"pending":[["1-0","c",1000,1]]}]}`, "")},
			rebuilt: 1,
			entries: list(),
			info:    map[string]any{"last-generated-id": "3-0", "max-deleted-entry-id": "0-0", "entries-added": int64(3)},
			pending: []string{"g c 1-0 1"},
		},
	}
	target := testenv.Redis(t)
	c := target.Client()
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			s := &script{}
			s.add(`"op":"m","kind":"snapshot_begin"`)
			for i, e := range tt.events {
				s.seq(i+1, e)
			}
			if stats := s.play(t, target); stats.Rebuilt != tt.rebuilt {
				t.Errorf("rebuilt %d streams, want %d", stats.Rebuilt, tt.rebuilt)
			}
			want(t, c, int64(1), "DBSIZE")
			want(t, c, tt.entries, "XRANGE", "x", "-", "+")
			info := c.Do(t.Context(), "XINFO", "STREAM", "x").Val().([]any)
			got := map[string]any{}
			for i := 0; i < len(info); i += 2 {
				got[info[i].(string)] = info[i+1]
			}
			for k, v := range tt.info {
				if !reflect.DeepEqual(got[k], v) {
					t.Errorf("%s is %v, want %v", k, got[k], v)
				}
			}
			var pending []string
			for _, g := range c.XInfoGroups(t.Context(), "x").Val() {
				for _, p := range c.XPendingExt(t.Context(), &redis.XPendingExtArgs{Stream: "x", Group: g.Name, Start: "-", End: "+", Count: 100}).Val() {
					pending = append(pending, fmt.Sprintf("%s %s %s %d", g.Name, p.Consumer, p.ID, p.RetryCount))
				}
			}
			if !reflect.DeepEqual(pending, tt.pending) {
				t.Errorf("pending %q, want %q", pending, tt.pending)
			}
		})
	}
}

func TestFieldDeadlines(t *testing.T) {
	for _, server := range []string{"redis-7.4", "valkey-9"} {
		t.Run(server, func(t *testing.T) {
			target := testenv.Server(t, server)
			s := &script{}
			s.add(`"op":"m","kind":"snapshot_begin"`)
			s.seq(1, `"op":"r","db":0,"key":"h","type":"hash","value":{"f":"1","g":"2","k":"3"},"field_expire_at_ms":{"f":9999999999999,"g":5}`)
			s.add(`"op":"u","db":0,"key":"h","type":"hash","cmd":"HPEXPIREAT","args":["7","FIELDS","1","k"]`)
			s.play(t, target)
			want(t, target.Client(), list(int64(9999999999999)), "HPEXPIRETIME", "h", "FIELDS", "1", "f")
			for _, f := range []string{"g", "k"} {
				ttl := target.Client().Do(context.Background(), "HTTL", "h", "FIELDS", "1", f).Val().([]any)
				if n, ok := ttl[0].(int64); !ok || n < 3000 || n > 3600 {
					t.Errorf("field %s expires in %v s, want an hour", f, ttl)
				}
			}
		})
	}
}

func TestErrors(t *testing.T) {
	target := testenv.Redis(t)
	begin := `"op":"m","kind":"snapshot_begin"`
	tests := []struct {
		name   string
		events []string
		want   error
		what   string // of a Problem
	}{
		{name: "part missing", events: []string{begin, `"op":"r","db":0,"key":"k","type":"list","value":["a"],"part":{"i":0,"last":false}`, `"op":"r","db":0,"key":"k","type":"list","value":["a"],"part":{"i":2,"last":true}`}, want: replay.ErrParts},
		{name: "part 0 missing", events: []string{begin, `"op":"r","db":0,"key":"k","type":"list","value":["a"],"part":{"i":1,"last":true}`}, want: replay.ErrParts},
		{name: "last part missing", events: []string{begin, `"op":"r","db":0,"key":"k","type":"list","value":["a"],"part":{"i":0,"last":false}`}, want: replay.ErrParts},
		{name: "other key before last part", events: []string{begin, `"op":"r","db":0,"key":"k","type":"list","value":["a"],"part":{"i":0,"last":false}`, `"op":"r","db":0,"key":"l","type":"list","value":["a"]`}, want: replay.ErrParts},
		{name: "transaction not complete", events: []string{`"op":"u","db":0,"key":"k","cmd":"SET","args":["1"],"txn":{"id":"1:1","seq":0,"last":false}`}, want: replay.ErrTxn},
		{name: "event inside transaction missing", events: []string{`"op":"u","db":0,"key":"k","cmd":"SET","args":["1"],"txn":{"id":"1:1","seq":0,"last":false}`, `"op":"u","db":0,"key":"k","cmd":"SET","args":["1"]`}, want: replay.ErrTxn},
		{name: "refused", events: []string{`"op":"u","db":0,"key":"k","cmd":"NOSUCH","args":[]`}, what: "refused"},
		{name: "refused inside EXEC", events: []string{
			`"op":"u","db":0,"key":"k","cmd":"SET","args":["1"],"txn":{"id":"1:1","seq":0,"last":false}`,
			`"op":"u","db":0,"key":"k","cmd":"LPUSH","args":["1"],"txn":{"id":"1:1","seq":1,"last":true}`,
		}, what: "refused"},
		{name: "oversize", events: []string{`"op":"u","db":0,"key":"k","cmd":"SETRANGE","omitted":{"bytes":9,"sha256":"x"},"cause":"oversize"`}, what: "oversize"},
		{name: "unknown", events: []string{`"op":"m","kind":"unknown","db":0,"cmd":"FOO","args":[]`}, what: "unknown"},
		{name: "gap", events: []string{`"op":"m","kind":"gap"`}, what: "gap"},
		{name: "slots", events: []string{`"op":"m","kind":"slots","slots":[[1,2]]`}, what: "slots"},
		{name: "no version", events: []string{`"v":2,"op":"m"`}, want: replay.ErrEvent},
		{name: "value of another type", events: []string{begin, `"op":"r","db":0,"key":"k","type":"list","value":"a"`}, want: replay.ErrEvent},
		{name: "bad base64", events: []string{`"op":"u","db":0,"key":"k","cmd":"SET","args":["*"],"enc":"base64"`}, want: replay.ErrEvent},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			target.Client().FlushAll(context.Background())
			r := replay.New(connect(t, target), replay.Options{})
			s := &script{}
			var err error
			for _, e := range tt.events {
				s.add(e)
				if err = r.Apply([]byte(s.lines[len(s.lines)-1])); err != nil {
					break
				}
			}
			if err == nil {
				err = r.Flush()
			}
			if tt.want != nil && !errors.Is(err, tt.want) {
				t.Errorf("error %v, want %v", err, tt.want)
			}
			if p, ok := errors.AsType[replay.InexactError](err); tt.what != "" && (!ok || p.What != tt.what) {
				t.Errorf("error %v, want a problem %q", err, tt.what)
			}
		})
	}
}

// A new generation may begin in the middle of a transaction or a value; what was open is dropped.
func TestNewGenerationDropsWhatWasOpen(t *testing.T) {
	target := testenv.Redis(t)
	s := &script{}
	s.add(`"op":"u","db":0,"key":"k","cmd":"SET","args":["1"],"txn":{"id":"1:1","seq":0,"last":false}`)
	s.add(`"op":"m","kind":"snapshot_begin"`)
	s.seq(1, `"op":"r","db":0,"key":"l","type":"list","value":["a"],"part":{"i":0,"last":false}`)
	s.add(`"op":"m","kind":"snapshot_begin"`)
	s.seq(1, `"op":"r","db":0,"key":"n","type":"list","value":["a"]`)
	s.play(t, target)
	want(t, target.Client(), list("n"), "KEYS", "*")
}
