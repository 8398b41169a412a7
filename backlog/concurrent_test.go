package backlog_test

import (
	"context"
	"errors"
	"math/rand/v2"
	"strings"
	"sync"
	"testing"
	"time"

	"keyfeed/backlog"
	"keyfeed/internal/change"
)

// stream is what byte i of the test stream is.
func stream(offset int64, n int) []byte {
	b := make([]byte, n)
	for i := range b {
		b[i] = byte((offset + int64(i)) * 31 / 7)
	}
	return b
}

// TestConcurrentCursors: cursors that begin everywhere read what one writer writes, while Run syncs and trims.
func TestConcurrentCursors(t *testing.T) {
	const total = 4 << 20
	seed := uint64(time.Now().UnixNano())
	t.Logf("seed %d", seed)
	l, _ := create(t, backlog.Config{SegmentBytes: 64 << 10, RetainBytes: 512 << 10, Sync: time.Millisecond}, 0)
	ctx, stop := context.WithCancel(t.Context())
	defer stop()
	ran := make(chan error, 1)
	go func() { ran <- l.Run(ctx) }()

	var readers sync.WaitGroup
	read := func(from int64, trim bool) {
		c, err := l.Cursor(from)
		if errors.As(err, new(*backlog.OutOfRangeError)) && !trim {
			return
		}
		if err != nil {
			t.Error(err)
			return
		}
		defer c.Close()
		for at := from; at < total; {
			item, err := c.Next(ctx)
			if errors.As(err, new(*backlog.OutOfRangeError)) && !trim {
				return // trimmed under a slow reader
			}
			if err != nil {
				t.Errorf("at %d: %v", at, err)
				return
			}
			if k := item.Chunk; k.Start != at || string(k.Data) != string(stream(at, len(k.Data))) {
				t.Errorf("at %d the cursor gives %d bytes from %d on that are not those of the stream", at, len(k.Data), k.Start)
				return
			}
			at = item.Chunk.End()
			if trim {
				l.Trim(at, time.Now())
			}
		}
	}
	readers.Go(func() { read(0, true) })
	rnd := rand.New(rand.NewPCG(seed, 0))
	for at := int64(0); at < total; {
		n := min(1+rnd.IntN(20_000), int(total-at))
		end := at+int64(n) == total || rnd.IntN(4) > 0
		if err := l.Append(change.Chunk{Start: at, Data: stream(at, n), UnitEnd: end}); err != nil {
			t.Fatal(err)
		}
		at += int64(n)
		if rnd.IntN(30) == 0 {
			from := l.Tail().Unit.Offset
			readers.Go(func() { read(from, false) })
		}
	}
	readers.Wait()
	stop()
	if err := <-ran; err != nil {
		t.Error(err)
	}
}

// TestCutsUnderCursors: a cursor never delivers bytes of a history that was cut off after a cut it survived.
func TestCutsUnderCursors(t *testing.T) {
	l, _ := create(t, backlog.Config{SegmentBytes: 4 << 10}, 0)
	ctx, stop := context.WithCancel(t.Context())
	defer stop()
	var readers sync.WaitGroup
	for range 3 {
		readers.Go(func() {
			for ctx.Err() == nil {
				c, err := l.Cursor(0)
				if err != nil {
					t.Error(err)
					return
				}
				at, replid := int64(0), idA
				for {
					item, err := c.Next(ctx)
					if errors.As(err, new(*backlog.OutOfRangeError)) || errors.Is(err, context.Canceled) {
						break
					}
					if err != nil {
						t.Error(err)
						break
					}
					if h := item.History; h != nil {
						if h.Prev != replid || h.Offset != at {
							t.Errorf("at %d, %.1s: history from %.1s at %d", at, replid, h.Prev, h.Offset)
						}
						replid = h.ReplID
						continue
					}
					if k := item.Chunk; k.Start != at || strings.Trim(string(k.Data), replid[:1]) != "" {
						t.Errorf("at %d, %.1s: chunk from %d with %.1s", at, replid, k.Start, k.Data)
						break
					}
					at = item.Chunk.End()
				}
				if err := c.Close(); err != nil {
					t.Error(err)
				}
			}
		})
	}
	ids := []string{idA, idB, idC}
	for i := range 300 {
		id := l.Tail().Unit.ReplID
		for range 20 {
			add(t, l, strings.Repeat(id[:1], 100+i%7), true, 0)
		}
		if i%10 == 9 { // back to the start of this history, or before it
			pos, err := l.CutTo(l.Tail().Offset / 2)
			if err != nil {
				t.Fatal(err)
			}
			if err := l.AppendHistory(ids[(strings.Index("abc", pos.ReplID[:1])+1)%3]); err != nil {
				t.Fatal(err)
			}
		}
		if i%50 == 49 {
			if err := l.Sync(); err != nil {
				t.Fatal(err)
			}
		}
	}
	stop()
	readers.Wait()
}

func TestOneWriter(t *testing.T) {
	l, _ := create(t, backlog.Config{}, 0)
	var wg sync.WaitGroup
	var mu sync.Mutex
	var done int64
	for range 4 {
		wg.Go(func() {
			for range 500 {
				mu.Lock()
				at := done
				mu.Unlock()
				err := l.Append(change.Chunk{Start: at, Data: []byte("x"), UnitEnd: true})
				switch {
				case err == nil:
					mu.Lock()
					done = max(done, at+1)
					mu.Unlock()
				case errors.Is(err, backlog.ErrConcurrentWrite), errors.Is(err, backlog.ErrGap):
				default:
					t.Error(err)
				}
			}
		})
	}
	wg.Wait()
	if got := readAll(t, cursor(t, l, 0)); got != strings.Repeat("x", int(l.Tail().Offset)) {
		t.Errorf("the log reads %d bytes and ends at %d", len(got), l.Tail().Offset)
	}
}
