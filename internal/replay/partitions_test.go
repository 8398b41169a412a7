package replay_test

import (
	"fmt"
	"strings"
	"testing"

	"pgregory.net/rapid"

	"keyfeed/internal/replay"
)

func eventAt(offset int) []byte {
	return fmt.Appendf(nil, `{"v":1,"id":"%010d:%020d:0000000000","op":"u"}`, 1, offset)
}

func idAt(offset int) string { return fmt.Sprintf("%010d:%020d:0000000000", 1, offset) }

// Partitions are cut off while somebody writes: all hold what is stored, some more than that. The runs together, each from
// the place of the one before, give every event once and in order, and each run gives at least what was stored.
func TestPartitionsOverSeveralRuns(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		n := rapid.IntRange(1, 4).Draw(t, "partitions")
		total := rapid.IntRange(1, 700).Draw(t, "total")
		names := make([]int32, n)
		for p := range names {
			names[p] = int32(p)
		}
		parts := make([][]int, n) // events of each partition; the index is the offset
		for e := 1; e <= total; e++ {
			to := rapid.IntRange(-1, n-1).Draw(t, "to")
			for p := range n {
				if e == 1 || to == p || to < 0 { // the first one begins a snapshot, which goes everywhere
					parts[p] = append(parts[p], e)
				}
			}
		}
		visible := make([]int, n)
		place := replay.Place{}
		last := 0
		for stored := 0; stored < total; {
			stored = min(total, stored+rapid.IntRange(1, 300).Draw(t, "stored"))
			for p := range n {
				for visible[p] < len(parts[p]) && parts[p][visible[p]] <= stored {
					visible[p]++
				}
				visible[p] = min(len(parts[p]), visible[p]+rapid.IntRange(0, 5).Draw(t, "ahead"))
			}
			f := replay.NewPartitions("t", place, fmt.Sprintf("%010d:%020d:~", 1, stored), func(it replay.Item) error {
				id, err := replay.LineID(it.Line)
				if err != nil {
					return err
				}
				if it.Gap {
					t.Fatalf("a gap at %s", id)
				}
				if it.Cursor != "" {
					place.Cursor = it.Cursor
				}
				if id <= place.ID {
					return nil
				}
				if last++; id != idAt(last) {
					t.Fatalf("%s comes where %s should: lost, repeated or out of order", id, idAt(last))
				}
				place.ID = id
				return nil
			})
			f.Begin(names)
			for p := range n {
				for i := int(f.From()[int32(p)]); i < visible[p]; i++ {
					if err := f.Add(int32(p), int64(i), eventAt(parts[p][i])); err != nil {
						t.Fatal(err)
					}
				}
				f.End(int32(p))
			}
			if err := f.Drain(); err != nil {
				t.Fatal(err)
			}
			if last < stored {
				t.Fatalf("%d events after %d were stored", last, stored)
			}
		}
	})
}

// A partition whose oldest record is behind the place has lost some, and so has one that is empty now.
func TestPartitionsTellOfGaps(t *testing.T) {
	for _, tt := range []struct {
		name string
		play func(p *replay.Partitions) error
		want string
	}{
		{"all there", func(p *replay.Partitions) error { return addAll(p, 0, 5, 7, 1, 5, 8) }, "5 7 8"},
		{"one begins later", func(p *replay.Partitions) error { return addAll(p, 0, 5, 7, 1, 8, 9) }, "5 7 8! 9"},
		{"one is empty", func(p *replay.Partitions) error { return addAll(p, 0, 5, 7) }, "5 7!"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			var got []string
			p := replay.NewPartitions("t", replay.Place{ID: idAt(5)}, idAt(9), func(it replay.Item) error {
				id, err := replay.LineID(it.Line)
				if err != nil {
					return err
				}
				text := strings.TrimLeft(strings.Split(id, ":")[1], "0")
				if it.Gap {
					text += "!"
				}
				got = append(got, text)
				return nil
			})
			p.Begin([]int32{0, 1})
			if err := tt.play(p); err != nil {
				t.Fatal(err)
			}
			p.End(0)
			p.End(1)
			if err := p.Drain(); err != nil {
				t.Fatal(err)
			}
			if strings.Join(got, " ") != tt.want {
				t.Errorf("got %q, want %q", got, tt.want)
			}
		})
	}
}

// addAll adds triples of partition and two events.
func addAll(p *replay.Partitions, triples ...int) error {
	for i := 0; i < len(triples); i += 3 {
		for k, e := range triples[i+1 : i+3] {
			if err := p.Add(int32(triples[i]), int64(k), eventAt(e)); err != nil {
				return err
			}
		}
	}
	return nil
}
