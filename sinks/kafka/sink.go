package kafka

import (
	"context"
	"crypto/rand"
	"fmt"
	"sync/atomic"
	"time"

	"keyfeed/internal/change"
	"keyfeed/sinks"
)

// Sink writes events to Kafka. It is a sinks.Sink; which goroutine may call what is said there.
type Sink struct {
	cfg      Config
	names    template
	instance string // random; tells the progress records of this sink from those of other writers

	window  *sinks.Window
	updates chan struct{} // one value; see Updates

	confirmed atomic.Pointer[change.Position] // of the newest acknowledged progress record

	// Of the pump's goroutine.
	session *session // nil before Open and after Close
	epoch   int64    // Opens so far
	claimed bool     // a progress record of this instance was committed
	closed  bool
}

var (
	_ sinks.Sink      = (*Sink)(nil)
	_ sinks.Limiter   = (*Sink)(nil)
	_ sinks.Describer = (*Sink)(nil)
	_ sinks.Forgetter = (*Sink)(nil)
	_ sinks.Looker    = (*Sink)(nil)
	_ sinks.Stander   = (*Sink)(nil)
)

// New returns a sink that connects at Open. The error names every problem of the configuration.
func New(cfg Config) (*Sink, error) {
	cfg, err := cfg.withDefaults()
	if err != nil {
		return nil, fmt.Errorf("configuring the Kafka sink: %w", err)
	}
	names, err := parseTemplate(cfg.Topic, cfg.Source)
	if err != nil {
		return nil, fmt.Errorf("configuring the Kafka sink: %w", err)
	}
	s := &Sink{
		cfg:      cfg,
		names:    names,
		instance: rand.Text(),
		window:   sinks.NewWindow(cfg.MaxBufferedRecords, cfg.MaxBufferedBytes),
		updates:  make(chan struct{}, 1),
	}
	s.confirmed.Store(&change.Position{})
	return s, nil
}

// Open implements sinks.Sink. It ends what the session before had in flight, makes sure of the topics, fences other
// writers, reads the newest progress record of the source, and stores one of its own.
func (s *Sink) Open(ctx context.Context) (change.Position, error) {
	if s.closed {
		return change.Position{}, sinks.ErrClosed
	}
	if s.session != nil {
		s.session.end(ctx, s.patience())
		s.session = nil
	}
	s.epoch++
	session, pos, err := s.start(ctx)
	if err != nil {
		return change.Position{}, fmt.Errorf("opening the Kafka sink: %w", classify(err, s.cfg.CreateTopics))
	}
	if err := s.window.Reset(pos); err != nil {
		session.end(ctx, 0)
		return change.Position{}, err
	}
	s.confirmed.Store(&pos)
	select {
	case <-s.updates: // of the session before
	default:
	}
	s.session = session
	session.run(pos)
	return pos, nil
}

// Write implements sinks.Sink.
func (s *Sink) Write(ctx context.Context, b *change.Batch) error {
	records := len(b.Records)
	ticket, err := s.window.Add(ctx, b)
	if err != nil {
		if s.session != nil {
			s.session.fail(err) // a batch is missing in the window; nothing behind it may be committed (invariant 8)
		}
		return err
	}
	if records == 0 {
		return nil
	}
	// The window has failed until an Open succeeds, so there is a session here.
	return s.session.produce(ctx, ticket, b)
}

// Flush implements sinks.Sink.
func (s *Sink) Flush(ctx context.Context) error {
	if err := s.window.Flush(ctx); err != nil {
		return err
	}
	return s.session.flush(ctx)
}

// Confirmed implements sinks.Sink: the position of the newest progress record that Kafka acknowledged.
func (s *Sink) Confirmed() change.Position { return *s.confirmed.Load() }

// Updates implements sinks.Sink.
func (s *Sink) Updates() <-chan struct{} { return s.updates }

// Err implements sinks.Sink.
func (s *Sink) Err() error { return s.window.Err() }

// MaxRecord implements sinks.Limiter: the smallest max.message.bytes of the topics known at Open, less what Kafka's
// record format adds. It is 0 before Open.
func (s *Sink) MaxRecord() int {
	if s.session == nil {
		return 0
	}
	return s.session.maxRecord
}

// Close implements sinks.Sink.
func (s *Sink) Close() error {
	s.closed = true
	if s.session != nil {
		s.session.end(context.Background(), 0)
		s.session = nil
	}
	s.window.Close()
	return nil
}

// confirm makes the position of a stored progress record known.
func (s *Sink) confirm(pos change.Position) {
	s.confirmed.Store(&pos)
	s.signal()
}

// patience is how long to wait for answers to what a session has sent before it is ended. With transactions none of it
// counts after fencing unless its commit does.
func (s *Sink) patience() time.Duration {
	if s.cfg.AtLeastOnce {
		return drainTimeout
	}
	return 0
}

func (s *Sink) signal() {
	select {
	case s.updates <- struct{}{}:
	default: // one value waits already; who receives it looks at the newest state
	}
}
