package local_test

import (
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"keyfeed/internal/change"
	"keyfeed/internal/testenv"
	"keyfeed/sinks"
	"keyfeed/sinks/internal/local"
)

func TestMain(m *testing.M) { testenv.RunWithoutLeaks(m) }

func at(offset int64) change.Position {
	return change.Position{Gen: 1, Offset: offset, ReplID: strings.Repeat("a", 40)}
}

func batch(offsets ...int64) *change.Batch {
	b := &change.Batch{}
	for _, o := range offsets {
		b.Records = append(b.Records, change.Record{Value: []byte("v"), Pos: at(o)})
	}
	return b
}

// config counts what is written; its functions fail with the errors that fail points to.
func config(path string, fail *struct{ write, sync error }) local.Config {
	return local.Config{
		Name: "test",
		Path: path,
		Append: func(dst []byte, records []change.Record) []byte {
			for range records {
				dst = append(dst, '.')
			}
			return dst
		},
		Write: func([]byte) error { return fail.write },
		Sync:  func() error { return fail.sync },
	}
}

func TestConfirmsAfterTheInterval(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		cfg := config("", &struct{ write, sync error }{})
		cfg.Interval = time.Second
		s := local.New(cfg)
		defer s.Close()
		if _, err := s.Open(t.Context()); err != nil {
			t.Fatal(err)
		}
		if err := s.Write(t.Context(), batch(1, 2)); err != nil {
			t.Fatal(err)
		}
		synctest.Wait()
		time.Sleep(time.Second - 1)
		synctest.Wait()
		if got := s.Confirmed(); !got.IsZero() {
			t.Errorf("Confirmed() is %v before the position is stored", got)
		}
		time.Sleep(time.Nanosecond)
		synctest.Wait()
		if got := s.Confirmed(); got != at(2) {
			t.Errorf("Confirmed() is %v after the interval, want %v", got, at(2))
		}
	})
}

func TestConfirmsBeforeTheWindowIsFull(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		cfg := config("", &struct{ write, sync error }{})
		cfg.Interval, cfg.MaxRecords = time.Hour, 4
		s := local.New(cfg)
		defer s.Close()
		if _, err := s.Open(t.Context()); err != nil {
			t.Fatal(err)
		}
		for o := int64(1); o <= 20; o++ {
			if err := s.Write(t.Context(), batch(o)); err != nil {
				t.Fatal(err)
			}
		}
		synctest.Wait()
		if got := s.Confirmed(); got != at(20) {
			t.Errorf("Confirmed() is %v, want %v", got, at(20))
		}
	})
}

func TestFailures(t *testing.T) {
	boom := errors.New("boom")
	tests := []struct {
		name string
		harm func(t *testing.T, path string, fail *struct{ write, sync error })
	}{
		{"write", func(_ *testing.T, _ string, fail *struct{ write, sync error }) { fail.write = boom }},
		{"sync", func(_ *testing.T, _ string, fail *struct{ write, sync error }) { fail.sync = boom }},
		{"position", func(t *testing.T, path string, _ *struct{ write, sync error }) {
			t.Helper()
			if err := os.Mkdir(path+".tmp", 0o700); err != nil { // in the way of the temporary file
				t.Fatal(err)
			}
		}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			path := filepath.Join(t.TempDir(), "position")
			fail := &struct{ write, sync error }{}
			s := local.New(config(path, fail))
			defer s.Close()
			if _, err := s.Open(t.Context()); err != nil {
				t.Fatal(err)
			}
			if err := s.Write(t.Context(), batch(1)); err != nil {
				t.Fatal(err)
			}
			if err := s.Flush(t.Context()); err != nil {
				t.Fatal(err)
			}
			tt.harm(t, path, fail)
			err := s.Write(t.Context(), batch(2))
			if err == nil {
				err = s.Flush(t.Context())
			}
			if err == nil || errors.Is(err, sinks.ErrConfig) || s.Err() == nil {
				t.Errorf("got %v, want an error that a retry may heal", err)
			}
			if got := s.Confirmed(); got != at(1) {
				t.Errorf("Confirmed() is %v, want %v", got, at(1))
			}
			*fail = struct{ write, sync error }{}
			if pos, err := s.Open(t.Context()); err != nil || pos != at(1) {
				t.Errorf("opened again: %v, %v, want %v", pos, err, at(1))
			}
		})
	}
}

// TestCrashWhileStoring finds what a crash in the middle of storing a position leaves behind.
func TestCrashWhileStoring(t *testing.T) {
	path := filepath.Join(t.TempDir(), "position")
	if err := os.WriteFile(path, []byte(at(5).String()+"\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(path+".tmp", []byte("0000000001:00"), 0o600); err != nil {
		t.Fatal(err)
	}
	s := local.New(config(path, &struct{ write, sync error }{}))
	defer s.Close()
	if pos, err := s.Open(t.Context()); err != nil || pos != at(5) {
		t.Fatalf("Open = %v, %v, want %v", pos, err, at(5))
	}
	if err := s.Write(t.Context(), batch(6)); err != nil {
		t.Fatal(err)
	}
	if err := s.Flush(t.Context()); err != nil {
		t.Fatal(err)
	}
	if text, err := os.ReadFile(path); err != nil || string(text) != at(6).String()+"\n" {
		t.Errorf("the position file holds %q, %v", text, err)
	}
}

// TestStuckWriteReturnsAfterClose lets a Write return that Close gave up on: by then another client owns the position
// file, so the old one must leave it alone.
func TestStuckWriteReturnsAfterClose(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		path := filepath.Join(t.TempDir(), "position")
		stuck := make(chan struct{})
		cfg := config(path, &struct{ write, sync error }{})
		cfg.MaxRecords = 2 // half of them are saved at once, without the interval
		cfg.Write = func([]byte) error {
			<-stuck
			return nil
		}
		s := local.New(cfg)
		if _, err := s.Open(t.Context()); err != nil {
			t.Fatal(err)
		}
		if err := s.Write(t.Context(), batch(1)); err != nil {
			t.Fatal(err)
		}
		synctest.Wait()
		if err := s.Close(); err == nil {
			t.Error("Close says nothing of the write that hangs")
		}
		if err := os.Remove(path); err != nil {
			t.Fatal(err)
		}
		close(stuck)
		synctest.Wait()
		if _, err := os.Stat(path); !errors.Is(err, os.ErrNotExist) {
			t.Errorf("a closed client stored its position: %v", err)
		}
		if err := s.Close(); err != nil {
			t.Errorf("Close after the write came back: %v", err)
		}
	})
}
