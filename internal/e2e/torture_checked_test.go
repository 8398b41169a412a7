//go:build e2e

package e2e

import (
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

// The check finds each single thing that can be wrong. Without servers: this is about the tests themselves.
func TestTortureCheck(t *testing.T) {
	s := newSample(t)
	if v := s.judge(s.events); !v.ok() || v.Events != 12 || v.Commands != 7 || v.Transactions != 1 {
		t.Fatalf("the sample: %v\n%v", v, &v.problems)
	}
	stream := s.events[3:] // behind the snapshot
	heartbeat := `{"v":1,"id":"0000000007:00000000000000000300:heartbeat:1","op":"m","kind":"heartbeat","source":{"gen":7,"offset":300}}`
	if v := s.judge(append(slices.Clone(s.events), heartbeat, heartbeat)); !v.ok() || v.Outside != 2 {
		t.Errorf("with heartbeats: %v", v)
	}
	for i := range s.events {
		if v := s.judge(slices.Delete(slices.Clone(s.events), i, i+1)); v.ok() || v.Lost+v.Wrong == 0 {
			t.Errorf("without %s: %v", s.events[i], v)
		}
	}
	for i := range s.events {
		if v := s.judge(append(slices.Clone(s.events), s.events[i])); v.Duplicated != 1 || v.Lost+v.Reordered+v.Wrong+v.Torn != 0 {
			t.Errorf("with another %s: %v", s.events[i], v)
		}
	}
	for i := range len(stream) - 1 {
		events := slices.Clone(s.events)
		events[3+i], events[4+i] = events[4+i], events[3+i]
		if v := s.judge(events); v.Reordered != 1 || v.Duplicated+v.Lost != 0 {
			t.Errorf("with %s behind the next: %v", stream[i], v)
		}
	}
	for _, change := range []struct{ from, to string }{
		{`"cmd":"INCR"`, `"cmd":"DECR"`},
		{`"key":"num"`, `"key":"other"`},
		{`"db":3,"key":"a"`, `"db":0,"key":"a"`},
		{`,"last":true`, ``},
		{`"seq":1,"size":3`, `"seq":1,"size":2`},
		{fmt.Sprintf(`"txn":{"id":"0000000007:%020d","seq":1,"size":3},`, s.multi), ``},
		{`"n":2`, `"n":1`},
		{`"reason":"initial"`, `"kind":"gap"`},
	} {
		var events []string
		for _, e := range s.events {
			events = append(events, strings.Replace(e, change.from, change.to, 1))
		}
		if slices.Equal(events, s.events) {
			t.Fatalf("the sample has no %s", change.from)
		}
		if v := s.judge(events); v.ok() || v.Wrong+v.Torn == 0 {
			t.Errorf("with %s instead of %s: %v", change.to, change.from, v)
		}
	}
	// In two partitions a broadcast has to be in both, and everything else in one.
	half := func(e string) bool { return strings.Contains(e, `"key"`) }
	other := slices.DeleteFunc(slices.Clone(s.events), half)
	if v := s.judge(s.events, other); !v.ok() {
		t.Errorf("in two partitions: %v\n%v", v, &v.problems)
	}
	if v := s.judge(s.events, other[:len(other)-1]); v.ok() {
		t.Errorf("with a broadcast that is missing in a partition: %v", v)
	}
	if v := s.judge(s.events, append(slices.Clone(other[:3]), append([]string{s.events[3]}, other[3:]...)...)); v.Duplicated != 1 {
		t.Errorf("with a change in two partitions: %v", v)
	}
	// A failover may take back what was published, but only what was recorded.
	s.rec.cut(s.rec.tail() - 50)
	if v := s.judge(s.events); !v.ok() {
		t.Errorf("from a branch of the history: %v\n%v", v, &v.problems)
	}
}

// sample is a recording and the events that it should give.
type sample struct {
	t      *testing.T
	rec    *recording
	events []string
	multi  int64 // where MULTI ends
	end    int64
}

func newSample(t *testing.T) *sample {
	t.Helper()
	file, err := os.Create(filepath.Join(t.TempDir(), "recording"))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { file.Close() })
	s := &sample{t: t, rec: &recording{file: file}}
	s.rec.begin(100)
	s.event(0, `"op":"m","kind":"snapshot_begin","reason":"initial"`, 0, 0, "")
	s.event(1, `"op":"r","db":0,"key":"k","type":"string","value":"v"`, 0, 0, "")
	s.event(2, `"op":"m","kind":"snapshot_end","events":3`, 0, 0, "")
	s.write("SELECT 3")
	s.write("SET a 1")
	s.event(0, `"op":"u","db":3,"key":"a","cmd":"SET","args":["1"]`, 1, 1, "")
	s.write("PING")
	s.write("DEL a b")
	s.event(0, `"op":"d","db":3,"key":"a","cmd":"DEL","args":[]`, 1, 2, "")
	s.event(1, `"op":"d","db":3,"key":"b","cmd":"DEL","args":[]`, 1, 2, "")
	s.write("SWAPDB 0 1")
	s.event(0, `"op":"m","kind":"swapdb","cmd":"SWAPDB","args":["0","1"]`, 1, 1, "")
	s.write("MULTI")
	s.multi = s.rec.tail()
	txn := fmt.Sprintf(`"txn":{"id":"0000000007:%020d","seq":%%d,"size":3%%s},`, s.multi)
	s.write("INCR num")
	s.event(0, `"op":"u","db":3,"key":"num","cmd":"INCR","args":[]`, 1, 1, fmt.Sprintf(txn, 0, ""))
	s.write("RENAME num to")
	s.event(0, `"op":"d","db":3,"key":"num","cmd":"RENAME","args":["num","to"]`, 1, 2, fmt.Sprintf(txn, 1, ""))
	s.event(1, `"op":"u","db":3,"key":"to","cmd":"RENAME","args":["num","to"]`, 1, 2, fmt.Sprintf(txn, 2, `,"last":true`))
	s.write("EXEC")
	s.write("MULTI")
	s.write("APPEND a txn")
	s.event(0, `"op":"u","db":3,"key":"a","cmd":"APPEND","args":[",\"txn\":{"]`, 1, 1, "")
	s.write("EXEC")
	s.write("SELECT 0")
	s.write("FLUSHDB")
	s.end = s.rec.tail()
	s.event(0, `"op":"t","db":0,"cmd":"FLUSHDB","args":[]`, 1, 1, "")
	return s
}

// write adds a command to the recording.
func (s *sample) write(words string) {
	s.t.Helper()
	args := strings.Fields(words)
	text := fmt.Sprintf("*%d\r\n", len(args))
	for _, a := range args {
		text += fmt.Sprintf("$%d\r\n%s\r\n", len(a), a)
	}
	if err := s.rec.append([]byte(text)); err != nil {
		s.t.Fatal(err)
	}
}

// event adds an event of the last command.
func (s *sample) event(seq int, fields string, known, n int, txn string) {
	offset := s.rec.tail()
	count := ""
	if known > 0 {
		count = fmt.Sprintf(`,"n":%d`, n)
	}
	s.events = append(s.events, fmt.Sprintf(`{"v":1,"id":"0000000007:%020d:%010d",%s,%s"ts_ms":1,"source":{"name":"redis","gen":7,"offset":%d,"seq":%d%s}}`,
		offset, seq, fields, txn, offset, seq, count))
}

func (s *sample) judge(partitions ...[]string) *verdict {
	s.t.Helper()
	var files []string
	for i, events := range partitions {
		name := filepath.Join(s.t.TempDir(), fmt.Sprint("partition-", i))
		if err := os.WriteFile(name, []byte(strings.Join(events, "\n")+"\n"), 0o600); err != nil {
			s.t.Fatal(err)
		}
		files = append(files, name)
	}
	v, err := judge(files, s.rec, s.end)
	if err != nil {
		s.t.Fatal(err)
	}
	return v
}
