package command_test

import (
	"errors"
	"strings"
	"testing"

	"keyfeed/internal/change"
	"keyfeed/internal/command"
	"keyfeed/internal/event"
	"keyfeed/internal/resp"
)

// TestBadStream: bytes that are no command are an error that names the first offset that cannot be right, however they
// are cut; the units before it are handed out.
func TestBadStream(t *testing.T) {
	good := stream("SET a 1", "SET b 1") // 27 bytes each
	for _, tt := range []struct {
		name, tail string
		offset     int64
	}{
		{"inline", "SET a 1\r\n", 55},
		{"no bulk", "*1\r\n+PING\r\n", 59},
		{"bad end", "*1\r\n$4\r\nPINGxx", 67},
		{"in a block", "*1\r\n$5\r\nMULTI\r\n*1\r\n$4\r\nping\r\nX", 84},
	} {
		for _, size := range []int{1, 3, 1 << 20} {
			h := &discard{}
			d := command.New(settings(), command.Start{Gen: 7})
			err := feed(d, h, []byte(string(good)+tt.tail), size)
			bad, ok := errors.AsType[*command.StreamError](err)
			if !ok || bad.Offset != tt.offset {
				t.Errorf("%s, chunks of %d: error %v, want one at %d", tt.name, size, err, tt.offset)
			}
			if _, ok := errors.AsType[*resp.ProtocolError](err); !ok {
				t.Errorf("%s: %v does not wrap the protocol error", tt.name, err)
			}
			if h.units != 2 {
				t.Errorf("%s, chunks of %d: %d units", tt.name, size, h.units)
			}
			if again := d.Feed(change.Chunk{Start: 1 << 40}, h); !errors.Is(again, err) {
				t.Errorf("%s: a failed decoder gives %v", tt.name, again)
			}
		}
	}
}

// TestVerbatimScript: a script replicated by its text cannot be decoded.
func TestVerbatimScript(t *testing.T) {
	for _, in := range []string{"EVAL return 0", "evalsha 0123 1 k"} {
		for _, block := range []bool{false, true} {
			p := stream(in)
			at := len(p)
			if block {
				p = append(append(stream("MULTI"), p...), stream("EXEC")...)
				at += 15
			}
			err := feed(command.New(settings(), command.Start{Gen: 7}), &discard{}, p, 1000)
			script, ok := errors.AsType[*command.VerbatimScriptError](err)
			if !ok || script.Offset != int64(at) || !strings.EqualFold(script.Name, strings.Fields(in)[0]) {
				t.Errorf("%s: error %v, want a VerbatimScriptError at %d", in, err, at)
			}
			if !strings.Contains(err.Error(), "lua-replicate-commands yes") {
				t.Errorf("%v names no remedy", err)
			}
		}
	}
}

// TestChunkMarks: a chunk that contradicts its bytes or its place is refused.
func TestChunkMarks(t *testing.T) {
	set := stream("SET a 1")
	for _, tt := range []struct {
		name string
		c    change.Chunk
		want error
	}{
		{"gap", change.Chunk{Start: 5, Data: set}, command.ErrGap},
		{"repeat", change.Chunk{Start: -1, Data: set}, command.ErrGap},
		{"no unit end inside a command", change.Chunk{Data: set[:9], UnitEnd: true}, command.ErrDisagree},
		{"no unit end inside a block", change.Chunk{Data: stream("MULTI", "SET a 1"), UnitEnd: true}, command.ErrDisagree},
		{"another database", change.Chunk{Data: set, UnitEnd: true, DB: 1}, command.ErrDisagree},
		{"right", change.Chunk{Data: stream("SELECT 1", "SET a 1"), UnitEnd: true, DB: 1}, nil},
		{"right, open", change.Chunk{Data: set[:9]}, nil},
	} {
		err := command.New(settings(), command.Start{Gen: 7}).Feed(tt.c, &discard{})
		if !errors.Is(err, tt.want) || tt.want == nil && err != nil {
			t.Errorf("%s: error %v, want %v", tt.name, err, tt.want)
		}
	}
}

// refuse fails at an event or a unit.
type refuse struct {
	event, unit error
}

func (r *refuse) Event(*event.Event) error { return r.event }

func (r *refuse) Unit(change.Position, int64) error { return r.unit }

// TestHandlerErrors come out of Feed as they are, from every way an event can take.
func TestHandlerErrors(t *testing.T) {
	boom := errors.New("boom")
	for _, in := range [][]string{
		{"SET a 1"},
		{"MULTI", "SET a 1", "SET b 1", "EXEC"},
		{"DEL a b"},
		{"MSET a 1 b 1"},
		{"MSETEX 2 a 1 b 1"},
		{"RENAME a b"},
		{"MOVE a 1"},
		{"SMOVE a b c"},
		{"APPEND a " + strings.Repeat("x", 9000)},
		{"SET a " + strings.Repeat("x", 9000)},
		{"SETRANGE a 0 " + strings.Repeat("x", 9000)},
		{"SADD a " + strings.Repeat("xxxx ", 2000)},
		{"RREPLAY u x"},
	} {
		for _, limit := range []int{1, 1 << 20} {
			for _, h := range []*refuse{{event: boom}, {unit: boom}} {
				for _, size := range []int{5, 1 << 20} {
					set := settings()
					set.MaxTxnBuffer, set.MaxBytes = limit, event.MinMaxBytes
					if err := feed(command.New(set, command.Start{Gen: 7}), h, stream(in...), size); !errors.Is(err, boom) {
						t.Errorf("%.20s: error %v", in, err)
					}
				}
			}
		}
	}
}
