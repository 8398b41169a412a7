package sinks_test

import (
	"context"
	"errors"
	"math/rand/v2"
	"sync"
	"testing"
	"testing/synctest"

	"pgregory.net/rapid"

	"keyfeed/internal/change"
	"keyfeed/sinks"
)

const replid = "0123456789abcdef0123456789abcdef01234567"

// maker makes batches whose records have positions 1, 2, 3 … and counts how often each batch came back.
type maker struct {
	mu       sync.Mutex
	next     int64
	released map[*change.Batch]int
}

func newMaker() *maker { return &maker{released: map[*change.Batch]int{}} }

func posAt(offset int64) change.Position {
	if offset == 0 {
		return change.Position{}
	}
	return change.Position{Gen: 1, Offset: offset, ReplID: replid}
}

func (m *maker) batch(records, recordBytes int) *change.Batch {
	m.mu.Lock()
	defer m.mu.Unlock()
	b := &change.Batch{}
	for range records {
		m.next++
		b.Records = append(b.Records, change.Record{Value: make([]byte, recordBytes), Pos: posAt(m.next)})
		b.Bytes += recordBytes
	}
	m.released[b] = 0
	b.Free = func(b *change.Batch) {
		m.mu.Lock()
		defer m.mu.Unlock()
		m.released[b]++
	}
	return b
}

func (m *maker) times(b *change.Batch) int {
	m.mu.Lock()
	defer m.mu.Unlock()
	return m.released[b]
}

// TestWindowAgainstModel lets acknowledgements come in any order and fail anywhere, and compares with a plain list.
func TestWindowAgainstModel(t *testing.T) {
	type modelBatch struct {
		batch  *change.Batch
		ticket *sinks.Ticket
		left   []int
		first  int64 // position of its first record
		epoch  int
	}
	rapid.Check(t, func(t *rapid.T) {
		m := newMaker()
		w := sinks.NewWindow(10, 100)
		if !errors.Is(w.Err(), sinks.ErrClosed) {
			t.Fatalf("a new window has Err %v, want ErrClosed", w.Err())
		}
		var all []*modelBatch
		var failed error
		epoch, base := 0, int64(0)
		reset := func() {
			if err := w.Reset(posAt(base)); err != nil {
				t.Fatal(err)
			}
			epoch, failed = epoch+1, nil
			m.next = base
			for _, b := range all {
				b.epoch = min(b.epoch, 0) // of the past: released by Reset
			}
		}
		reset()
		confirmed := base // frozen while failed
		open := func() (open []*modelBatch) {
			for _, b := range all {
				for _, n := range b.left {
					if n > 0 {
						open = append(open, b)
						break
					}
				}
			}
			return open
		}
		check := func() {
			wantRecords := 0
			if failed == nil {
				confirmed = base
				contiguous := true
				for _, b := range all {
					if b.epoch != epoch {
						continue
					}
					for i, n := range b.left {
						if contiguous = contiguous && n == 0; contiguous {
							confirmed = b.first + int64(i)
						} else {
							wantRecords++
						}
					}
				}
			}
			if got := w.Confirmed(); got != posAt(confirmed) {
				t.Fatalf("Confirmed() = %v, want %v", got, posAt(confirmed))
			}
			if records, bytes := w.Pending(); records != wantRecords || bytes != wantRecords*7 {
				t.Fatalf("Pending() = %d, %d, want %d records of 7 bytes", records, bytes, wantRecords)
			}
			if !errors.Is(w.Err(), failed) {
				t.Fatalf("Err() = %v, want %v", w.Err(), failed)
			}
			for _, b := range all {
				left := false
				for _, n := range b.left {
					left = left || n > 0
				}
				last := b.first + int64(len(b.left)) - 1
				want := 0
				if b.epoch != epoch || !left && (failed != nil || last <= confirmed) {
					want = 1
				}
				if got := m.times(b.batch); got != want {
					t.Fatalf("batch at %d released %d times, want %d", b.first, got, want)
				}
			}
		}
		cancelled, cancel := context.WithCancel(context.Background())
		cancel()
		t.Repeat(map[string]func(*rapid.T){
			"": func(*rapid.T) { check() },
			"add": func(t *rapid.T) {
				n := rapid.IntRange(0, 12).Draw(t, "records")
				records, _ := w.Pending()
				b := m.batch(n, 7)
				ticket, err := w.Add(cancelled, b)
				fits := n == 0 || records == 0 || records+n <= 10
				switch {
				case failed != nil:
					if !errors.Is(err, failed) {
						t.Fatalf("Add after a failure gave %v, want %v", err, failed)
					}
				case !fits:
					if !errors.Is(err, context.Canceled) {
						t.Fatalf("Add to a full window with its context ended gave %v", err)
					}
					failed = context.Canceled
				case err != nil:
					t.Fatal(err)
				case n > 0:
					mb := &modelBatch{batch: b, ticket: ticket, left: make([]int, n), first: b.Records[0].Pos.Offset, epoch: epoch}
					for i := range mb.left {
						mb.left[i] = rapid.IntRange(1, 2).Draw(t, "copies")
						ticket.Need(i, mb.left[i])
					}
					all = append(all, mb)
				}
				if (err != nil || n == 0) && m.times(b) != 1 {
					t.Fatalf("batch of %d that was not queued is released %d times", n, m.times(b))
				}
			},
			"done": func(t *rapid.T) {
				bs := open()
				if len(bs) == 0 {
					t.Skip("nothing open")
				}
				b := rapid.SampledFrom(bs).Draw(t, "batch")
				var records []int
				for i, n := range b.left {
					if n > 0 {
						records = append(records, i)
					}
				}
				i := rapid.SampledFrom(records).Draw(t, "record")
				var err error
				if rapid.IntRange(0, 9).Draw(t, "outcome") == 0 {
					err = errors.New("refused")
				}
				b.left[i]--
				if err != nil && failed == nil {
					check2 := w.Confirmed()
					failed = err
					confirmed = check2.Offset
				}
				b.ticket.Done(i, err)
			},
			"run of done": func(t *rapid.T) {
				bs := open()
				if len(bs) == 0 {
					t.Skip("nothing open")
				}
				b := rapid.SampledFrom(bs).Draw(t, "batch")
				from := 0
				for b.left[from] == 0 {
					from++
				}
				to := from
				for to < len(b.left) && b.left[to] > 0 {
					b.left[to]--
					to++
				}
				b.ticket.DoneRange(from, to, nil)
			},
			"fail": func(t *rapid.T) {
				if rapid.IntRange(0, 4).Draw(t, "really") > 0 {
					t.Skip("rare")
				}
				err := errors.New("connection lost")
				w.Fail(err)
				if failed == nil {
					failed = err
				}
			},
			"flush": func(t *rapid.T) {
				records, _ := w.Pending()
				err := w.Flush(cancelled)
				want := failed
				if failed == nil && records > 0 {
					want = context.Canceled
				}
				if !errors.Is(err, want) {
					t.Fatalf("Flush with %d pending gave %v, want %v", records, err, want)
				}
			},
			"reset": func(t *rapid.T) {
				if rapid.IntRange(0, 2).Draw(t, "really") > 0 {
					t.Skip("rare")
				}
				base = confirmed
				reset()
				confirmed = base
			},
		})
		w.Close()
		for b, n := range m.released {
			if n != 1 {
				t.Fatalf("after Close a batch of %d is released %d times", len(b.Records), n)
			}
		}
		if err := w.Reset(change.Position{}); !errors.Is(err, sinks.ErrClosed) {
			t.Fatalf("Reset after Close gave %v", err)
		}
	})
}

func TestWindowBlocksUntilThereIsRoom(t *testing.T) {
	tests := []struct {
		name        string
		maxRecords  int
		maxBytes    int
		recordBytes int
	}{
		{"records", 4, 1 << 20, 1},
		{"bytes", 1 << 20, 40, 10},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				m := newMaker()
				w := sinks.NewWindow(tt.maxRecords, tt.maxBytes)
				if err := w.Reset(change.Position{}); err != nil {
					t.Fatal(err)
				}
				first, err := w.Add(t.Context(), m.batch(3, tt.recordBytes))
				if err != nil {
					t.Fatal(err)
				}
				added := make(chan error, 1)
				go func() {
					_, err := w.Add(t.Context(), m.batch(2, tt.recordBytes))
					added <- err
				}()
				synctest.Wait()
				select {
				case err := <-added:
					t.Fatalf("Add went through a full window: %v", err)
				default:
				}
				first.Done(1, nil) // not the oldest: makes no room
				synctest.Wait()
				select {
				case err := <-added:
					t.Fatalf("Add went through a full window: %v", err)
				default:
				}
				first.Done(0, nil)
				if err := <-added; err != nil {
					t.Fatal(err)
				}
				w.Close()
			})
		})
	}
}

func TestWindowWakesItsWaiters(t *testing.T) {
	boom := errors.New("boom")
	tests := []struct {
		name string
		act  func(w *sinks.Window, last *sinks.Ticket, cancel context.CancelCauseFunc)
		want error
	}{
		{"failure", func(w *sinks.Window, _ *sinks.Ticket, _ context.CancelCauseFunc) { w.Fail(boom) }, boom},
		{"failed record", func(_ *sinks.Window, last *sinks.Ticket, _ context.CancelCauseFunc) { last.Done(0, boom) }, boom},
		{"end of context", func(_ *sinks.Window, _ *sinks.Ticket, cancel context.CancelCauseFunc) { cancel(boom) }, boom},
		{"close", func(w *sinks.Window, _ *sinks.Ticket, _ context.CancelCauseFunc) { w.Close() }, sinks.ErrClosed},
	}
	calls := map[string]func(context.Context, *sinks.Window, *maker) error{
		"flush": func(ctx context.Context, w *sinks.Window, _ *maker) error { return w.Flush(ctx) },
		"add": func(ctx context.Context, w *sinks.Window, m *maker) error {
			_, err := w.Add(ctx, m.batch(1, 1))
			return err
		},
	}
	for _, tt := range tests {
		for name, call := range calls {
			t.Run(tt.name+"/"+name, func(t *testing.T) {
				synctest.Test(t, func(t *testing.T) {
					ctx, cancel := context.WithCancelCause(t.Context())
					defer cancel(nil)
					m := newMaker()
					w := sinks.NewWindow(1, 1)
					if err := w.Reset(posAt(0)); err != nil {
						t.Fatal(err)
					}
					held := m.batch(1, 1)
					ticket, err := w.Add(ctx, held)
					if err != nil {
						t.Fatal(err)
					}
					result := make(chan error, 1)
					go func() { result <- call(ctx, w, m) }()
					synctest.Wait()
					tt.act(w, ticket, cancel)
					if err := <-result; !errors.Is(err, tt.want) {
						t.Errorf("the waiter got %v, want %v", err, tt.want)
					}
					w.Fail(boom)
					select {
					case <-w.Updates():
					default:
						t.Error("a failed window did not signal Updates")
					}
					w.Drop()
					w.Close()
					for b, n := range m.released {
						if n != 1 {
							t.Errorf("a batch of %d records was released %d times", len(b.Records), n)
						}
					}
				})
			})
		}
	}
}

// TestWindowConcurrently acknowledges from many goroutines while the window fills; the race detector watches.
func TestWindowConcurrently(t *testing.T) {
	const batches, acks = 500, 4
	m := newMaker()
	w := sinks.NewWindow(64, 1<<20)
	if err := w.Reset(posAt(0)); err != nil {
		t.Fatal(err)
	}
	type job struct {
		t *sinks.Ticket
		i int
	}
	jobs := make(chan job, 64)
	var wg sync.WaitGroup
	for range acks {
		wg.Go(func() {
			for j := range jobs {
				j.t.Done(j.i, nil)
			}
		})
	}
	wg.Go(func() {
		seen := int64(0)
		for seen < m0(batches) {
			<-w.Updates()
			now := w.Confirmed().Offset
			if now < seen {
				t.Errorf("Confirmed went back from %d to %d", seen, now)
			}
			seen = now
		}
	})
	for n := range batches {
		b := m.batch(batchLen(n), 3)
		ticket, err := w.Add(t.Context(), b)
		if err != nil {
			t.Fatal(err)
		}
		for _, i := range rand.Perm(batchLen(n)) {
			jobs <- job{ticket, i}
		}
	}
	if err := w.Flush(t.Context()); err != nil {
		t.Fatal(err)
	}
	close(jobs)
	wg.Wait()
	if got, want := w.Confirmed().Offset, m0(batches); got != want {
		t.Errorf("Confirmed is at %d, want %d", got, want)
	}
	for b, n := range m.released {
		if n != 1 {
			t.Errorf("a batch of %d records was released %d times", len(b.Records), n)
		}
	}
	w.Close()
}

func batchLen(n int) int { return 1 + n%7 }

// m0 is the number of records in the first n batches of TestWindowConcurrently.
func m0(n int) int64 {
	sum := 0
	for i := range n {
		sum += batchLen(i)
	}
	return int64(sum)
}
