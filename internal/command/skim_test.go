package command_test

import (
	"slices"
	"strings"
	"testing"

	"keyfeed/internal/change"
	"keyfeed/internal/command"
	"keyfeed/internal/event"
	"keyfeed/internal/resp"
)

// TestSkimmed: a command too long to be held gives the events that it gives when it is held and omitted.
func TestSkimmed(t *testing.T) {
	big := strings.Repeat("x", 300_000)
	longKey := strings.Repeat("k", event.MaxKeyBytes+100)
	many := strings.Repeat("f v ", 2000)
	for _, in := range []string{
		"GETSET k " + big, "GETSET " + longKey + " " + big, "HINCRBY k f " + big, "RESTORE k 0 " + big + " REPLACE", "XADD k 1-0 f " + big,
		"SMOVE a b " + big, "SMOVE a " + longKey + " " + big, "BITOP AND d " + big, "XGROUP CREATE k g " + big, "NOSUCH a " + big, "NOSUCH " + big,
		"FUNCTION LOAD " + big, "PUBLISH ch " + big, "XADD k 1-0 " + many + big, "SETNX k " + big, "ARMSET k " + many + "f " + big, "HSET k " + many + big, "DELEX k IFEQ " + big, "DELEX " + longKey + " IFEQ " + big, "SET k v IFEQ " + big, "SET k v WHAT " + big,
		"CLUSTER " + big, "REPLCONF x " + big, "PFDEBUG x k " + big, big, "COPY a " + longKey + " " + big, "SORT a STORE d BY " + big,
	} {
		p := slices.Concat(stream("SELECT 3"), line(in), stream("SET after 1"))
		set := settings()
		set.MaxBytes, set.Publish, set.MaxTxnBuffer = 200_000, true, 1
		want := decode(t, set, p)
		set.MaxCommand = 1000
		for _, size := range []int{17, 5000, 1 << 20} {
			got := newRecord(set)
			got.dec = command.New(set, command.Start{Gen: 7, ReplID: replid})
			if err := feed(got.dec, got, p, size); err != nil {
				t.Fatalf("%.20s: %v", in, err)
			}
			if !slices.Equal(got.events, want.events) || !slices.Equal(got.units, want.units) {
				t.Errorf("%.20s, chunks of %d:\n got %.900s\nwant %.900s", in, size, got.events, want.events)
			}
			if n := got.dec.Held(); n > 256<<10 {
				t.Errorf("%.20s: %d bytes held", in, n)
			}
		}
	}
}

// TestSkimmedSet: of a SET too long to be held everything but its value is told.
func TestSkimmedSet(t *testing.T) {
	set := settings()
	set.MaxTxnBuffer, set.MaxCommand = 1, 1000
	r := newRecord(set)
	p := line("SET k " + strings.Repeat("x", 5000) + " NX PXAT 77")
	if err := feed(command.New(set, command.Start{Gen: 7}), r, p, 100); err != nil {
		t.Fatal(err)
	}
	e := parse(t, r.events[0])
	if e.Omitted == nil || e.Expire == nil {
		t.Fatalf("got %.300s", r.events[0])
	}
	if len(r.events) != 1 || e.Op != "c" || e.Cmd != "SET" || *e.Expire != 77 || e.Omitted.Bytes != 5000+2+4+2 || e.Cause != "oversize" {
		t.Errorf("got %s", r.events)
	}
}

// TestHeldWhateverItsSize: of a command whose every argument may be a key, none is lost.
func TestHeldWhateverItsSize(t *testing.T) {
	set := settings()
	set.MaxTxnBuffer, set.MaxCommand = 1, 100
	for _, in := range []string{"DEL", "UNLINK", "MSET", "MSETNX"} {
		for _, size := range []int{9, 1 << 20} {
			r := newRecord(set)
			p := line(in + strings.Repeat(" key", 500))
			if err := feed(command.New(set, command.Start{Gen: 7}), r, p, size); err != nil {
				t.Fatal(err)
			}
			if want := map[bool]int{true: 250, false: 500}[in[0] == 'M']; len(r.events) != want {
				t.Errorf("%s: %d events, want %d", in, len(r.events), want)
			}
		}
	}
}

// TestSkimHoldsLittle: memory does not grow with a value.
func TestSkimHoldsLittle(t *testing.T) {
	d := command.New(settings(), command.Start{Gen: 7})
	h := &discard{}
	const size = 200 << 20
	head := []byte("*3\r\n$3\r\nSET\r\n$1\r\nk\r\n$209715200\r\n")
	var at int64
	feedPart := func(p []byte) {
		if err := d.Feed(change.Chunk{Start: at, Data: p, Arrived: arrived}, h); err != nil {
			t.Fatal(err)
		}
		at += int64(len(p))
	}
	feedPart(head)
	part := make([]byte, 1<<20)
	for range size / len(part) {
		feedPart(part)
		if n := d.Held(); n > command.DefaultMaxCommand*3/2 {
			t.Fatalf("%d bytes held after %d", n, at)
		}
	}
	feedPart([]byte("\r\n"))
	feedPart(resp.AppendCommand(nil, "SET", "k", "v"))
	if h.events != 2 || h.units != 2 {
		t.Errorf("%d events in %d units, want 2 in 2", h.events, h.units)
	}
}
