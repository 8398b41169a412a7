package pump_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"pgregory.net/rapid"

	"keyfeed/internal/change"
	"keyfeed/internal/event"
	"keyfeed/internal/pump"
	"keyfeed/internal/testenv"
	"keyfeed/sinks"
)

func TestMain(m *testing.M) { testenv.RunWithoutLeaks(m) }

const replid = "0123456789abcdef0123456789abcdef01234567"

// unit is one unit of the model's stream: its events all carry its number, some are filtered away.
type unit struct {
	events int
	hidden []bool // by event: dropped by the filter before the handler sees it
}

// model is a planner and the only feed, over a fixed stream of units of 100 bytes each.
type model struct {
	units []unit
	more  chan struct{} // nil: the feed ends after the units; else it idles until this is closed

	mu        sync.Mutex
	confirmed change.Position // guarded by mu
	opened    []change.Position
}

func at(u int) change.Position {
	return change.Position{Gen: 1, Offset: int64(u) * 100, ReplID: replid}
}

func (m *model) Opened(pos change.Position) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.opened = append(m.opened, pos)
}

func (m *model) Confirmed(pos change.Position) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.confirmed = pos
}

func (m *model) Next(_ context.Context, pos change.Position) (pump.Feed, error) {
	if m.more == nil && pos == at(len(m.units)) {
		return nil, io.EOF
	}
	return &feed{m: m, from: pos}, nil
}

type feed struct {
	m    *model
	from change.Position
}

func (f *feed) Encoder() *event.Encoder {
	return event.NewEncoder(event.Settings{Source: "s", MaxBytes: 1 << 20})
}
func (f *feed) Close() error { return nil }

func (f *feed) Run(ctx context.Context, h pump.Handler) error {
	skip := int(f.from.Count)
	for u := int(f.from.Offset / 100); u < len(f.m.units); u++ {
		for i := range f.m.units[u].events {
			if err := ctx.Err(); err != nil {
				return context.Cause(ctx)
			}
			if i < skip || f.m.units[u].hidden[i] {
				continue
			}
			pos := at(u)
			pos.Count = int64(i + 1)
			e := event.Event{
				Gen: 1, Offset: int64(u+1) * 100, Seq: int64(i), N: int64(f.m.units[u].events), Op: event.OpUpdate,
				Key: fmt.Appendf(nil, "k%d", u), IsKey: true, Cmd: "SET",
			}
			if err := h.Event(&e, pos); err != nil {
				return err
			}
		}
		skip = 0
		if err := h.Unit(at(u + 1)); err != nil {
			return err
		}
	}
	for f.m.more != nil {
		until, err := h.Idle(ctx)
		if err != nil {
			return err
		}
		select {
		case <-time.After(time.Until(until)):
		case <-f.m.more:
			f.m.more = nil
		case <-ctx.Done():
			return context.Cause(ctx)
		}
	}
	return nil
}

// sink stores records in memory, and fails where the test says: after a number of records, in the middle of a batch.
type sink struct {
	failAfter []int // records stored until each failure

	mu      sync.Mutex
	stored  []change.Record // guarded by mu
	pos     change.Position
	err     error
	n       int
	updates chan struct{}
}

var errBroker = errors.New("broker away")

func (s *sink) Open(context.Context) (change.Position, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.err, s.n = nil, 0
	return s.pos, nil
}

func (s *sink) Write(_ context.Context, b *change.Batch) error {
	defer b.Release()
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, r := range b.Records {
		if s.err == nil && len(s.failAfter) > 0 && s.n >= s.failAfter[0] {
			s.failAfter = s.failAfter[1:]
			s.err = errBroker
		}
		if s.err != nil {
			s.signal()
			return s.err
		}
		r.Value = []byte(string(r.Value))
		r.Key = []byte(string(r.Key))
		s.stored = append(s.stored, r)
		s.pos = r.Pos
		s.n++
	}
	s.signal()
	return nil
}

func (s *sink) signal() {
	select {
	case s.updates <- struct{}{}:
	default:
	}
}

func (s *sink) Flush(context.Context) error { return s.Err() }
func (s *sink) Close() error                { return nil }

func (s *sink) Updates() <-chan struct{} { return s.updates }

func (s *sink) Err() error {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.err
}

func (s *sink) Confirmed() change.Position {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.pos
}

func ids(t interface{ Fatalf(string, ...any) }, recs []change.Record) []string {
	var out []string
	for _, r := range recs {
		if r.Kind == "heartbeat" {
			continue
		}
		v := string(r.Value)
		i := strings.Index(v, `"id":"`)
		if i < 0 {
			t.Fatalf("no id in %s", v)
		}
		out = append(out, v[i+6:i+6+42])
	}
	return out
}

func newSink(failAfter ...int) *sink {
	return &sink{failAfter: failAfter, updates: make(chan struct{}, 1), pos: at(0)}
}

// TestPumpDeliversOnceInOrder checks against the model that whatever fails when, the sink ends with each delivered event
// once, in order, and with the position after the last unit.
func TestPumpDeliversOnceInOrder(t *testing.T) {
	rapid.Check(t, func(rt *rapid.T) {
		m := &model{}
		var want []string
		for u := range rapid.IntRange(1, 40).Draw(rt, "units") {
			n := rapid.IntRange(0, 6).Draw(rt, "events")
			un := unit{events: n}
			for i := range n {
				hidden := rapid.IntRange(0, 3).Draw(rt, "hidden") == 0
				un.hidden = append(un.hidden, hidden)
				if !hidden {
					e := event.Event{Gen: 1, Offset: int64(u+1) * 100, Seq: int64(i)}
					want = append(want, string(event.AppendID(nil, &e)))
				}
			}
			m.units = append(m.units, un)
		}
		s := newSink(rapid.SliceOfN(rapid.IntRange(0, 30), 0, 5).Draw(rt, "failures")...)
		p := pump.New(s, m, pump.Config{BackoffMin: time.Microsecond, BackoffMax: time.Microsecond})
		if err := p.Run(t.Context()); err != nil {
			rt.Fatalf("Run: %v", err)
		}
		got := ids(rt, s.stored)
		if strings.Join(got, "\n") != strings.Join(want, "\n") {
			rt.Fatalf("stored\n%v\nwant\n%v", got, want)
		}
		if s.pos != at(len(m.units)) || m.confirmed != s.pos {
			rt.Fatalf("position %s, confirmed %s, want %s", s.pos, m.confirmed, at(len(m.units)))
		}
	})
}

// TestHeartbeatMovesAnIdleSource: bytes without events are stored by a heartbeat after the interval, once.
func TestHeartbeatMovesAnIdleSource(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		m := &model{units: []unit{{events: 1, hidden: []bool{false}}, {}, {}}, more: make(chan struct{})}
		s := newSink()
		p := pump.New(s, m, pump.Config{HeartbeatInterval: 10 * time.Second, Keys: func() (int64, bool) { return 42, true }})
		ctx, cancel := context.WithCancel(t.Context())
		done := make(chan error, 1)
		go func() { done <- p.Run(ctx) }()
		synctest.Wait()
		if s.Confirmed() != at(1) {
			t.Errorf("confirmed %s before the interval, want %s", s.Confirmed(), at(1))
		}
		if p.Published() != at(3) {
			t.Errorf("published %s, want the passed units too: %s", p.Published(), at(3))
		}
		time.Sleep(11 * time.Second)
		synctest.Wait()
		if s.Confirmed() != at(3) {
			t.Errorf("confirmed %s after the interval, want %s", s.Confirmed(), at(3))
		}
		time.Sleep(time.Minute)
		synctest.Wait()
		if n := len(s.stored); n != 2 {
			t.Errorf("%d records stored, want the event and one heartbeat", n)
		}
		if last := s.stored[len(s.stored)-1].Value; !bytes.Contains(last, []byte(`"keys":42`)) {
			t.Errorf("the heartbeat does not tell the keys: %s", last)
		}
		cancel()
		if err := <-done; err != nil {
			t.Errorf("Run: %v", err)
		}
	})
}

// TestStopStoresThePassedPosition: a stop drains, and leaves the position after what was passed.
func TestStopStoresThePassedPosition(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		m := &model{units: []unit{{}, {}}, more: make(chan struct{})}
		s := newSink()
		p := pump.New(s, m, pump.Config{})
		ctx, cancel := context.WithCancel(t.Context())
		done := make(chan error, 1)
		go func() { done <- p.Run(ctx) }()
		synctest.Wait()
		cancel()
		if err := <-done; err != nil {
			t.Errorf("Run: %v", err)
		}
		if s.Confirmed() != at(2) {
			t.Errorf("confirmed %s, want %s", s.Confirmed(), at(2))
		}
	})
}

// TestOperatorErrorsEndRun: what no retry heals is returned.
func TestOperatorErrorsEndRun(t *testing.T) {
	for _, err := range []error{sinks.ErrConfig, sinks.ErrFenced} {
		s := &refusing{sink: newSink(), err: fmt.Errorf("refused: %w", err)}
		got := pump.New(s, &model{}, pump.Config{}).Run(t.Context())
		if !errors.Is(got, err) {
			t.Errorf("Run returned %v, want %v", got, err)
		}
	}
}

type refusing struct {
	*sink
	err error
}

func (r *refusing) Open(context.Context) (change.Position, error) { return change.Position{}, r.err }

// TestARecordTooLargeIsAnError: never a stall, and not retried.
func TestARecordTooLargeIsAnError(t *testing.T) {
	m := &model{units: []unit{{events: 1, hidden: []bool{false}}}}
	s := &limited{newSink()}
	err := pump.New(s, m, pump.Config{}).Run(t.Context())
	if !errors.Is(err, sinks.ErrConfig) || !strings.Contains(err.Error(), "KEYFEED_EVENT_MAX_BYTES") {
		t.Errorf("Run returned %v, want an error that names the setting", err)
	}
}

type limited struct{ *sink }

func (*limited) MaxRecord() int { return 10 }

// slowSink takes each batch only after a while, and fails when its context ends, as real windows do.
type slowSink struct {
	*sink
	delay time.Duration
}

func (s *slowSink) Write(ctx context.Context, b *change.Batch) error {
	select {
	case <-time.After(s.delay):
		return s.sink.Write(ctx, b)
	case <-ctx.Done():
		b.Release()
		s.mu.Lock()
		defer s.mu.Unlock()
		s.err = context.Cause(ctx) // a queue that misses a batch must not go on
		return s.err
	}
}

// TestStopWaitsForABlockedWrite: a stop that meets a full window delivers the batch, within the grace.
func TestStopWaitsForABlockedWrite(t *testing.T) {
	for _, tt := range []struct {
		name  string
		delay time.Duration
		want  int // events stored
	}{{"in time", 10 * time.Second, 1}, {"too slow", time.Minute, 0}} {
		t.Run(tt.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				m := &model{units: []unit{{events: 1, hidden: []bool{false}}}, more: make(chan struct{})}
				s := &slowSink{newSink(), tt.delay}
				ctx, cancel := context.WithCancel(t.Context())
				done := make(chan error, 1)
				go func() { done <- pump.New(s, m, pump.Config{FlushTimeout: 25 * time.Second}).Run(ctx) }()
				time.Sleep(time.Second)
				cancel()
				err := <-done
				if n := len(s.stored); n != tt.want || (err == nil) != (tt.want == 1) {
					t.Errorf("%d events stored, error %v", n, err)
				}
			})
		})
	}
}

// standing is a sink that answers looks for other writers one after the other.
type standing struct {
	*sink
	looks []error
	asked int
}

func (s *standing) Standby(ctx context.Context, _ time.Duration) error {
	if s.asked++; s.asked > len(s.looks) {
		<-ctx.Done()
		return context.Cause(ctx)
	}
	return s.looks[s.asked-1]
}

func TestStandBy(t *testing.T) {
	for _, tt := range []struct {
		name  string
		looks []error
		want  error
		asked int
		stop  bool
	}{
		{"nobody", []error{nil}, nil, 1, false},
		{"the broker is away at first", []error{errBroker, errBroker, nil}, nil, 3, false},
		{"an operator is needed", []error{errBroker, sinks.ErrConfig, nil}, sinks.ErrConfig, 2, false},
		{"stopped meanwhile", []error{errBroker}, nil, 2, true},
	} {
		t.Run(tt.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				ctx, cancel := context.WithCancel(t.Context())
				if tt.stop {
					time.AfterFunc(time.Minute, cancel)
				}
				defer cancel()
				s := &standing{sink: newSink(), looks: tt.looks}
				err := pump.New(s, &model{}, pump.Config{}).StandBy(ctx, time.Second)
				if !errors.Is(err, tt.want) || s.asked != tt.asked {
					t.Errorf("StandBy returned %v after %d looks, want %v after %d", err, s.asked, tt.want, tt.asked)
				}
			})
		})
	}
	if err := pump.New(newSink(), &model{}, pump.Config{}).StandBy(t.Context(), time.Hour); err != nil {
		t.Errorf("a sink that sees no other writer: %v", err)
	}
}
