package discard_test

import (
	"path/filepath"
	"testing"

	"keyfeed/internal/change"
	"keyfeed/internal/testenv"
	"keyfeed/sinks"
	"keyfeed/sinks/discard"
	"keyfeed/sinks/sinktest"
)

func TestMain(m *testing.M) { testenv.RunWithoutLeaks(m) }

func TestContract(t *testing.T) {
	sinktest.Run(t, func(t *testing.T) sinktest.Harness {
		t.Helper()
		position := filepath.Join(t.TempDir(), "position")
		return sinktest.Harness{
			New: func(*testing.T) sinks.Sink { return discard.New(discard.Config{PositionFile: position}) },
		}
	}, sinktest.Features{})
}

func TestCountsAndRemembersInMemory(t *testing.T) {
	s := discard.New(discard.Config{})
	if _, err := s.Open(t.Context()); err != nil {
		t.Fatal(err)
	}
	at := change.Position{Gen: 1, Offset: 9, ReplID: "0123456789abcdef0123456789abcdef01234567"}
	b := &change.Batch{Records: []change.Record{{Value: []byte("abc"), Key: []byte("k"), Pos: at}}}
	if err := s.Write(t.Context(), b); err != nil {
		t.Fatal(err)
	}
	if err := s.Flush(t.Context()); err != nil {
		t.Fatal(err)
	}
	if s.Records() != 1 || s.Bytes() != 4 {
		t.Errorf("counted %d records of %d bytes, want 1 of 4", s.Records(), s.Bytes())
	}
	if pos, err := s.Open(t.Context()); err != nil || pos != at {
		t.Errorf("opened again: %v, %v, want %v", pos, err, at)
	}
	if err := s.Close(); err != nil {
		t.Error(err)
	}
}
