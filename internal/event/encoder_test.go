package event_test

import (
	"bytes"
	"encoding/base64"
	"encoding/json"
	"slices"
	"testing"

	"pgregory.net/rapid"

	"keyfeed/internal/event"
)

// One encoder serves all drawn events, so that what it keeps from one to the next is tested as well.
func TestAppendIsTheReference(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		s := genSettings().Draw(t, "settings")
		enc := event.NewEncoder(s)
		buf := []byte("kept")
		for range rapid.IntRange(1, 4).Draw(t, "events") {
			e := genEvent().Draw(t, "event")
			from := len(buf)
			buf = enc.Append(buf, &e)
			got := buf[from:]
			if want := reference(s, &e, nil); !bytes.Equal(got, want) {
				t.Fatalf("Append gives\n%s\nwant\n%s", got, want)
			}
			if size, bound := enc.Size(&e), enc.Bound(&e); size != len(got) || bound < size {
				t.Fatalf("Size %d, Bound %d of %d bytes", size, bound, len(got))
			}
			if _, err := decode(got); err != nil {
				t.Fatalf("%s\nis no JSON: %v", got, err)
			}
		}
		if !bytes.HasPrefix(buf, []byte("kept")) {
			t.Fatal("Append touched what was in the buffer")
		}
	})
}

func decode(b []byte) (map[string]any, error) {
	dec := json.NewDecoder(bytes.NewReader(b))
	dec.UseNumber()
	var m map[string]any
	err := dec.Decode(&m)
	return m, err
}

// unspell is the bytes behind a string of a decoded event.
func unspell(tb testing.TB, s any, base64Form bool) []byte {
	tb.Helper()
	if !base64Form {
		return []byte(s.(string))
	}
	b, err := base64.StdEncoding.DecodeString(s.(string))
	if err != nil {
		tb.Fatalf("not base64: %v", err)
	}
	return b
}

func checkBytesSurvive(tb testing.TB, s event.Settings, key []byte, args [][]byte) {
	tb.Helper()
	e := event.Event{
		Gen: 1, Offset: 2, N: 1, TsMs: 3, Op: event.OpUpdate, Key: key, IsKey: true,
		Effect: event.EffectPut, Cmd: "SADD", Args: args,
	}
	enc := event.NewEncoder(s)
	got := enc.Append(nil, &e)
	if want := reference(s, &e, nil); !bytes.Equal(got, want) {
		tb.Fatalf("Append gives\n%s\nwant\n%s", got, want)
	}
	m, err := decode(got)
	if err != nil {
		tb.Fatalf("%s\nis no JSON: %v", got, err)
	}
	if back := unspell(tb, m["key"], m["key_enc"] == "base64"); !bytes.Equal(back, key) {
		tb.Fatalf("key %q comes back as %q", key, back)
	}
	back := make([][]byte, 0, len(args))
	for _, a := range m["args"].([]any) {
		back = append(back, unspell(tb, a, m["enc"] == "base64"))
	}
	if !slices.EqualFunc(back, args, bytes.Equal) {
		tb.Fatalf("args %q come back as %q", args, back)
	}
}

func TestEveryByteSurvives(t *testing.T) {
	for c := range 256 {
		for pad := range 18 { // at every place of the eight bytes that are looked at at once
			s := append(bytes.Repeat([]byte("x"), pad), byte(c))
			s = append(s, bytes.Repeat([]byte("y"), 17-pad)...)
			checkBytesSurvive(t, event.Settings{Source: "s"}, s, [][]byte{s, s[:pad+1], s[pad:]})
		}
	}
}

func FuzzEncode(f *testing.F) {
	f.Add([]byte("key"), []byte("a"), []byte("b"), false)
	f.Add([]byte("k\xff"), []byte("\u2028\"\\\n"), []byte("\xed\xa0\x80"), true)
	f.Add([]byte(""), []byte("12345678\x1f"), []byte("\xf0\x9f\x98"), false)
	f.Fuzz(func(t *testing.T, key, a, b []byte, binaryAlways bool) {
		checkBytesSurvive(t, event.Settings{Source: "s", BinaryAlways: binaryAlways}, key, [][]byte{a, b, append(a, b...)})
	})
}

func TestFits(t *testing.T) {
	s := event.Settings{Source: "redis", MaxBytes: event.MinMaxBytes}
	enc := event.NewEncoder(s)
	e := event.Event{Gen: 1, Op: event.OpUpdate, Key: []byte("k"), IsKey: true, Cmd: "SET", Args: [][]byte{nil}}
	room := event.MinMaxBytes - enc.Size(&e)
	tests := []struct {
		name string
		arg  []byte
		txn  *event.Txn
		want bool
	}{
		{"text that just fits", bytes.Repeat([]byte("x"), room), nil, true},
		{"one byte more", bytes.Repeat([]byte("x"), room+1), nil, false},
		{"escapes", bytes.Repeat([]byte("\x01"), room/6), nil, true},
		{"one escape more", bytes.Repeat([]byte("\x01"), room/6+1), nil, false},
		{"base64", append(bytes.Repeat([]byte("x"), (room-15)/4*3-1), 0xff), nil, true},
		{"base64, one byte more", append(bytes.Repeat([]byte("x"), (room-15)/4*3), 0xff), nil, false},
		{"room for the last flag", bytes.Repeat([]byte("x"), room-59), &event.Txn{}, false},
		{"the last flag", bytes.Repeat([]byte("x"), room-70), &event.Txn{}, true},
		{"the last flag is set", bytes.Repeat([]byte("x"), room-70), &event.Txn{Last: true}, true},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			e := e
			e.Args, e.Txn = [][]byte{tt.arg}, tt.txn
			if got := enc.Fits(&e); got != tt.want {
				t.Errorf("Fits is %t at %d of %d bytes, want %t", got, enc.Size(&e), s.MaxBytes, tt.want)
			}
		})
	}
	long := e
	long.Key = bytes.Repeat([]byte("k"), event.MaxKeyBytes+1)
	if event.NewEncoder(event.Settings{MaxBytes: 1 << 20}).Fits(&long) {
		t.Error("a key over MaxKeyBytes fits")
	}
}

func sampleEvent() event.Event {
	return event.Event{
		Gen: 1795311158, Offset: 123456789012, N: 1, TsMs: 1795311159408,
		Op: event.OpUpdate, Key: []byte("user:1234567"), IsKey: true, Type: event.TypeString, Effect: event.EffectValue,
		Cmd: "SET", Args: [][]byte{bytes.Repeat([]byte("abcdefghij"), 10)}, ExpireAtMs: -1, HasExpire: true,
	}
}

func TestAppendDoesNotAllocate(t *testing.T) {
	enc := event.NewEncoder(event.Settings{Source: "redis", MaxBytes: 900 << 10})
	plain, binaryForm := sampleEvent(), sampleEvent()
	binaryForm.Args = [][]byte{append(bytes.Repeat([]byte("x"), 100), 0xff)}
	binaryForm.Txn = &event.Txn{Gen: 1, Offset: 5, Seq: 3, Size: 9}
	for name, e := range map[string]*event.Event{"text": &plain, "base64": &binaryForm} {
		buf := enc.Append(nil, e)
		if n := testing.AllocsPerRun(100, func() {
			e.Offset++
			e.TsMs++
			buf = enc.Append(buf[:0], e)
		}); n != 0 {
			t.Errorf("%s: Append allocates %v times", name, n)
		}
		if n := testing.AllocsPerRun(100, func() { enc.Fits(e); enc.Size(e); enc.Bound(e) }); n != 0 {
			t.Errorf("%s: Fits, Size and Bound allocate %v times", name, n)
		}
	}
}

func BenchmarkAppend(b *testing.B) {
	enc := event.NewEncoder(event.Settings{Source: "redis", MaxBytes: 900 << 10})
	for _, bm := range []struct {
		name string
		arg  []byte
	}{
		{"text", bytes.Repeat([]byte("abcdefghij"), 10)},
		{"utf8", bytes.Repeat([]byte("abcdefghé"), 10)},
		{"escapes", bytes.Repeat([]byte(`{"a":1234`), 11)},
		{"base64", bytes.Repeat([]byte("abcdefghi\xff"), 10)},
	} {
		b.Run(bm.name, func(b *testing.B) {
			e := sampleEvent()
			e.Args = [][]byte{bm.arg}
			buf := enc.Append(nil, &e)
			b.SetBytes(int64(len(buf)))
			b.ReportAllocs()
			for b.Loop() {
				e.Offset += 140
				buf = enc.Append(buf[:0], &e)
			}
		})
	}
}
