package bridge_test

import (
	"context"
	"encoding/json"
	"slices"
	"strings"
	"testing"
	"time"

	"keyfeed/internal/change"
	"keyfeed/internal/testenv"
)

// contentSink keeps what a consumer would make of one key.
type contentSink struct {
	*memorySink
	key   string
	value string // guarded by memorySink.mu
}

func (s *contentSink) Write(ctx context.Context, b *change.Batch) error {
	var values [][]byte
	for _, r := range b.Records {
		values = append(values, slices.Clone(r.Value))
	}
	before := s.count()
	err := s.memorySink.Write(ctx, b)
	for _, raw := range values[:s.count()-before] {
		s.apply(raw)
	}
	return err
}

func (s *contentSink) count() int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return len(s.events)
}

func (s *contentSink) apply(raw []byte) {
	var e struct {
		Key, Cmd string
		Args     []string
	}
	if err := json.Unmarshal(raw, &e); err != nil {
		s.tb.Error(err)
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	switch {
	case e.Key != s.key:
	case e.Cmd == "SET":
		s.value = e.Args[0]
	case e.Cmd == "APPEND":
		s.value += e.Args[0]
	}
}

// TestUnitIsFinishedUnderItsSettings: the sink holds two pieces of a value when keyfeed is started with a larger
// KEYFEED_EVENT_MAX_BYTES. Cut anew, the third piece would begin where no second one ended.
func TestUnitIsFinishedUnderItsSettings(t *testing.T) {
	for _, tt := range []struct {
		name   string
		memory bool
		change func(r *rig) // while no bridge runs
	}{
		{name: "the disk is there", change: func(*rig) {}},
		{name: "the disk is lost", change: func(r *rig) { r.cfg.DataDir = r.t.TempDir() }},
		{name: "nothing is kept on disk", memory: true, change: func(*rig) {}},
		{name: "the disk is there, the position is of an older keyfeed", change: func(r *rig) { r.sink.pos.Settings = "" }},
	} {
		t.Run(tt.name, func(t *testing.T) {
			r := newRig(t)
			r.cfg.Memory, r.cfg.Pump.HeartbeatInterval = tt.memory, time.Hour // which takes room, too
			s := &contentSink{memorySink: r.sink, key: "big"}
			r.set("first")
			r.startOn(s)
			testenv.Eventually(t, patience, "the end of the snapshot", func() bool { return len(r.sink.kinds("snapshot_end")) == 1 })
			r.sink.take(2)
			big := strings.Repeat("a", 60000) + strings.Repeat("b", 60000) + strings.Repeat("c", 60000) + strings.Repeat("d", 60000)
			if err := r.source.Client().Set(t.Context(), s.key, big, 0).Err(); err != nil {
				t.Fatal(err)
			}
			testenv.Eventually(t, patience, "a sink that takes no more", r.sink.full)
			_ = r.end(true) // the sink is away
			if pos := s.Confirmed(); !pos.InUnit() || pos.Count != 2 {
				t.Fatalf("the sink is at %v, want two events into a unit", pos)
			}
			tt.change(r)
			r.cfg.MaxBytes = 128 << 10
			r.sink.take(-1)
			r.startOn(s)
			r.set("last")
			r.await("last")
			r.stopClean()
			if s.value != big {
				t.Errorf("the consumer's value has %d bytes, the source's %d", len(s.value), len(big))
			}
			r.check(1, "initial")
		})
	}
}
