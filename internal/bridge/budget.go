package bridge

import (
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"time"
)

// budgetFile in the source's directory holds when full syncs began, so that a process that dies in each of them, and is
// started again each time, does not have the source fork without end.
const budgetFile = "fullsyncs.json"

// attempt is one full sync that the source began for us.
type attempt struct {
	// began is read as an age: within the process by the monotonic clock, which no one sets, and from the file as an age
	// that is not negative. So a clock that is set back lengthens a wait by an hour at most; one that is set forward
	// between two runs shortens it.
	began time.Time
	done  bool // its snapshot arrived whole
}

// budget bounds how many full syncs may begin in an hour, and spaces the ones that fail. It is guarded by Bridge.mu.
type budget struct {
	perHour  int // 0 = no bound
	min, max time.Duration
	dir      string    // empty: the count lives as long as the process
	attempts []attempt // of the last hour, oldest first

	told bool      // the wait under way was logged
	next time.Time // when the one that is needed may begin; zero = none is
}

// maxAttempts bounds what is remembered: requested full syncs pass the budget, and many may come.
const maxAttempts = 1000

func newBudget(cfg *Config, dir string) budget {
	b := budget{perHour: cfg.FullSyncsPerHour, min: cfg.Source.FullSyncBackoffMin, max: cfg.Source.FullSyncBackoffMax, dir: dir}
	if b.min <= 0 {
		b.min = 10 * time.Second
	}
	b.max = max(b.max, b.min)
	if cfg.Source.FullSyncBackoffMax <= 0 {
		b.max = max(5*time.Minute, b.min)
	}
	if cfg.Memory {
		b.dir = ""
	}
	return b
}

// wait is how long from now the next full sync must wait; 0 = it may begin.
func (b *budget) wait(now time.Time) time.Duration {
	if b.perHour <= 0 {
		return 0
	}
	for len(b.attempts) > 0 && now.Sub(b.attempts[0].began) >= time.Hour {
		b.attempts = b.attempts[1:]
	}
	n := len(b.attempts)
	var wait time.Duration
	if n >= b.perHour {
		wait = time.Hour - now.Sub(b.attempts[n-b.perHour].began)
	}
	gap := time.Duration(0)
	for i := n - 1; i >= 0 && !b.attempts[i].done; i-- {
		gap = min(max(2*gap, b.min), b.max)
	}
	if n > 0 {
		wait = max(wait, gap-now.Sub(b.attempts[n-1].began))
	}
	return max(wait, 0)
}

// spend counts a full sync that begins now; it is durable on return.
func (b *budget) spend(now time.Time) error {
	b.attempts = append(b.attempts, attempt{began: now})
	b.attempts = b.attempts[max(len(b.attempts)-maxAttempts, 0):]
	return b.save(now)
}

// done notes that the last full sync arrived whole: no backoff follows it.
func (b *budget) done(now time.Time) error {
	if len(b.attempts) == 0 {
		return nil
	}
	b.attempts[len(b.attempts)-1].done = true
	return b.save(now)
}

// budgetEntry is an attempt in the file.
type budgetEntry struct {
	BeganMs int64 `json:"began_ms"`
	Done    bool  `json:"done,omitempty"`
}

func (b *budget) save(now time.Time) error {
	if b.dir == "" {
		return nil
	}
	entries := make([]budgetEntry, len(b.attempts))
	for i, a := range b.attempts {
		entries[i] = budgetEntry{now.Round(0).Add(-now.Sub(a.began)).UnixMilli(), a.done}
	}
	if err := writeState(b.dir, budgetFile, entries); err != nil {
		return fmt.Errorf("counting a full sync: %w", err)
	}
	return nil
}

// load reads what earlier runs counted.
func (b *budget) load(now time.Time) error {
	if b.dir == "" {
		return nil
	}
	var entries []budgetEntry
	if err := readState(b.dir, budgetFile, &entries); err != nil {
		return err
	}
	for _, e := range entries[max(len(entries)-maxAttempts, 0):] {
		age := max(now.Sub(time.UnixMilli(e.BeganMs)), 0) // negative: the clock was set back
		b.attempts = append(b.attempts, attempt{now.Add(-age), e.Done})
	}
	return nil
}

// writeState replaces a small file of JSON; it is durable on return, and whole whenever the process ends.
func writeState(dir, name string, v any) error {
	raw, err := json.Marshal(v)
	if err != nil {
		return fmt.Errorf("encoding %s: %w", name, err)
	}
	if err := replaceFile(osDir(dir), name, append(raw, '\n')); err != nil {
		return fmt.Errorf("writing %s: %w", name, err)
	}
	return nil
}

// readState reads what writeState wrote; v stays as it is where there is no file.
func readState(dir, name string, v any) error {
	path := filepath.Join(dir, name)
	raw, err := os.ReadFile(path)
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	if err != nil {
		return fmt.Errorf("reading %s: %w", name, err)
	}
	if err := json.Unmarshal(raw, v); err != nil {
		return fmt.Errorf("%w: %s is damaged: %w. Remove it; what it counted begins anew", ErrOperator, path, err)
	}
	return nil
}

// fullSyncWaitLocked is how long a full sync, which is needed, has to wait; the wait is logged once and shown in Status. A
// request by an operator waits for nothing, once: if it fails, its retries are held to the budget like any other. b.mu is
// held.
func (b *Bridge) fullSyncWaitLocked() time.Duration {
	bu := &b.budget
	now := time.Now()
	wait := bu.wait(now)
	if b.requestFresh || wait == 0 {
		bu.told, bu.next = false, time.Time{}
		return 0
	}
	bu.next = now.Add(wait)
	if !bu.told {
		bu.told = true
		b.log.Warn("a full sync is needed and has to wait: each one costs the source a fork and a copy of its memory. Look in the "+
			"source's log why partial resyncs or transfers fail (repl-backlog-size, client-output-buffer-limit replica); "+
			"KEYFEED_FULL_SYNCS_PER_HOUR is the limit, and keyfeed position reset has the next start take one at once",
			"in", wait.Round(time.Second).String(), "begun_in_the_last_hour", len(bu.attempts), "per_hour", bu.perHour)
	}
	return wait
}

// spendLocked counts the full sync that the source has begun. It is counted before a request is marked as tried: a crash
// between the two gives the operator's request one more free try. b.mu is held.
func (b *Bridge) spendLocked() error {
	if err := b.budget.spend(time.Now()); err != nil {
		return err
	}
	if !b.requestFresh {
		return nil
	}
	b.requestFresh = false
	return b.requestTried()
}

// arrivedLocked notes that the full sync arrived whole. b.mu is held.
func (b *Bridge) arrivedLocked() {
	if err := b.budget.done(time.Now()); err != nil {
		b.log.Warn("a complete full sync is counted as a failed one", "error", err)
	}
}

// FullSyncStatus is the budget of full syncs.
type FullSyncStatus struct {
	PerHour  int        `json:"per_hour"` // 0 = no bound
	LastHour int        `json:"last_hour"`
	NextAt   *time.Time `json:"next_at,omitempty"` // one is needed and waits until then
}

func (b *budget) status() FullSyncStatus {
	s := FullSyncStatus{PerHour: b.perHour, LastHour: len(b.attempts)}
	if next := b.next; next.After(time.Now()) {
		s.NextAt = &next
	}
	return s
}
