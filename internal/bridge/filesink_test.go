package bridge_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"sync"

	"keyfeed/internal/change"
)

// fileSink is an exact sink that outlives a killed process: one line per record, its position and its event, written at
// once. A line without an end was cut by the kill and is taken back by Open.
type fileSink struct {
	path    string
	updates chan struct{}

	mu  sync.Mutex
	f   *os.File        // guarded by mu
	pos change.Position // guarded by mu
	err error           // guarded by mu
}

func newFileSink(path string) *fileSink {
	return &fileSink{path: path, updates: make(chan struct{}, 1)}
}

// lastLine cuts what follows the last whole line, and gives the position that it names.
func lastLine(raw []byte) (whole int, pos change.Position, err error) {
	whole = bytes.LastIndexByte(raw, '\n') + 1
	if whole == 0 {
		return 0, pos, nil
	}
	last := raw[bytes.LastIndexByte(raw[:whole-1], '\n')+1 : whole]
	text, _, _ := bytes.Cut(last, []byte("\t"))
	pos, err = change.ParsePosition(string(text))
	return whole, pos, err
}

func (s *fileSink) Open(context.Context) (change.Position, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	raw, err := os.ReadFile(s.path)
	if err != nil && !errors.Is(err, os.ErrNotExist) {
		return change.Position{}, err
	}
	whole, pos, err := lastLine(raw)
	if err != nil {
		return pos, err
	}
	if s.f == nil {
		if s.f, err = os.OpenFile(s.path, os.O_CREATE|os.O_WRONLY|os.O_APPEND, 0o600); err != nil {
			return pos, err
		}
	}
	s.pos, s.err = pos, s.f.Truncate(int64(whole))
	return pos, s.err
}

func (s *fileSink) Write(_ context.Context, b *change.Batch) error {
	defer b.Release()
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, r := range b.Records {
		if s.err != nil {
			break
		}
		if _, s.err = fmt.Fprintf(s.f, "%s\t%s\n", r.Pos, r.Value); s.err == nil {
			s.pos = r.Pos
		}
	}
	select {
	case s.updates <- struct{}{}:
	default:
	}
	return s.err
}

func (s *fileSink) Flush(context.Context) error { return s.Err() }

func (s *fileSink) Updates() <-chan struct{} { return s.updates }

func (s *fileSink) Confirmed() change.Position {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.pos
}

func (s *fileSink) Err() error {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.err
}

func (s *fileSink) Close() error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.f == nil {
		return nil
	}
	err := s.f.Close()
	s.f = nil
	return err
}
