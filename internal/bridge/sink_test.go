package bridge_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"sync"
	"testing"

	"keyfeed/internal/change"
	"keyfeed/sinks"
)

// event is the part of a stored event that the tests look at.
type event struct {
	ID     string `json:"id"`
	Op     string `json:"op"`
	Kind   string `json:"kind"`
	Key    string `json:"key"`
	Cmd    string `json:"cmd"`
	Reason string `json:"reason"`
	Prev   string `json:"prev"`
	Source struct {
		Gen uint64 `json:"gen"`
	} `json:"source"`
}

var errAway = errors.New("the broker is away")

// memorySink stores records in memory, as a broker that outlives the bridges of a test. Its fields are guarded by mu.
type memorySink struct {
	tb      testing.TB
	updates chan struct{}

	mu     sync.Mutex
	events []event
	pos    change.Position
	err    error
	lost   bool // the place was made anew behind the position
	skip   int  // events behind the position that are stored as well
	room   int  // records that are still taken; negative = any number
}

func newMemorySink(tb testing.TB) *memorySink {
	tb.Helper()
	return &memorySink{tb: tb, updates: make(chan struct{}, 1), room: -1}
}

func (s *memorySink) Open(context.Context) (change.Position, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.room == 0 {
		return change.Position{}, errAway
	}
	if s.lost {
		return change.Position{}, fmt.Errorf("%w: %w", sinks.ErrConfig, sinks.ErrLost)
	}
	s.err = nil
	return s.pos, nil
}

// Skips implements sinks.Skipper.
func (s *memorySink) Skips() bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.skip > 0
}

// Forget implements sinks.Forgetter.
func (s *memorySink) Forget(context.Context) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.lost, s.pos = false, change.Position{}
	return nil
}

// lose makes the place one that lost what its position says.
func (s *memorySink) lose() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.lost, s.events = true, nil
}

func (s *memorySink) Write(_ context.Context, b *change.Batch) error {
	defer b.Release()
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, r := range b.Records {
		if s.err == nil && s.room == 0 {
			s.err = errAway
		}
		if s.err != nil {
			break
		}
		if r.Pos.Gen != s.pos.Gen {
			s.skip = 0
		}
		if s.skip > 0 && r.Kind != "heartbeat" {
			s.skip--
			continue
		}
		if s.room > 0 {
			s.room--
		}
		var e event
		if err := json.Unmarshal(r.Value, &e); err != nil {
			s.tb.Errorf("stored what is no JSON: %v", err)
		}
		s.events = append(s.events, e)
		s.pos = r.Pos
	}
	select {
	case s.updates <- struct{}{}:
	default:
	}
	return s.err
}

func (s *memorySink) Flush(context.Context) error { return s.Err() }
func (s *memorySink) Close() error                { return nil }

func (s *memorySink) Updates() <-chan struct{} { return s.updates }

func (s *memorySink) Confirmed() change.Position {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.pos
}

func (s *memorySink) Err() error {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.err
}

// take limits the records that are still taken; negative lifts the limit.
func (s *memorySink) take(n int) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.room = n
}

// empty is what losing the broker's disk does.
func (s *memorySink) empty() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.events, s.pos = nil, change.Position{}
}

func (s *memorySink) full() bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.room == 0
}

// stored is a copy of what is stored, heartbeats left out.
func (s *memorySink) stored() []event {
	s.mu.Lock()
	defer s.mu.Unlock()
	var out []event
	for _, e := range s.events {
		if e.Kind != "heartbeat" {
			out = append(out, e)
		}
	}
	return out
}

func (s *memorySink) kinds(kind string) []event {
	var out []event
	for _, e := range s.stored() {
		if e.Kind == kind {
			out = append(out, e)
		}
	}
	return out
}

func (s *memorySink) has(key string) bool {
	for _, e := range s.stored() {
		if e.Key == key {
			return true
		}
	}
	return false
}
