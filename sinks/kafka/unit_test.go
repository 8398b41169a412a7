package kafka_test

import (
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"keyfeed/internal/change"
	"keyfeed/sinks/kafka"
)

// unitEvents are events from <= i < to, of a unit that ends at the offset of the last one: positions inside the unit, and
// the one after it where the unit is whole.
func unitEvents(start, from, to int, whole bool) *change.Batch {
	var out []change.Record
	for i := from; i < to; i++ {
		r := event(i, 0)
		r.Value = fmt.Appendf(nil, `{"i":%d,"pad":%q}`, i, strings.Repeat("x", 1000))
		r.Pos = posAt(int64(start))
		r.Pos.Count = int64(i - start + 1)
		out = append(out, r)
	}
	if whole {
		out[len(out)-1].Pos = posAt(int64(to))
	}
	return batch(out...)
}

// mustWriteUnit writes a unit of events from <= i < to in batches of 10, from the event at on.
func mustWriteUnit(t *testing.T, s *kafka.Sink, from, at, to int) {
	t.Helper()
	for ; at < to; at += 10 {
		mustWrite(t, s, unitEvents(from, at, min(at+10, to), at+10 >= to))
	}
}

// TestUnitIsOneTransaction commits small units whole, however the interval and the size fall.
func TestUnitIsOneTransaction(t *testing.T) {
	c := cluster(t)
	seedTopics(t, c, "redis")
	cfg := config("redis", c.ListenAddrs()...)
	cfg.CommitInterval = time.Millisecond
	cfg.TxnMaxBytes = 64 << 10
	s := opened(t, cfg)
	next := 0
	for n := range 40 {
		size := 1 + n*13%60 // up to 60 KiB, less than TxnMaxBytes
		mustWriteUnit(t, s, next, next, next+size)
		next += size
	}
	mustFlush(t, s)
	all := positions(t, cfg)
	for _, pos := range all {
		if pos.InUnit() {
			t.Errorf("a transaction ended inside a unit: %v", pos)
		}
	}
	if len(all) < 5 {
		t.Errorf("%d progress records for 40 units: nothing was tested", len(all))
	}
	wantCommittedOnce(t, cfg, next)
}

// TestUnitAcrossTransactions cuts a unit larger than TxnMaxBytes, with positions inside it; another sink goes on from such
// a position after the writer has ended without a word.
func TestUnitAcrossTransactions(t *testing.T) {
	c := cluster(t)
	seedTopics(t, c, "redis")
	cfg := config("redis", c.ListenAddrs()...)
	cfg.TxnMaxBytes = 64 << 10
	cfg.MaxBufferedRecords = 10_000
	const size = 500 // 500 KiB
	at := 0
	for rounds := 0; at < size; rounds++ {
		s := newSink(t, cfg)
		t.Cleanup(func() { _ = s.Close() })
		pos, err := s.Open(within(t))
		if err != nil {
			t.Fatal(err)
		}
		switch {
		case pos.IsZero() && at == 0:
		case pos.InUnit() && pos.Offset == 0 && int(pos.Count) >= at:
			at = int(pos.Count)
		case pos == posAt(size):
			at = size
		default:
			t.Fatalf("after %d events were confirmed, Open gave %v", at, pos)
		}
		wantCommittedOnce(t, cfg, at)
		if at == size {
			break
		}
		// The unit is written whole, and the writer ends as soon as some of it is confirmed.
		for i := at; i < size && s.Confirmed() == pos; i += 10 {
			mustWrite(t, s, unitEvents(0, i, min(i+10, size), i+10 >= size))
		}
		waitConfirmed(t, s, pos)
		if now := s.Confirmed(); now.InUnit() {
			at = int(now.Count)
		} else {
			at = size
		}
		if err := s.Close(); err != nil {
			t.Fatal(err)
		}
	}
	wantCommittedOnce(t, cfg, size)
	if inside := slices.IndexFunc(positions(t, cfg), change.Position.InUnit); inside < 0 {
		t.Error("no transaction ended inside the unit: nothing was tested")
	}
}

// TestFlushInsideUnit commits what is there: the pump flushes there only when it has to stop.
func TestFlushInsideUnit(t *testing.T) {
	c := cluster(t)
	seedTopics(t, c, "redis")
	cfg := config("redis", c.ListenAddrs()...)
	s := opened(t, cfg)
	mustWrite(t, s, unitEvents(0, 0, 10, false))
	mustFlush(t, s)
	next := opened(t, cfg)
	if pos := next.Confirmed(); !pos.InUnit() || pos.Count != 10 {
		t.Fatalf("the next sink starts at %v, want 10 events inside the unit", pos)
	}
	mustWriteUnit(t, next, 0, 10, 30)
	mustFlush(t, next)
	wantCommittedOnce(t, cfg, 30)
}

// TestProgressIsTheLastRecordOfATransaction by the offsets in it.
func TestProgressIsTheLastRecordOfATransaction(t *testing.T) {
	c := cluster(t)
	seedTopics(t, c, "redis")
	cfg := config("redis", c.ListenAddrs()...)
	s := opened(t, cfg)
	mustWrite(t, s, events(0, 100))
	mustFlush(t, s)
	// What the newest progress record names are the partitions' last events: they were known before it was written.
	stored := committed(t, cfg, "keyfeed.redis")
	last := lastOffsets(t, cfg)
	for partition, records := range stored {
		if want := records[len(records)-1].Offset; last[partition] != want {
			t.Errorf("partition %d ends at event offset %d, the progress record says %d", partition, want, last[partition])
		}
	}
}

func waitConfirmed(t *testing.T, s *kafka.Sink, not change.Position) {
	t.Helper()
	ctx := within(t)
	for s.Confirmed() == not {
		select {
		case <-s.Updates():
		case <-ctx.Done():
			t.Fatalf("confirmed stays at %v: %v", not, s.Err())
		}
	}
}

// lastOffsets are those of the newest progress record.
func lastOffsets(t *testing.T, cfg kafka.Config) []int64 {
	t.Helper()
	records := committed(t, cfg, "_keyfeed.progress")[0]
	return offsetsOf(t, records[len(records)-1].Value)
}
