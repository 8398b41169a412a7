package command_test

import (
	"errors"
	"slices"
	"testing"

	"keyfeed/internal/change"
	"keyfeed/internal/command"
	"keyfeed/internal/event"
)

// FuzzDecode feeds any bytes, whole and cut: no panic, memory bounded by what was fed, and the same events and the same
// error either way.
func FuzzDecode(f *testing.F) {
	for _, s := range [][]string{
		{"SET k v EX 10", "DEL a b", "ping"},
		{"MULTI", "SELECT 3", "SET a 1", "RPUSH l a b c", "EXEC", "SET b 1"},
		{"MSETEX 2 a 1 b 2 PXAT 5", "SORT a LIMIT 0 1 STORE b", "XGROUP CREATE k g 0", "COPY a b DB 3"},
		{"RESTORE k 5 x REPLACE", "TRIMSLOTS RANGES 1 0 5", "SFLUSH 0 1 SYNC", "PUBLISH a b", "ZADD k NX 1 a", "NOSUCH 1"},
		{"EVAL x 0"},
		{"MULTI", "MULTI", "EXEC", "EXEC"},
		{"GEORADIUS a 1 2 3 m COUNT 1 STORE b", "PFDEBUG x k", "RREPLAY u x 1"},
	} {
		f.Add(stream(s...), []byte{3, 1, 20, 7}, uint8(0))
		f.Add(stream(s...), []byte{200}, uint8(7))
	}
	f.Add([]byte("*2147483647\r\n$1\r\nx"), []byte{1}, uint8(0))
	f.Add([]byte("*1\r\n$4294967296\r\nx"), []byte{1}, uint8(0))
	f.Add(line("RREPLAY u "+string(line("SET a 1"))+" 3"), []byte{9}, uint8(1))
	f.Fuzz(func(t *testing.T, p, cuts []byte, flags uint8) {
		set := command.Settings{Settings: event.Settings{Source: "s", MaxBytes: event.MinMaxBytes}}
		set.BinaryAlways, set.Publish = flags&1 != 0, flags&2 != 0
		if flags&4 != 0 {
			set.MaxTxnBuffer, set.MaxCommand = 40, 100
		}
		if flags&8 != 0 {
			set.Keep = func(e *event.Event) bool { return len(e.Key)%2 == 1 }
		}
		whole, wholeErr := fuzzRun(t, set, p, nil)
		cut, cutErr := fuzzRun(t, set, p, cuts)
		if !slices.Equal(whole.events, cut.events) || !slices.Equal(whole.units, cut.units) {
			t.Fatalf("whole\n%q\ncut\n%q", whole.events, cut.events)
		}
		if (wholeErr == nil) != (cutErr == nil) || wholeErr != nil && wholeErr.Error() != cutErr.Error() {
			t.Fatalf("whole %v, cut %v", wholeErr, cutErr)
		}
		for _, e := range whole.events {
			parse(t, e)
		}
	})
}

func fuzzRun(t *testing.T, set command.Settings, p, cuts []byte) (*record, error) {
	t.Helper()
	r := newRecord(set)
	d := command.New(set, command.Start{Gen: 1})
	fed := 0
	for i := 0; fed < len(p); i++ {
		n := len(p) - fed
		if len(cuts) > 0 {
			n = min(n, int(cuts[i%len(cuts)])+1)
		}
		c := change.Chunk{Start: int64(fed), Data: slices.Clone(p[fed : fed+n]), Arrived: arrived}
		err := d.Feed(c, r)
		clear(c.Data)
		fed += n
		if held := d.Held(); held > 40*fed+4096 {
			t.Fatalf("%d bytes held after %d were fed", held, fed)
		}
		if err != nil {
			_, bad := errors.AsType[*command.StreamError](err)
			_, script := errors.AsType[*command.VerbatimScriptError](err)
			if !bad && !script {
				t.Fatalf("Feed: %v", err)
			}
			return r, err
		}
	}
	return r, nil
}
