package sinktest

import (
	"bytes"
	"testing"

	"keyfeed/internal/change"
)

// checkStored reads the place and compares it with the records before index to: nothing missing, nothing in the wrong
// order, and with ExactPosition nothing more and nothing twice.
func (p *player) checkStored(t *testing.T, to int) {
	t.Helper()
	if p.h.Read == nil {
		return
	}
	stored, err := p.h.Read(within(t))
	if err != nil {
		t.Fatalf("reading what is stored: %v", err)
	}
	type lane struct{ place, key string }
	var (
		last   = map[lane]int{}      // highest record seen so far
		placed = map[string]string{} // key to place
		copies = map[int]map[string]int{}
	)
	for _, r := range stored {
		i := p.source.indexOf(t, r.Value)
		want := &p.source.records[i]
		l := lane{place: r.Place}
		if !p.f.TotalOrder {
			l.key = string(want.Key)
			if want.Route == change.RouteBroadcast {
				l.key = "\x00broadcast"
			}
		} else {
			l.place = ""
		}
		if want.Route == change.RouteKey {
			key := string('0'+want.DB) + string(want.Key)
			if before, ok := placed[key]; ok && before != r.Place {
				t.Fatalf("key %q is in %q and in %q", want.Key, before, r.Place)
			}
			placed[key] = r.Place
			if p.f.Keys && !bytes.Equal(r.Key, want.Key) {
				t.Fatalf("record %d is stored with key %q, want %q", i, r.Key, want.Key)
			}
		}
		if copies[i] == nil {
			copies[i] = map[string]int{}
		}
		copies[i][r.Place]++
		repeat := copies[i][r.Place] > 1
		if repeat && p.f.ExactPosition {
			t.Fatalf("record %d is stored twice", i)
		}
		if before, ok := last[l]; ok && i < before && !repeat {
			t.Fatalf("record %d is stored after %d", i, before)
		}
		last[l] = max(last[l], i)
		if i >= to && p.f.ExactPosition {
			t.Fatalf("record %d is stored, but the position is before %d", i, to)
		}
	}
	for i := range to {
		want := 1
		if p.source.records[i].Route == change.RouteBroadcast {
			want = p.f.copies()
		}
		if got := len(copies[i]); got != want {
			t.Fatalf("record %d of %d is stored in %d places, want %d", i, to, got, want)
		}
	}
}
