package bridge

import (
	"errors"
	"os"
	"path/filepath"
	"testing"
	"time"

	"keyfeed/ingest"
)

func testBudget(dir string) budget {
	return newBudget(&Config{FullSyncsPerHour: 3, Source: ingest.Config{}}, dir)
}

// TestBudget walks through an hour: what fails is spaced, what arrives is not, and the third ends the budget.
func TestBudget(t *testing.T) {
	dir := t.TempDir()
	b := testBudget(dir)
	start := time.Now()
	type step struct {
		at   time.Duration
		done bool
		wait time.Duration // right after
	}
	for _, s := range []step{
		{0, true, 0},
		{time.Minute, false, 10 * time.Second},
		{2 * time.Minute, false, 58 * time.Minute},
	} {
		now := start.Add(s.at)
		if w := b.wait(now); w != 0 {
			t.Fatalf("at %v: waits %v before it began", s.at, w)
		}
		if err := b.spend(now); err != nil {
			t.Fatal(err)
		}
		if s.done {
			if err := b.done(now); err != nil {
				t.Fatal(err)
			}
		}
		if w := b.wait(now); w != s.wait {
			t.Errorf("after the one at %v: waits %v, want %v", s.at, w, s.wait)
		}
		// A restart changes nothing, but for the milliseconds that the file holds.
		again := testBudget(dir)
		if err := again.load(now); err != nil {
			t.Fatal(err)
		}
		if w := again.wait(now); w > s.wait || w < s.wait-time.Millisecond {
			t.Errorf("after the one at %v and a restart: waits %v, want %v", s.at, w, s.wait)
		}
	}
	if w := b.wait(start.Add(time.Hour)); w != 0 {
		t.Errorf("an hour after the first: waits %v", w)
	}
}

// TestBudgetBackoff: the pause between failures doubles up to its limit.
func TestBudgetBackoff(t *testing.T) {
	b := newBudget(&Config{FullSyncsPerHour: 100}, "")
	now := time.Now()
	for i, seconds := range []int{10, 20, 40, 80, 160, 300, 300} {
		if err := b.spend(now); err != nil {
			t.Fatal(err)
		}
		if w := b.wait(now); w != time.Duration(seconds)*time.Second {
			t.Errorf("after %d failures: waits %v, want %ds", i+1, w, seconds)
		}
	}
	if err := b.done(now); err != nil {
		t.Fatal(err)
	}
	if w := b.wait(now); w != 0 {
		t.Errorf("after a success: waits %v", w)
	}
	if b.perHour = 0; b.wait(now) != 0 {
		t.Error("waits without a limit")
	}
}

// TestBudgetClock: the clock is set while no process runs.
func TestBudgetClock(t *testing.T) {
	dir := t.TempDir()
	b := testBudget(dir)
	now := time.Now()
	for range 3 {
		if err := b.spend(now); err != nil {
			t.Fatal(err)
		}
		if err := b.done(now); err != nil {
			t.Fatal(err)
		}
	}
	for _, tt := range []struct {
		jump, most time.Duration
	}{{-1000 * time.Hour, time.Hour}, {1000 * time.Hour, 0}} {
		again := testBudget(dir)
		if err := again.load(now.Add(tt.jump)); err != nil {
			t.Fatal(err)
		}
		if w := again.wait(now.Add(tt.jump)); w > tt.most {
			t.Errorf("a clock that jumped by %v: waits %v, more than %v", tt.jump, w, tt.most)
		}
	}
}

// TestBudgetFile: what a crash may leave beside the file, and what no crash leaves.
func TestBudgetFile(t *testing.T) {
	dir := t.TempDir()
	b := testBudget(dir)
	now := time.Now()
	if err := b.spend(now); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(dir, budgetFile+".tmp"), []byte(`[{"beg`), 0o600); err != nil {
		t.Fatal(err)
	}
	again := testBudget(dir)
	if err := again.load(now); err != nil || len(again.attempts) != 1 {
		t.Errorf("beside a torn temporary file: %v, %d attempts", err, len(again.attempts))
	}
	if err := os.WriteFile(filepath.Join(dir, budgetFile), []byte(`[{"beg`), 0o600); err != nil {
		t.Fatal(err)
	}
	if err := again.load(now); !errors.Is(err, ErrOperator) {
		t.Errorf("a damaged file: %v", err)
	}
}
