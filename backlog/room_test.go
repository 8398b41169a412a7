package backlog_test

import (
	"context"
	"errors"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"keyfeed/backlog"
	"keyfeed/backlog/internal/crashfs"
)

// openedWithLess is a log of one segment with 5,000 bytes of stream, opened with a limit of 3,000.
func openedWithLess(t *testing.T) (*crashfs.FS, *backlog.Log) {
	t.Helper()
	fs := crashfs.New()
	l := createOn(t, fs, backlog.Config{})
	add(t, l, strings.Repeat("x", 5_000), true, 0)
	if err := l.Close(); err != nil {
		t.Fatal(err)
	}
	l, err := backlog.Open(modelDir, backlog.Config{FS: fs, MaxBytes: 3_000})
	if err != nil {
		t.Fatal(err)
	}
	return fs, l
}

// TestRoomWhenTheDiskWasFullMeanwhile: the log is over its limit, and the disk has no room for a new segment at that moment.
func TestRoomWhenTheDiskWasFullMeanwhile(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		fs, l := openedWithLess(t)
		ctx, stop := context.WithCancel(t.Context())
		ran := make(chan error, 1)
		go func() { ran <- l.Run(ctx) }()
		l.Trim(5_000, time.Now())
		fs.SetSpace(3)
		waited := make(chan error, 1)
		limited, cancel := context.WithTimeout(t.Context(), time.Hour)
		defer cancel()
		go func() { waited <- l.WaitRoom(limited) }()
		time.Sleep(time.Minute)
		fs.SetSpace(-1)
		if err := <-waited; err != nil || l.Head() != 5_000 {
			t.Errorf("WaitRoom gives %v, Head() = %d", err, l.Head())
		}
		stop()
		if err := errors.Join(<-ran, l.Append(chunkAt(5_000, "x", true)), l.Close()); err != nil {
			t.Error(err)
		}
	})
}

// TestRoomAfterTheCutOfAUnit: what a full disk did not take whole is sent again, so what the cut frees is no room for more.
func TestRoomAfterTheCutOfAUnit(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		fs := crashfs.New()
		l := createOn(t, fs, backlog.Config{})
		add(t, l, strings.Repeat("x", 1_000), true, 0)
		add(t, l, strings.Repeat("y", 9_000), false, 0)
		fs.SetSpace(3)
		if err := l.Append(chunkAt(10_000, "y", true)); !errors.Is(err, backlog.ErrFull) {
			t.Fatalf("Append gives %v", err)
		}
		failed := time.Now()
		if _, err := l.CutToUnit(); err != nil {
			t.Fatal(err)
		}
		if err := l.WaitRoom(t.Context()); err != nil || time.Since(failed) != 5*time.Second {
			t.Errorf("WaitRoom gives %v %v after the disk was full", err, time.Since(failed))
		}
	})
}

// TestAFullDiskLetsGoOfWhatIsPublished: all of it is in the segment that is being written, and nobody else makes room.
func TestAFullDiskLetsGoOfWhatIsPublished(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		fs := crashfs.New()
		l := createOn(t, fs, backlog.Config{})
		ctx, stop := context.WithCancel(t.Context())
		ran := make(chan error, 1)
		go func() { ran <- l.Run(ctx) }()
		add(t, l, strings.Repeat("x", 5_000), true, 0)
		fs.SetSpace(500)
		if err := l.Append(chunkAt(5_000, strings.Repeat("y", 1_000), true)); !errors.Is(err, backlog.ErrFull) {
			t.Fatalf("Append gives %v", err)
		}
		l.Trim(5_000, time.Now())
		if err := l.WaitRoom(t.Context()); err != nil || l.Head() != 5_000 {
			t.Errorf("WaitRoom gives %v, Head() = %d", err, l.Head())
		}
		stop()
		if err := errors.Join(<-ran, l.Close()); err != nil {
			t.Error(err)
		}
	})
}

// TestWaitRoomOfAClosedLog: it must not make files, since its directory may be going.
func TestWaitRoomOfAClosedLog(t *testing.T) {
	fs := crashfs.New()
	l := createOn(t, fs, backlog.Config{MaxBytes: 3_000})
	add(t, l, strings.Repeat("x", 5_000), true, 0)
	if err := l.Close(); err != nil {
		t.Fatal(err)
	}
	before, err := fs.List(modelDir)
	if err != nil {
		t.Fatal(err)
	}
	if err := l.WaitRoom(t.Context()); !errors.Is(err, backlog.ErrClosed) {
		t.Errorf("WaitRoom gives %v", err)
	}
	if after, err := fs.List(modelDir); err != nil || !slices.Equal(after, before) {
		t.Errorf("the directory holds %q and then %q (%v)", before, after, err)
	}
}

// TestTheEndOnAFullDisk: a seal that finds no room is not needed to go on from what is logged.
func TestTheEndOnAFullDisk(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		fs := crashfs.New()
		l := createOn(t, fs, backlog.Config{SegmentBytes: 1_000})
		add(t, l, strings.Repeat("x", 800), true, 0)
		add(t, l, strings.Repeat("y", 800), true, 0) // in a second segment
		fs.SetSpace(0)
		ctx, stop := context.WithCancel(t.Context())
		stop()
		if err := l.Run(ctx); err != nil {
			t.Errorf("Run gives %v", err)
		}
		if err := l.Close(); err != nil {
			t.Errorf("Close gives %v", err)
		}
		fs.SetSpace(-1)
		l, err := backlog.Open(modelDir, backlog.Config{FS: fs})
		if err != nil {
			t.Fatal(err)
		}
		if got := l.Tail().Unit.Offset; got != 1_600 {
			t.Errorf("the log ends at %d", got)
		}
		if err := l.Close(); err != nil {
			t.Error(err)
		}
	})
}
