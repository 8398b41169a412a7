package backlog_test

import (
	"errors"
	"strings"
	"testing"
	"time"

	"keyfeed/backlog"
)

func newMemory(t *testing.T, limit int64) *backlog.Log {
	t.Helper()
	l, err := backlog.NewMemory(backlog.Config{MaxBytes: limit}, origin(0))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = l.Close() })
	return l
}

func TestMemoryGivesBackWhatIsPublished(t *testing.T) {
	const limit = 4 << 20
	l := newMemory(t, limit)
	c := cursor(t, l, 0)
	text := strings.Repeat("x", 50_000)
	var n int64
	for range 1000 { // 50 MB through 4 MiB, without Run
		if err := l.Append(chunkAt(n, text, true)); err != nil {
			t.Fatalf("at %d: %v", n, err)
		}
		n += int64(len(text))
		if l.Size() > limit {
			t.Fatalf("Size() = %d", l.Size())
		}
		if got := readAll(t, c); got != text {
			t.Fatalf("at %d the cursor reads %d bytes", n, len(got))
		}
		l.Trim(n, time.Now())
	}
	if got := l.Size(); got > limit/8 {
		t.Errorf("Size() = %d with all published", got)
	}
}

func TestMemoryCapIsHard(t *testing.T) {
	const limit = 4 << 20
	l := newMemory(t, limit)
	text := strings.Repeat("x", 50_000)
	var n int64
	for {
		err := l.Append(chunkAt(n, text, false))
		if errors.Is(err, backlog.ErrFull) {
			break
		}
		if err != nil {
			t.Fatal(err)
		}
		n += int64(len(text))
		if l.Size() > limit {
			t.Fatalf("Size() = %d inside a unit", l.Size())
		}
	}
	if pos, err := l.CutToUnit(); err != nil || pos.Offset != 0 {
		t.Fatalf("CutToUnit() = %v, %v", pos, err)
	}
	if err := l.WaitRoom(t.Context()); err != nil {
		t.Errorf("WaitRoom gives %v", err)
	}
	if got := l.Size(); got != headerBytes {
		t.Errorf("Size() = %d after the cut", got)
	}
}

func TestMemoryNeedsACap(t *testing.T) {
	for _, limit := range []int64{0, 1 << 20} {
		if _, err := backlog.NewMemory(backlog.Config{MaxBytes: limit}, origin(0)); err == nil {
			t.Errorf("a log in memory with a cap of %d gives no error", limit)
		}
	}
}

func TestMemorySyncs(t *testing.T) {
	l := newMemory(t, 4<<20)
	add(t, l, "a", true, 0)
	if err := l.Sync(); err != nil || l.Synced() != 1 {
		t.Errorf("Sync gives %v, Synced() = %d", err, l.Synced())
	}
}
