package replay_test

import (
	"bytes"
	"errors"
	"io"
	"testing"

	"keyfeed/internal/replay"
)

// The short way to an id gives what parsing the whole event gives.
func FuzzParse(f *testing.F) {
	f.Add([]byte(`{"v":1,"id":"0000000001:00000000000000000005:0000000000","op":"u","db":0,"key":"k","cmd":"SET","args":["v"]}`))
	f.Add([]byte(`{"v":1,"id":"a","op":"r","key":"/w==","key_enc":"base64","value":{"f":"v"},"keys":5}`))
	f.Add([]byte(`{"v":1,"id":"a","id":"b"}`))
	f.Fuzz(func(t *testing.T, line []byte) {
		e, err := replay.Parse(line)
		if err != nil {
			if !errors.Is(err, replay.ErrEvent) {
				t.Fatalf("error %v does not wrap ErrEvent", err)
			}
			return
		}
		id, err := replay.LineID(line)
		if err != nil {
			t.Fatalf("LineID refuses what Parse takes: %v", err)
		}
		if id != e.ID && bytes.Count(line, []byte(`id"`)) == 1 && !bytes.Contains(line, []byte(`\`)) {
			t.Fatalf("LineID gives %q, Parse %q", id, e.ID)
		}
		if _, _, err := e.KeyBytes(); err != nil && !errors.Is(err, replay.ErrEvent) {
			t.Fatalf("error %v does not wrap ErrEvent", err)
		}
	})
}

// target answers whatever it is told to.
type target struct{ answers io.Reader }

func (t target) Read(b []byte) (int, error)  { return t.answers.Read(b) }
func (t target) Write(b []byte) (int, error) { return len(b), nil }

// Whatever a target answers, the replay ends, with an error unless every answer was one.
func FuzzAnswers(f *testing.F) {
	f.Add([]byte("+OK\r\n+OK\r\n:1\r\n"))
	f.Add([]byte("*2\r\n$1\r\na\r\n*1\r\n-ERR x\r\n+OK\r\n:1\r\n"))
	f.Add([]byte("$536870912\r\nabc"))
	f.Add([]byte("*536870912\r\n"))
	f.Add([]byte("*-1\r\n$-1\r\n+\r\n"))
	f.Fuzz(func(t *testing.T, answers []byte) {
		r := replay.New(target{bytes.NewReader(answers)}, replay.Options{})
		if err := r.Apply([]byte(`{"v":1,"id":"a","op":"u","db":0,"key":"k","cmd":"SET","args":["v"]}`)); err != nil {
			t.Fatalf("an error before anything was read: %v", err)
		}
		if err := r.Flush(); err == nil && bytes.Count(answers, []byte("\n")) < 2 {
			t.Fatalf("two commands were answered by %q", answers)
		}
	})
}
