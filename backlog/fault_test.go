package backlog_test

import (
	"bytes"
	"context"
	"errors"
	"log/slog"
	"strings"
	"syscall"
	"testing"
	"testing/synctest"
	"time"

	"keyfeed/backlog"
	"keyfeed/backlog/internal/crashfs"
	"keyfeed/internal/change"
)

var errDisk = errors.New("the disk is on fire")

func createOn(t *testing.T, fs *crashfs.FS, cfg backlog.Config) *backlog.Log {
	t.Helper()
	cfg.FS = fs
	l, err := backlog.Create(modelDir, cfg, origin(0))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = l.Close() })
	return l
}

func chunkAt(offset int64, text string, unitEnd bool) change.Chunk {
	return change.Chunk{Start: offset, Data: []byte(text), UnitEnd: unitEnd}
}

// TestNoSpace runs out of space at every byte of a frame, and of a new segment, and goes on when there is space again.
func TestNoSpace(t *testing.T) {
	for space := range int64(headerBytes + 2*frameBytes) {
		fs := crashfs.New()
		l := createOn(t, fs, backlog.Config{SegmentBytes: headerBytes + 2*frameBytes})
		fs.SetSpace(space)
		n := int64(0)
		var err error
		for err == nil {
			if err = l.Append(chunkAt(n, "0123456789", true)); err == nil {
				n += 10
			}
		}
		if !errors.Is(err, backlog.ErrFull) || !errors.Is(err, syscall.ENOSPC) {
			t.Fatalf("with %d bytes of space Append gives %v", space, err)
		}
		if got := l.Tail().Offset; got != n || n > space/frameBytes*10 {
			t.Fatalf("with %d bytes of space the log ends at %d after %d were appended", space, got, n)
		}
		fs.SetSpace(-1)
		for range 5 {
			if err := l.Append(chunkAt(n, "abcdefghij", true)); err != nil {
				t.Fatal(err)
			}
			n += 10
		}
		want := strings.Repeat("0123456789", int(n/10-5)) + strings.Repeat("abcdefghij", 5)
		if got := readAll(t, cursor(t, l, 0)); got != want {
			t.Fatalf("with %d bytes of space the log reads %q, want %q", space, got, want)
		}
		if err := l.Sync(); err != nil {
			t.Fatal(err)
		}
		if tail, err := opened(fs); err != nil || tail != n {
			t.Fatalf("after %d bytes of space the log opens at %d, %v, want %d", space, tail, err, n)
		}
	}
}

// TestNoSpaceForASeal: the sync then does not vouch for what is behind the segment, and does when there is space again.
func TestNoSpaceForASeal(t *testing.T) {
	fs := crashfs.New()
	l := createOn(t, fs, backlog.Config{SegmentBytes: headerBytes + frameBytes, RetainBytes: -1})
	for i := range int64(3) {
		if err := l.Append(chunkAt(i*10, "0123456789", true)); err != nil {
			t.Fatal(err)
		}
	}
	fs.SetSpace(100) // for one seal of 80 bytes
	if err := l.Sync(); !errors.Is(err, backlog.ErrFull) {
		t.Errorf("Sync gives %v", err)
	}
	if got := l.Synced(); got != 10 {
		t.Errorf("Synced() = %d, want the end of the one segment that could be sealed", got)
	}
	fs.SetSpace(0)
	l.Trim(20, time.Now()) // trimming must be able to make the space
	if err := l.Retain(time.Now()); err != nil {
		t.Fatal(err)
	}
	if got := l.Head(); got != 20 {
		t.Errorf("Head() = %d after all but the last segment was published", got)
	}
	if err := l.Sync(); err != nil || l.Synced() != 30 {
		t.Errorf("Sync gives %v, Synced() = %d", err, l.Synced())
	}
}

func TestWriteErrorLeavesTheLogUsable(t *testing.T) {
	fs := crashfs.New()
	l := createOn(t, fs, backlog.Config{})
	add(t, l, "a", true, 0)
	fs.FailChanges(errDisk) // the write fails, and so does taking it back
	if err := l.Append(chunkAt(1, "b", true)); !errors.Is(err, errDisk) {
		t.Errorf("Append gives %v", err)
	}
	fs.FailChanges(nil)
	if err := l.Append(chunkAt(1, "b", true)); !errors.Is(err, errDisk) {
		t.Errorf("Append after a write that could not be taken back gives %v", err)
	}
}

func TestFailedSyncIsFinal(t *testing.T) {
	fs := crashfs.New()
	l := createOn(t, fs, backlog.Config{})
	add(t, l, "a", true, 0)
	c := cursor(t, l, 0)
	fs.FailSync(errDisk)
	if err := l.Sync(); !errors.Is(err, errDisk) {
		t.Errorf("Sync gives %v", err)
	}
	fs.FailSync(nil)
	if err := l.Sync(); !errors.Is(err, errDisk) {
		t.Errorf("the next Sync gives %v: a second fsync proves nothing", err)
	}
	if got := l.Synced(); got != 0 {
		t.Errorf("Synced() = %d", got)
	}
	if err := l.Append(chunkAt(1, "b", true)); !errors.Is(err, errDisk) {
		t.Errorf("Append gives %v", err)
	}
	if err := l.WaitRoom(t.Context()); !errors.Is(err, errDisk) {
		t.Errorf("WaitRoom gives %v", err)
	}
	if item, err := c.Next(t.Context()); err != nil || string(item.Chunk.Data) != "a" {
		t.Errorf("Next gives %q, %v: what was logged before is still there", item.Chunk.Data, err)
	}
	if _, err := c.Next(t.Context()); !errors.Is(err, errDisk) {
		t.Errorf("Next at the tail gives %v", err)
	}
}

// counted counts the syncs of a file system.
type counted struct {
	*crashfs.FS
	changes *int
}

func countChanges(fs *crashfs.FS) counted {
	c := counted{fs, new(int)}
	fs.Before(func() { *c.changes++ })
	return c
}

func TestRunSyncsOnlyWhenDirty(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		fs := crashfs.New()
		l := createOn(t, fs, backlog.Config{Sync: 100 * time.Millisecond})
		ctx, stop := context.WithCancel(t.Context())
		ran := make(chan error, 1)
		go func() { ran <- l.Run(ctx) }()
		add(t, l, "a", true, 0)
		time.Sleep(99 * time.Millisecond)
		synctest.Wait()
		if got := l.Synced(); got != 0 {
			t.Errorf("Synced() = %d before the interval has passed", got)
		}
		time.Sleep(time.Millisecond)
		synctest.Wait()
		if got := l.Synced(); got != 1 {
			t.Errorf("Synced() = %d after the interval", got)
		}
		c := countChanges(fs)
		time.Sleep(time.Minute)
		synctest.Wait()
		if *c.changes != 0 {
			t.Errorf("%d changes and syncs of files in an idle minute", *c.changes)
		}
		add(t, l, "inside", false, 0)
		time.Sleep(100 * time.Millisecond)
		synctest.Wait()
		if got := l.Synced(); got != 1 {
			t.Errorf("Synced() = %d inside a unit, want the unit end before", got)
		}
		stop()
		if err := <-ran; err != nil {
			t.Errorf("Run gives %v", err)
		}
	})
}

func TestRunEndsWhenTheLogBreaks(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		fs := crashfs.New()
		l := createOn(t, fs, backlog.Config{})
		fs.FailSync(errDisk)
		add(t, l, "a", true, 0)
		if err := l.Run(t.Context()); !errors.Is(err, errDisk) {
			t.Errorf("Run gives %v", err)
		}
	})
	synctest.Test(t, func(t *testing.T) {
		l := createOn(t, crashfs.New(), backlog.Config{})
		ran := make(chan error)
		go func() { ran <- l.Run(t.Context()) }()
		if err := l.Close(); err != nil {
			t.Fatal(err)
		}
		if err := <-ran; err != nil {
			t.Errorf("Run on a closed log gives %v", err)
		}
	})
}

// TestRetention: published segments go when they are old enough, or when enough published bytes stay without them.
func TestRetention(t *testing.T) {
	const segment = headerBytes + 4*frameBytes
	tests := []struct {
		name  string
		cfg   backlog.Config
		after time.Duration
		want  int64 // the head, of 10 segments of 40 bytes of which 8 are published
	}{
		{"defaults keep all at first", backlog.Config{}, 4 * time.Minute, 0},
		{"age", backlog.Config{}, 6 * time.Minute, 320},
		{"a longer age", backlog.Config{RetainAge: time.Hour}, 6 * time.Minute, 0},
		{"bytes", backlog.Config{RetainBytes: 3 * (segment + 80)}, time.Minute, 200},
		{"nothing is kept", backlog.Config{RetainBytes: -1}, time.Second, 320},
		{"nothing is kept, by age", backlog.Config{RetainAge: -1}, time.Second, 320},
		{"the limit comes first", backlog.Config{MaxBytes: 12 * segment}, 2 * time.Second, 120},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				tt.cfg.SegmentBytes = segment
				l := createOn(t, crashfs.New(), tt.cfg)
				ctx, stop := context.WithCancel(t.Context())
				ran := make(chan error, 1)
				go func() { ran <- l.Run(ctx) }()
				for range 40 {
					add(t, l, "0123456789", true, 0)
				}
				time.Sleep(time.Second)
				l.Trim(325, time.Now())
				time.Sleep(tt.after)
				synctest.Wait()
				if got := l.Head(); got != tt.want {
					t.Errorf("Head() = %d, want %d", got, tt.want)
				}
				stop()
				if err := <-ran; err != nil {
					t.Error(err)
				}
			})
		})
	}
}

func TestFullAndRoom(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		const limit = 10 * (headerBytes + 4*frameBytes)
		l := createOn(t, crashfs.New(), backlog.Config{SegmentBytes: headerBytes + 4*frameBytes, MaxBytes: limit})
		ctx, stop := context.WithCancel(t.Context())
		ran := make(chan error, 1)
		go func() { ran <- l.Run(ctx) }()
		var n int64
		var err error
		for err == nil {
			if err = l.Append(chunkAt(n, "0123456789", true)); err == nil {
				n += 10
			}
		}
		if !errors.Is(err, backlog.ErrFull) || l.Size() > limit+headerBytes || l.Size() < limit-2*frameBytes-headerBytes {
			t.Errorf("at %d of %d bytes Append gives %v", l.Size(), limit, err)
		}
		waited := make(chan error, 1)
		go func() { waited <- l.WaitRoom(t.Context()) }()
		time.Sleep(time.Hour)
		synctest.Wait()
		select {
		case err := <-waited:
			t.Fatalf("WaitRoom of a full log gives %v", err)
		default:
		}
		l.Trim(n, time.Now())
		if err := <-waited; err != nil {
			t.Fatal(err)
		}
		if got := l.Size(); got >= limit*8/10 {
			t.Errorf("WaitRoom returns at %d of %d bytes", got, limit)
		}
		if err := l.Append(chunkAt(n, "0123456789", true)); err != nil {
			t.Errorf("Append gives %v when there is room", err)
		}
		stop()
		if err := <-ran; err != nil {
			t.Error(err)
		}
	})
}

// TestTheLimitDoesNotStopAUnit: and the log can be trimmed below its limit again after it.
func TestTheLimitDoesNotStopAUnit(t *testing.T) {
	const limit = 2000
	l := createOn(t, crashfs.New(), backlog.Config{MaxBytes: limit})
	var n int64
	for range 100 {
		if err := l.Append(chunkAt(n, strings.Repeat("x", 100), false)); err != nil {
			t.Fatal(err)
		}
		n += 100
	}
	if err := l.Append(chunkAt(n, "EXEC", true)); err != nil {
		t.Fatal(err)
	}
	n += 4
	for range 2 {
		if err := l.Append(chunkAt(n, "x", true)); !errors.Is(err, backlog.ErrFull) {
			t.Fatalf("the next unit gives %v", err)
		}
	}
	if err := l.Sync(); err != nil {
		t.Fatal(err)
	}
	l.Trim(n, time.Now())
	if err := l.Retain(time.Now()); err != nil {
		t.Fatal(err)
	}
	if err := l.WaitRoom(t.Context()); err != nil || l.Head() != n {
		t.Errorf("WaitRoom gives %v, Head() = %d, want %d", err, l.Head(), n)
	}
	if err := l.Append(chunkAt(n, "x", true)); err != nil {
		t.Errorf("the next unit gives %v after the large one was published", err)
	}
}

// TestRoomForTheRefusedChunk: below 80 % is no room for a chunk that is larger than the rest.
func TestRoomForTheRefusedChunk(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l := createOn(t, crashfs.New(), backlog.Config{MaxBytes: 10_000, RetainBytes: -1})
		large := strings.Repeat("x", 9_000)
		add(t, l, strings.Repeat("x", 5_000), true, 0)
		if err := l.Append(chunkAt(5_000, large, true)); !errors.Is(err, backlog.ErrFull) {
			t.Fatalf("Append gives %v", err)
		}
		ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
		defer cancel()
		if err := l.WaitRoom(ctx); !errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("WaitRoom gives %v at %d bytes", err, l.Size())
		}
		l.Trim(5_000, time.Now())
		if err := errors.Join(l.Sync(), l.Retain(time.Now()), l.WaitRoom(t.Context())); err != nil {
			t.Fatal(err)
		}
		if err := l.Append(chunkAt(5_000, large, true)); err != nil {
			t.Errorf("Append gives %v when there is room", err)
		}
	})
}

// TestRoomInALogOpenedWithLess: all of it may be in the segment that is being written, and nobody appends until there is
// room.
func TestRoomInALogOpenedWithLess(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		_, l := openedWithLess(t)
		ctx, stop := context.WithCancel(t.Context())
		ran := make(chan error, 1)
		go func() { ran <- l.Run(ctx) }()
		wait := func() error {
			short, cancel := context.WithTimeout(t.Context(), time.Minute)
			defer cancel()
			return l.WaitRoom(short)
		}
		if err := wait(); !errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("before anything is published WaitRoom gives %v", err)
		}
		l.Trim(5_000, time.Now())
		if err := wait(); err != nil || l.Head() != 5_000 {
			t.Errorf("WaitRoom gives %v, Head() = %d", err, l.Head())
		}
		stop()
		if err := errors.Join(<-ran, l.Append(chunkAt(5_000, "x", true)), l.Close()); err != nil {
			t.Error(err)
		}
	})
}

func TestAnEmptyLogTakesAnyChunk(t *testing.T) {
	l := createOn(t, crashfs.New(), backlog.Config{MaxBytes: 1000})
	add(t, l, strings.Repeat("x", 2_000), true, 0)
	if err := l.Append(chunkAt(2_000, "x", true)); !errors.Is(err, backlog.ErrFull) {
		t.Errorf("the next one gives %v", err)
	}
}

// TestWaitRoomOnAFullDisk: others may make room on it, so that waiting ends after a while.
func TestWaitRoomOnAFullDisk(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		fs := crashfs.New()
		l := createOn(t, fs, backlog.Config{})
		if err := l.WaitRoom(t.Context()); err != nil {
			t.Fatal(err)
		}
		fs.SetSpace(3)
		if err := l.Append(chunkAt(0, "x", true)); !errors.Is(err, backlog.ErrFull) {
			t.Fatalf("Append gives %v", err)
		}
		ctx, cancel := context.WithTimeout(t.Context(), 4*time.Second)
		defer cancel()
		if err := l.WaitRoom(ctx); !errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("WaitRoom gives %v after four seconds", err)
		}
		start := time.Now()
		if err := l.WaitRoom(t.Context()); err != nil || time.Since(start) != time.Second {
			t.Errorf("WaitRoom gives %v after another %v", err, time.Since(start))
		}
	})
}

func TestUpkeepTroubleIsLoggedOnce(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var out bytes.Buffer
		fs := crashfs.New()
		l := createOn(t, fs, backlog.Config{
			SegmentBytes: headerBytes + frameBytes, Logger: slog.New(slog.NewTextHandler(&out, nil)),
		})
		add(t, l, "0123456789", true, 0)
		add(t, l, "0123456789", true, 0)
		fs.SetSpace(0)
		ctx, cancel := context.WithTimeout(t.Context(), 30*time.Second)
		defer cancel()
		if err := l.Run(ctx); err != nil { // all is durable, only the seal is missing
			t.Errorf("Run gives %v", err)
		}
		if got := strings.Count(out.String(), "level=WARN"); got != 1 {
			t.Errorf("%d warnings in 30 s of 300 failures:\n%s", got, out.String())
		}
	})
}
