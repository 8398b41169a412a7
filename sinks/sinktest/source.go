package sinktest

import (
	"bytes"
	"fmt"
	"math/rand/v2"
	"slices"
	"strconv"
	"testing"

	"keyfeed/internal/change"
)

const (
	replID  = "0123456789abcdef0123456789abcdef01234567"
	spoolID = "5b1d0a7c3e9f2846"

	settings = "1:65536:bp:0123456789abcdef"
)

// source is a fixed sequence of records, as a pump would make them from one history.
type source struct {
	records []change.Record
}

// newSource draws n records: a snapshot, then units of 1 to 6 events, with heartbeats and other messages between.
func newSource(rng *rand.Rand, n int) *source {
	s := &source{}
	inSnapshot := int64(min(n/4, 50))
	at := change.Position{Gen: 1795311158, Offset: 1000, ReplID: replID, Settings: settings}
	for k := range inSnapshot {
		pos := at
		pos.Spool, pos.Count = spoolID, k+1
		if k == inSnapshot-1 {
			pos = at // the last event of the snapshot: from here on the stream counts
		}
		s.add(rng, pos)
	}
	for len(s.records) < n {
		end := at
		end.Offset += 20 + rng.Int64N(200)
		end.DB = rng.IntN(3)
		events := min(int64(1+rng.IntN(6)), int64(n-len(s.records)))
		for k := range events - 1 {
			pos := at
			pos.Count = k + 1
			s.add(rng, pos)
		}
		s.add(rng, end)
		at = end
	}
	return s
}

// add appends a record whose value tells its index; see indexOf.
func (s *source) add(rng *rand.Rand, pos change.Position) {
	r := change.Record{Pos: pos, DB: int32(pos.DB)}
	switch rng.IntN(12) {
	case 0:
		r.Route, r.Kind, r.DB = change.RouteBroadcast, "heartbeat", -1
	case 1:
		r.Key = []byte{0xff, 0x00, ' ', '.', '*', '>', byte(rng.IntN(3))} // keys are bytes, not text
	case 2:
		r.Key = []byte{} // the empty key is a key like any other
	default:
		r.Key = fmt.Appendf(nil, "user:%d:profile", rng.IntN(20))
	}
	r.Value = fmt.Appendf(nil, `{"i":%d,"key":%q,"pad":%q}`, len(s.records), r.Key, bytes.Repeat([]byte{'x'}, rng.IntN(300)))
	s.records = append(s.records, r)
}

// indexOf reads back from a stored value which record it is.
func (s *source) indexOf(t *testing.T, value []byte) int {
	t.Helper()
	digits, ok := bytes.CutPrefix(value, []byte(`{"i":`))
	end := bytes.IndexByte(digits, ',')
	if !ok || end < 0 {
		t.Fatalf("stored value is none of ours: %.100q", value)
	}
	i, err := strconv.Atoi(string(digits[:end]))
	if err != nil || i < 0 || i >= len(s.records) {
		t.Fatalf("stored value is none of ours: %.100q", value)
	}
	if !bytes.Equal(value, s.records[i].Value) {
		t.Fatalf("record %d is stored as %.100q, want %.100q", i, value, s.records[i].Value)
	}
	return i
}

// after is the index of the first record that pos does not cover.
func (s *source) after(t *testing.T, pos change.Position) int {
	t.Helper()
	if pos.IsZero() {
		return 0
	}
	for i, r := range slices.Backward(s.records) {
		if same(r.Pos, pos) {
			return i + 1
		}
	}
	t.Fatalf("position %v is none of the records'", pos)
	return 0
}

// same reports whether two positions are the same: inside a unit that takes the settings, elsewhere a place need not keep
// them.
func same(a, b change.Position) bool {
	if !a.InUnit() {
		a.Settings, b.Settings = "", ""
	}
	return a == b
}

// end is the position of the last record before index i.
func (s *source) end(i int) change.Position {
	if i == 0 {
		return change.Position{}
	}
	return s.records[i-1].Pos
}
