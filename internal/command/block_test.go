package command_test

import (
	"errors"
	"slices"
	"strings"
	"testing"

	"keyfeed/internal/change"
	"keyfeed/internal/command"
	"keyfeed/internal/event"
)

// txns gives of each event its key and its txn without the id, which is checked.
func txns(t *testing.T, r *record, id string) []string {
	t.Helper()
	var all []string
	for _, e := range r.events {
		_, key, _ := strings.Cut(e, `"key":"`)
		key, _, _ = strings.Cut(key, `"`)
		_, txn, ok := strings.Cut(e, `"txn":{"id":"`+id+`",`)
		if txn, _, _ = strings.Cut(txn, `}`); !ok {
			if strings.Contains(e, `"txn"`) {
				t.Errorf("another transaction id: %s", e)
			}
			txn = "none"
		}
		all = append(all, key+" "+txn)
	}
	return all
}

// TestTxn holds the txn field to its rules, counted blocks and streamed ones. MULTI ends at offset 15.
func TestTxn(t *testing.T) {
	const id = "0000000007:00000000000000000015"
	without := func(keys string) func(*event.Event) bool {
		return func(e *event.Event) bool { return !strings.Contains(keys, string(e.Key)) }
	}
	for _, tt := range []struct {
		name   string
		in     []string
		keep   func(*event.Event) bool
		skip   int64
		want   []string // with size, which a streamed block does not have
		events int64
	}{
		{"empty", []string{"MULTI", "EXEC"}, nil, 0, nil, 0},
		{"one event has no txn", []string{"MULTI", "SET a 1", "EXEC"}, nil, 0, []string{"a none"}, 1},
		{"one event of two commands", []string{"MULTI", "SELECT 1", "SET a 1", "EXEC"}, nil, 0, []string{"a none"}, 1},
		{
			"two",
			[]string{"MULTI", "SET a 1", "SET b 1", "EXEC"},
			nil, 0,
			[]string{`a "seq":0,"size":2`, `b "seq":1,"size":2,"last":true`},
			2,
		},
		{
			"two of one command",
			[]string{"MULTI", "DEL a b", "EXEC"},
			nil, 0,
			[]string{`a "seq":0,"size":2`, `b "seq":1,"size":2,"last":true`},
			2,
		},
		{
			"noise inside",
			[]string{"MULTI", "ping", "SET a 1", "REPLCONF GETACK *", "MULTI", "SET b 1", "EXEC"},
			nil, 0,
			[]string{`a "seq":0,"size":2`, `b "seq":1,"size":2,"last":true`},
			2,
		},
		{
			"the last is filtered",
			[]string{"MULTI", "SET a 1", "SET b 1", "SET c 1", "EXEC"},
			without("c"), 0,
			[]string{`a "seq":0,"size":3`, `b "seq":1,"size":3,"last":true`},
			3,
		},
		{
			"the first is filtered",
			[]string{"MULTI", "SET a 1", "SET b 1", "SET c 1", "EXEC"},
			without("a"), 0,
			[]string{`b "seq":1,"size":3`, `c "seq":2,"size":3,"last":true`},
			3,
		},
		{
			"one is left",
			[]string{"MULTI", "SET a 1", "SET b 1", "SET c 1", "EXEC"},
			without("bc"), 0,
			[]string{`a "seq":0,"size":3,"last":true`},
			3,
		},
		{"none is left", []string{"MULTI", "SET a 1", "SET b 1", "EXEC"}, without("ab"), 0, nil, 2},
		{
			"one stored",
			[]string{"MULTI", "SET a 1", "SET b 1", "SET c 1", "EXEC"},
			nil, 1,
			[]string{`b "seq":1,"size":3`, `c "seq":2,"size":3,"last":true`},
			3,
		},
		{
			"one stored, the last filtered",
			[]string{"MULTI", "SET a 1", "SET b 1", "SET c 1", "EXEC"},
			without("c"), 1,
			[]string{`b "seq":1,"size":3,"last":true`},
			3,
		},
		{"all stored", []string{"MULTI", "SET a 1", "SET b 1", "EXEC"}, nil, 2, nil, 2},
		{"all but a filtered one stored", []string{"MULTI", "SET a 1", "SET b 1", "EXEC"}, without("b"), 1, nil, 2},
	} {
		for _, limit := range []int{0, 1, 45} { // 45: MULTI and a SET are counted before the block is streamed
			streamed := limit > 0 && len(stream(tt.in...)) > limit
			for _, size := range []int{1, 7, 40, 1 << 20} {
				set := settings()
				asked := int64(0)
				if tt.keep != nil {
					set.Keep = func(e *event.Event) bool { asked++; return tt.keep(e) }
				}
				want := slices.Clone(tt.want)
				set.MaxTxnBuffer = limit
				if streamed {
					for i := range want {
						before, after, ok := strings.Cut(want[i], `,"size":`)
						if ok {
							want[i] = before + after[1:]
						}
					}
				}
				r := newRecord(set)
				r.dec = command.New(set, command.Start{Gen: 7, ReplID: replid, Skip: tt.skip})
				p := stream(tt.in...)
				if err := feed(r.dec, r, p, size); err != nil {
					t.Fatalf("%s: %v", tt.name, err)
				}
				if got := txns(t, r, id); !slices.Equal(got, want) {
					t.Errorf("%s, streamed %t, chunks of %d:\n got %q\nwant %q", tt.name, streamed, size, got, want)
				}
				if tt.keep != nil && asked != tt.events-tt.skip {
					t.Errorf("%s, streamed %t: the filter was asked %d times, want %d", tt.name, streamed, asked, tt.events-tt.skip)
				}
				if len(r.units) != 1 || r.units[0].Offset != int64(len(p)) || r.counts[0] != tt.events {
					t.Errorf("%s, streamed %t: units %v with %v events, want one to %d with %d",
						tt.name, streamed, r.units, r.counts, len(p), tt.events)
				}
			}
		}
	}
}

// feed feeds p in chunks of size bytes.
func feed(d *command.Decoder, h command.Handler, p []byte, size int) error {
	start := d.Position().Offset
	for i := 0; i < len(p); i += size {
		data := slices.Clone(p[i:min(i+size, len(p))])
		if err := d.Feed(change.Chunk{Start: start + int64(i), Data: data, Arrived: arrived}, h); err != nil {
			return err
		}
		clear(data) // the decoder must not keep it
	}
	return nil
}

// TestTxnBufferLimit holds the choice between counting and streaming to the exact size of the block.
func TestTxnBufferLimit(t *testing.T) {
	p := stream("MULTI", "SET a 1", "SET b 1", "EXEC")
	for _, size := range []int{1, 9, len(p)} {
		for over, wantSize := range map[int]bool{0: true, 1: false} {
			set := settings()
			set.MaxTxnBuffer = len(p) - over
			r := newRecord(set)
			if err := feed(command.New(set, command.Start{Gen: 7}), r, p, size); err != nil {
				t.Fatal(err)
			}
			if got := strings.Contains(r.events[0], `"size":2`); got != wantSize {
				t.Errorf("limit %d below the block, chunks of %d: size shown is %t", over, size, got)
			}
		}
	}
}

// TestDatabase follows SELECT into, through and out of blocks.
func TestDatabase(t *testing.T) {
	p := stream("SET a 1", "SELECT 3", "SET b 1", "MULTI", "SET b2 1", "SELECT 5", "SET c 1", "SELECT 6", "SET d 1", "EXEC", "SET e 1", "SWAPDB 6 7", "SET f 1")
	set := settings()
	r := newRecord(set)
	d := command.New(set, command.Start{Gen: 7, DB: 2})
	r.dec = d
	if err := feed(d, r, p, 11); err != nil {
		t.Fatal(err)
	}
	var dbs []string
	for _, e := range r.short {
		_, db, _ := strings.Cut(e, `"db":`)
		db, _, _ = strings.Cut(db, `,`)
		dbs = append(dbs, db)
	}
	if want := []string{"2", "3", "3", "5", "6", "6", "", "6"}; !slices.Equal(dbs, want) {
		t.Errorf("databases %v, want %v", dbs, want)
	}
	var at []int
	for _, u := range r.units {
		at = append(at, u.DB)
	}
	if want := []int{2, 3, 3, 6, 6, 6, 6}; !slices.Equal(at, want) {
		t.Errorf("databases at unit ends %v, want %v", at, want)
	}
	if r.at[3].DB != 3 || r.at[3].Count != 2 || r.at[3].Offset != r.units[2].Offset {
		t.Errorf("position behind the second event of the block is %v, want inside the block from %v", r.at[3], r.units[2])
	}
}

func TestSkipTooMuch(t *testing.T) {
	d := command.New(settings(), command.Start{Gen: 7, Skip: 2})
	if err := feed(d, &discard{}, stream("SET a 1"), 100); !errors.Is(err, command.ErrSkip) {
		t.Errorf("error %v, want ErrSkip", err)
	}
}
