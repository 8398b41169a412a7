package command_test

import (
	"bytes"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"testing"

	"pgregory.net/rapid"

	"keyfeed/internal/command"
	"keyfeed/internal/event"
	"keyfeed/internal/resp"
)

// shown is what a reader of the JSON sees.
type shown struct {
	Op      string
	Key     string
	KeyEnc  string `json:"key_enc"`
	Effect  string
	Cmd     string
	Args    []string
	Keys    []string
	Enc     string
	Expire  *int64 `json:"expire_at_ms"`
	Cause   string
	Omitted *struct {
		Bytes     int64
		SHA256    string
		KeySHA256 string `json:"key_sha256"`
	}
	TsMs   int64 `json:"ts_ms"`
	Source struct{ Offset, Seq, N int64 }
}

func parse(tb interface {
	Helper()
	Fatalf(string, ...any)
}, text string,
) shown {
	tb.Helper()
	var s shown
	if err := json.Unmarshal([]byte(text), &s); err != nil {
		tb.Fatalf("%v: %.300s", err, text)
	}
	if s.Enc == "base64" {
		for i, a := range s.Args {
			b, err := base64.StdEncoding.DecodeString(a)
			if err != nil {
				tb.Fatalf("args[%d]: %v", i, err)
			}
			s.Args[i] = string(b)
		}
	}
	return s
}

// value is a model of one key: the string, list or other collection that commands make of it.
type value struct {
	text     []byte
	list     []string
	elements map[string]string
	expire   string
}

// apply executes a command as a server does, for the commands that are cut.
func (v *value) apply(cmd string, args []string) {
	if v.elements == nil {
		v.elements = map[string]string{}
	}
	switch cmd {
	case "SET":
		v.text, v.expire = []byte(args[0]), strings.Join(args[1:], " ")
	case "APPEND":
		v.text = append(v.text, args[0]...)
	case "SETRANGE":
		at, err := strconv.Atoi(args[0])
		if err != nil {
			panic(err)
		}
		if need := at + len(args[1]); need > len(v.text) {
			v.text = append(v.text, make([]byte, need-len(v.text))...)
		}
		copy(v.text[at:], args[1])
	case "RPUSH", "RPUSHX":
		v.list = append(v.list, args...)
	case "LPUSH", "LPUSHX":
		for _, a := range args {
			v.list = slices.Insert(v.list, 0, a)
		}
	case "SADD", "PFADD":
		for _, a := range args {
			v.elements[a] = ""
		}
	case "SREM", "HDEL", "ZREM", "XDEL":
		for _, a := range args {
			delete(v.elements, a)
			v.list = append(v.list, a) // what was asked for, in order
		}
	case "HSET", "HMSET":
		for i := 0; i < len(args); i += 2 {
			v.elements[args[i]] = args[i+1]
		}
	case "ZADD":
		options := ""
		for len(args)%2 == 1 || args[0] == "NX" || args[0] == "CH" {
			options += args[0]
			args = args[1:]
		}
		for i := 0; i < len(args); i += 2 {
			if _, ok := v.elements[args[i+1]]; !ok || !strings.Contains(options, "NX") {
				v.elements[args[i+1]] = args[i]
			}
		}
	default:
		panic("no model of " + cmd)
	}
}

func (v *value) String() string {
	return fmt.Sprintf("%q %q %q %s", v.text, v.list, v.elements, v.expire)
}

// TestPiecesReplay: the pieces of a command make the same value as the command, in as few events as their size allows.
func TestPiecesReplay(t *testing.T) {
	word := rapid.Custom(func(t *rapid.T) string {
		letter := rapid.SampledFrom([]string{"x", "y", "\"", "\x01", "ü", "\U0001F600", "\xfe", "\x00"})
		return strings.Repeat(letter.Draw(t, "letter"), rapid.SampledFrom([]int{0, 3, 100, 300}).Draw(t, "times")) + letter.Draw(t, "end")
	})
	rapid.Check(t, func(t *rapid.T) {
		set := settings()
		set.MaxBytes = rapid.IntRange(event.MinMaxBytes, 6000).Draw(t, "max bytes")
		set.BinaryAlways = rapid.Bool().Draw(t, "binary")
		cmd := rapid.SampledFrom([]string{
			"SET", "APPEND", "SETRANGE", "RPUSH", "RPUSHX", "LPUSH", "LPUSHX", "SADD", "PFADD", "SREM", "HDEL", "ZREM", "XDEL", "HSET", "HMSET", "ZADD",
		}).Draw(t, "command")
		args := rapid.SliceOfN(word, rapid.SampledFrom([]int{1, 30}).Draw(t, "least"), 60).Draw(t, "args")
		switch cmd {
		case "SET":
			args = append([]string{strings.Join(args, "")}, rapid.SampledFrom([][]string{nil, {"KEEPTTL"}, {"XX", "PXAT", "5"}, {"NX"}}).Draw(t, "options")...)
		case "APPEND":
			args = []string{strings.Join(args, "")}
		case "SETRANGE":
			args = []string{"7", strings.Join(args, "")}
		case "HSET", "HMSET", "ZADD":
			if len(args)%2 == 1 {
				args = append(args, "even")
			}
			if cmd == "ZADD" {
				for i := 0; i < len(args); i += 2 {
					args[i] = strconv.Itoa(i)
				}
				args = append(rapid.SampledFrom([][]string{nil, {"NX"}, {"NX", "CH"}}).Draw(t, "options"), args...)
			}
		}
		argv := [][]byte{[]byte(cmd), []byte("k")}
		for _, a := range args {
			argv = append(argv, []byte(a))
		}
		r := newRecord(set)
		d := command.New(set, command.Start{Gen: 7})
		if err := feed(d, r, resp.AppendCommand(nil, argv...), 1<<20); err != nil {
			t.Fatal(err)
		}

		before := func() *value {
			return &value{text: []byte("old"), list: []string{"old"}, elements: map[string]string{"x": "1", "y": "2"}}
		}
		got, want := before(), before()
		want.apply(cmd, args)
		for i, text := range r.events {
			e := parse(t, text)
			if e.Omitted != nil {
				t.Fatalf("piece %d is omitted", i)
			}
			if len(text) > set.MaxBytes {
				t.Fatalf("piece %d has %d bytes, more than %d", i, len(text), set.MaxBytes)
			}
			if e.Source.Seq != int64(i) || e.Source.N != int64(len(r.events)) {
				t.Fatalf("piece %d is numbered %d of %d", i, e.Source.Seq, e.Source.N)
			}
			paired := cmd == "HSET" || cmd == "HMSET" || cmd == "ZADD" // two long words are too much for the rest of an event
			if i < len(r.events)-1 && len(text) < set.MaxBytes/2 && !paired {
				t.Fatalf("piece %d of %d has only %d of %d bytes", i, len(r.events), len(text), set.MaxBytes)
			}
			got.apply(e.Cmd, e.Args)
		}
		if got.String() != want.String() {
			t.Fatalf("the pieces make\n%s\nthe command makes\n%s", got, want)
		}
	})
}

// TestSetPieces shows what the pieces of a SET look like.
func TestSetPieces(t *testing.T) {
	set := settings()
	set.MaxBytes = event.MinMaxBytes
	v := bytes.Repeat([]byte("x"), 5000)
	r := decode(t, set, resp.AppendCommand(nil, []byte("SET"), []byte("k"), v, []byte("NX"), []byte("EX"), []byte("10")))
	if len(r.events) != 2 {
		t.Fatalf("%d events, want 2", len(r.events))
	}
	first, second := parse(t, r.events[0]), parse(t, r.events[1])
	if first.Op != "c" || first.Cmd != "SET" || first.Effect != "value" || first.Expire == nil || *first.Expire != arrived+10_000 ||
		!slices.Equal(first.Args[1:], []string{"NX", "PXAT", "1795311168000"}) {
		t.Errorf("the first piece is %+v", first)
	}
	if second.Op != "u" || second.Cmd != "APPEND" || second.Effect != "delta" || second.Expire != nil || len(second.Args) != 1 ||
		first.Args[0]+second.Args[0] != string(v) {
		t.Errorf("the second piece is %+v", second)
	}
}

// TestMSetPieces: a pair too large for one event is cut as the SET that it becomes, and the numbers go on.
func TestMSetPieces(t *testing.T) {
	set := settings()
	set.MaxBytes = event.MinMaxBytes
	v := bytes.Repeat([]byte("x"), 5000)
	r := decode(t, set, resp.AppendCommand(nil, []byte("MSET"), []byte("a"), []byte("1"), []byte("b"), v, []byte("c"), []byte("3")))
	var got []string
	for _, text := range r.events {
		e := parse(t, text)
		got = append(got, fmt.Sprintf("%s %s %d/%d", e.Key, e.Cmd, e.Source.Seq, e.Source.N))
	}
	if want := []string{"a SET 0/4", "b SET 1/4", "b APPEND 2/4", "c SET 3/4"}; !slices.Equal(got, want) {
		t.Errorf("got %q, want %q", got, want)
	}
}

// TestOversize holds what cannot be cut to its omitted form, with sums made by sha256sum.
func TestOversize(t *testing.T) {
	const (
		sumOf5000x = "c59d3c0480cc2d71d8f646e735e92da65450311eec46e81a5db8c7e6e8a92054"
		sumOfKey   = "1303815132a616568e5ae44e3c7cfa7299b2106c7267c3222f43130afaf2779a"
	)
	big := strings.Repeat("x", 5000)
	longKey := strings.Repeat("k", event.MaxKeyBytes+1)
	for _, tt := range []struct {
		name, in string
		events   int
		at       int
		bytes    int64
		keyLeft  bool
		cmd      string
	}{
		{"no rule to cut", "GETSET k " + big, 1, 0, 5000, false, "GETSET"},
		{"one element", "RPUSH k a " + big + " b", 3, 1, 5000, false, "RPUSH"},
		{"one pair", "HSET k f v g " + big, 2, 1, 5001, false, "HSET"},
		{"ZADD INCR", "ZADD k INCR 1 " + big, 1, 0, 5005, false, "ZADD"},
		{"two keys", "SMOVE a b " + big, 2, 1, 5002, false, "SMOVE"},
		{"long key", "SET " + longKey + " v", 1, 0, 1, true, "SET"},
		{"deleted long key", "DEL a " + longKey, 2, 1, 0, true, "DEL"},
		{"unknown", "NOSUCH " + big, 1, 0, 5000, false, "NOSUCH"},
	} {
		set := settings()
		set.MaxBytes = event.MinMaxBytes
		if tt.keyLeft {
			set.MaxBytes = 1 << 20
		}
		r := decode(t, set, line(tt.in))
		if len(r.events) != tt.events {
			t.Errorf("%s: %d events, want %d", tt.name, len(r.events), tt.events)
			continue
		}
		e := parse(t, r.events[tt.at])
		if e.Omitted == nil || e.Omitted.Bytes != tt.bytes || e.Cause != "oversize" || e.Args != nil || e.Cmd != tt.cmd ||
			tt.bytes == 5000 && e.Omitted.SHA256 != sumOf5000x ||
			tt.keyLeft != (e.Omitted.KeySHA256 == sumOfKey) || !tt.keyLeft != (e.Omitted.KeySHA256 == "") {
			t.Errorf("%s: %+v %+v", tt.name, e, e.Omitted)
		}
		if n := r.dec.Counts().Oversize; n < 1 {
			t.Errorf("%s: %d counted", tt.name, n)
		}
		if len(r.events[tt.at]) > set.MaxBytes {
			t.Errorf("%s: %d bytes", tt.name, len(r.events[tt.at]))
		}
	}
}
