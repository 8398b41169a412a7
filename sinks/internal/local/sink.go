package local

import (
	"context"
	"errors"
	"fmt"
	"time"

	"keyfeed/internal/change"
	"keyfeed/sinks"
)

// Config is what makes a Sink a particular one. Zero values take the defaults named.
type Config struct {
	Name string // for errors: "stdout"
	Path string // the position file; "" keeps the position in memory

	MaxRecords int           // in the window; 65536
	MaxBytes   int           // in the window; 16 MiB
	Interval   time.Duration // at most this long between a write and the storing of its position; 100ms

	// Append appends the encoded records to dst. Called by Write, with records that are valid for the call.
	Append func(dst []byte, records []change.Record) []byte

	// Write takes encoded records, and what Restarted returned. Called by one goroutine at a time.
	Write func(p []byte) error

	// Sync returns when everything written is as durable as it gets. Called by the goroutine that calls Write.
	Sync func() error

	// SetWriteDeadline ends a Write that blocks, if that is possible; the zero time undoes it. nil = not possible.
	SetWriteDeadline func(time.Time)

	// Restarted is written first by every Open but the first one of all.
	Restarted []byte
}

func (c *Config) setDefaults() {
	if c.MaxRecords <= 0 {
		c.MaxRecords = 65536
	}
	if c.MaxBytes <= 0 {
		c.MaxBytes = 16 << 20
	}
	if c.Interval <= 0 {
		c.Interval = 100 * time.Millisecond
	}
}

// closeGrace is how long Close waits for a Write that blocks after it was interrupted.
const closeGrace = time.Second

// Sink is a [sinks.Sink] on this machine.
type Sink struct {
	*sinks.Window

	cfg    Config
	opened bool            // Open has succeeded in this process
	memory change.Position // the position when there is no file; written by the writer, read between writers
	writer *writer         // nil while not open; owned by the goroutine that calls Open and Close
}

// New returns a sink that is not open.
func New(cfg Config) *Sink {
	cfg.setDefaults()
	return &Sink{Window: sinks.NewWindow(cfg.MaxRecords, cfg.MaxBytes), cfg: cfg}
}

// Open reads the position and starts the writing goroutine.
func (s *Sink) Open(ctx context.Context) (change.Position, error) {
	if err := s.stop(); err != nil {
		return change.Position{}, err
	}
	if err := ctx.Err(); err != nil {
		return change.Position{}, fmt.Errorf("opening %s: %w", s.cfg.Name, context.Cause(ctx))
	}
	pos, restarted, err := s.load()
	if err != nil {
		return change.Position{}, fmt.Errorf("opening %s: %w", s.cfg.Name, err)
	}
	if err := s.Reset(pos); err != nil {
		return change.Position{}, err
	}
	s.opened = true
	s.writer = newWriter(s)
	if restarted {
		s.writer.queue <- item{encoded: s.cfg.Restarted}
	}
	go s.writer.run()
	return pos, nil
}

func (s *Sink) load() (pos change.Position, restarted bool, err error) {
	if s.cfg.Path == "" {
		return s.memory, s.opened, nil
	}
	pos, exists, err := loadPosition(s.cfg.Path)
	if err != nil || exists {
		return pos, exists, err
	}
	// From here on the file tells that something may have been written.
	return change.Position{}, s.opened, storePosition(s.cfg.Path, change.Position{})
}

// Write encodes the records of b and queues them.
func (s *Sink) Write(ctx context.Context, b *change.Batch) error {
	records, end := len(b.Records), b.End()
	ticket, err := s.Add(ctx, b)
	if err != nil || records == 0 {
		return err
	}
	encoded := s.cfg.Append(s.writer.buffer(), b.Records)
	s.writer.queue <- item{ticket: ticket, records: records, end: end, encoded: encoded}
	return nil
}

// Flush waits until everything written is durable, and its position too.
func (s *Sink) Flush(ctx context.Context) error {
	if s.writer != nil {
		select {
		case s.writer.hurry <- struct{}{}:
		default: // asked already
		}
	}
	return s.Window.Flush(ctx)
}

// Close ends the writing goroutine. When that hangs in a write that cannot be interrupted, Close says so and leaves it
// to the end of the process.
func (s *Sink) Close() error {
	err := s.stop()
	s.Window.Close()
	return err
}

var errStuck = errors.New("nobody reads what is written, one write still waits")

// stop ends the writing goroutine, or keeps it as s.writer when it hangs: two of them would mix their lines.
func (s *Sink) stop() error {
	s.Fail(sinks.ErrClosed)
	w := s.writer
	if w == nil {
		return nil
	}
	if !w.stopping {
		w.stopping = true
		close(w.stop)
	}
	if s.cfg.SetWriteDeadline != nil {
		s.cfg.SetWriteDeadline(time.Now())
		defer s.cfg.SetWriteDeadline(time.Time{})
	}
	grace := time.NewTimer(closeGrace)
	defer grace.Stop()
	select {
	case <-w.done:
	case <-grace.C:
		select {
		case <-w.done: // a machine that stood still has both at once
		default:
			return fmt.Errorf("stopping %s: %w", s.cfg.Name, errStuck)
		}
	}
	s.writer = nil
	s.Drop()
	return nil
}
