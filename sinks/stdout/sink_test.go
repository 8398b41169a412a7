package stdout_test

import (
	"bytes"
	"context"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"

	"keyfeed/internal/change"
	"keyfeed/internal/testenv"
	"keyfeed/sinks"
	"keyfeed/sinks/sinktest"
	"keyfeed/sinks/stdout"
)

func TestMain(m *testing.M) { testenv.RunWithoutLeaks(m) }

// gate is a writer that can be shut, like a pipe whose reader sleeps.
type gate struct {
	file *os.File
	mu   sync.RWMutex // held for writing while shut
}

func (g *gate) Write(p []byte) (int, error) {
	g.mu.RLock()
	defer g.mu.RUnlock()
	return g.file.Write(p)
}

func newOutput(t *testing.T) *os.File {
	t.Helper()
	f, err := os.OpenFile(filepath.Join(t.TempDir(), "out"), os.O_CREATE|os.O_RDWR|os.O_APPEND, 0o600)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { f.Close() })
	return f
}

func lines(t *testing.T, f *os.File) (all [][]byte) {
	t.Helper()
	text, err := os.ReadFile(f.Name())
	if err != nil {
		t.Fatal(err)
	}
	for line := range bytes.Lines(text) {
		if line = bytes.TrimSuffix(line, []byte("\n")); len(line) > 0 {
			all = append(all, line)
		}
	}
	return all
}

func TestContract(t *testing.T) {
	sinktest.Run(t, func(t *testing.T) sinktest.Harness {
		t.Helper()
		const window = 64
		out := &gate{file: newOutput(t)}
		position := filepath.Join(t.TempDir(), "position")
		return sinktest.Harness{
			New: func(*testing.T) sinks.Sink {
				return stdout.New(stdout.Config{Writer: out, PositionFile: position, MaxRecords: window})
			},
			Read: func(context.Context) (stored []sinktest.Stored, err error) {
				for _, line := range lines(t, out.file) {
					stored = append(stored, sinktest.Stored{Value: line})
				}
				return stored, nil
			},
			Stall:  func(*testing.T) { out.mu.Lock() },
			Resume: func(*testing.T) { out.mu.Unlock() },
			Window: window,
		}
	}, sinktest.Features{TotalOrder: true})
}

func pos(offset int64) change.Position {
	return change.Position{Gen: 1, Offset: offset, ReplID: "0123456789abcdef0123456789abcdef01234567"}
}

func write(t *testing.T, s *stdout.Sink, values ...string) {
	t.Helper()
	b := &change.Batch{}
	for i, v := range values {
		b.Records = append(b.Records, change.Record{Value: []byte(v), Pos: pos(int64(i + 1))})
	}
	if err := s.Write(t.Context(), b); err != nil {
		t.Fatal(err)
	}
}

func TestTornLineStaysAlone(t *testing.T) {
	out := newOutput(t)
	cfg := stdout.Config{Writer: out, PositionFile: filepath.Join(t.TempDir(), "position")}
	s := stdout.New(cfg)
	if _, err := s.Open(t.Context()); err != nil {
		t.Fatal(err)
	}
	write(t, s, "one", "two")
	if err := s.Flush(t.Context()); err != nil {
		t.Fatal(err)
	}
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	if text, err := os.ReadFile(out.Name()); err != nil || string(text) != "one\ntwo\n" {
		t.Fatalf("printed %q, %v: the first start prints nothing but the records", text, err)
	}
	if _, err := out.WriteString(`{"torn`); err != nil { // as a process that died in its write
		t.Fatal(err)
	}
	s = stdout.New(cfg)
	if got, err := s.Open(t.Context()); err != nil || got != pos(2) {
		t.Fatalf("Open = %v, %v, want %v", got, err, pos(2))
	}
	write(t, s, "three")
	if err := s.Flush(t.Context()); err != nil {
		t.Fatal(err)
	}
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	if got, want := bytes.Join(lines(t, out), []byte("|")), `one|two|{"torn|three`; string(got) != want {
		t.Errorf("printed %s, want %s", got, want)
	}
}

func TestTornLineBeforeTheFirstPosition(t *testing.T) {
	out := newOutput(t)
	cfg := stdout.Config{Writer: out, PositionFile: filepath.Join(t.TempDir(), "position")}
	for range 2 { // the first run dies before it stores a position: its file tells the second that it was there
		s := stdout.New(cfg)
		if _, err := s.Open(t.Context()); err != nil {
			t.Fatal(err)
		}
		if err := s.Close(); err != nil {
			t.Fatal(err)
		}
	}
	s := stdout.New(cfg)
	if _, err := out.WriteString(`{"torn`); err != nil {
		t.Fatal(err)
	}
	if _, err := s.Open(t.Context()); err != nil {
		t.Fatal(err)
	}
	write(t, s, "one")
	if err := s.Flush(t.Context()); err != nil {
		t.Fatal(err)
	}
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	if got, want := bytes.Join(lines(t, out), []byte("|")), `{"torn|one`; string(got) != want {
		t.Errorf("printed %s, want %s", got, want)
	}
}

func TestWriteErrorFailsTheSink(t *testing.T) {
	reader, writer, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	defer writer.Close()
	s := stdout.New(stdout.Config{Writer: writer})
	if _, err := s.Open(t.Context()); err != nil {
		t.Fatal(err)
	}
	reader.Close()
	write(t, s, "one")
	if err := s.Flush(t.Context()); err == nil {
		t.Error("Flush to a closed pipe gave no error")
	}
	if got := s.Confirmed(); !got.IsZero() {
		t.Errorf("Confirmed() is %v although nothing could be printed", got)
	}
	if err := s.Close(); err != nil {
		t.Error(err)
	}
}

// TestCloseInterruptsPipe fills a pipe that nobody reads.
func TestCloseInterruptsPipe(t *testing.T) {
	reader, writer, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	defer reader.Close()
	defer writer.Close()
	s := stdout.New(stdout.Config{Writer: writer})
	if _, err := s.Open(t.Context()); err != nil {
		t.Fatal(err)
	}
	write(t, s, string(bytes.Repeat([]byte("x"), 4<<20)))
	if err := s.Close(); err != nil {
		t.Error(err)
	}
}

func TestForeignPositionFile(t *testing.T) {
	for _, text := range []string{"", "none", "garbage\n", pos(1).String()} {
		path := filepath.Join(t.TempDir(), "position")
		if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		s := stdout.New(stdout.Config{Writer: newOutput(t), PositionFile: path})
		if _, err := s.Open(t.Context()); !errors.Is(err, sinks.ErrConfig) {
			t.Errorf("Open with position file %q gave %v, want ErrConfig", text, err)
		}
	}
}

func TestDescribe(t *testing.T) {
	path := filepath.Join(t.TempDir(), "position")
	for _, cfg := range []stdout.Config{{Writer: newOutput(t), PositionFile: path}, {Writer: newOutput(t)}} {
		s := stdout.New(cfg)
		if _, err := s.Open(t.Context()); err != nil {
			t.Fatal(err)
		}
		write(t, s, "one")
		if err := s.Flush(t.Context()); err != nil {
			t.Fatal(err)
		}
		line, err := s.Describe(t.Context())
		if err != nil || !strings.Contains(line, pos(1).String()) || !strings.Contains(line, cfg.PositionFile) {
			t.Errorf("Describe() = %q, %v", line, err)
		}
		if err := s.Close(); err != nil {
			t.Error(err)
		}
	}
}
