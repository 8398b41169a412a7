package nats

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"sync/atomic"
	"time"

	natsgo "github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"

	"keyfeed/internal/change"
	"keyfeed/sinks"
)

// session is one connection and what is published on it, from an Open to the first error. Its messages are a chain:
// each names the sequence that must be the stream's last one, so the first that is not stored keeps out all behind it.
type session struct {
	cfg     *Config
	window  *sinks.Window
	link    *link
	js      jetstream.JetStream
	keeper  *keeper
	writer  *writer
	replyTo string // where acknowledgements come: one subject for all, because they come in order

	ctx    context.Context //nolint:containedctx // ends with the session; its goroutines' requests hang on it
	cancel context.CancelFunc
	abort  context.CancelCauseFunc // ends what Open waits for; harmless later
	wait   sync.WaitGroup

	acked    uint64        // sequence of the last acknowledged message; owned by the callback onReply
	progress atomic.Uint64 // the same, for other goroutines

	mu      sync.Mutex
	lost    error      // the first error; guarded by mu
	ended   bool       // errors concern nobody any more; guarded by mu
	sent    uint64     // sequence of the last published message; guarded by mu
	flights []inflight // not acknowledged whole, oldest first; guarded by mu
	stored  mark       // the last message of the last batch acknowledged whole; guarded by mu

	keeping sync.Mutex // held while keeper writes
}

// inflight is a published batch: its records have the sequences last-records+1 … last.
type inflight struct {
	ticket  *sinks.Ticket
	last    uint64
	records int
	end     change.Position // of the last record
}

// mark is a message of the stream and the position that it carries.
type mark struct {
	sequence uint64
	position change.Position
}

func newSession(cfg *Config, t *template, w *sinks.Window) *session {
	ctx, cancel := context.WithCancel(context.Background())
	return &session{cfg: cfg, window: w, writer: newWriter(t), ctx: ctx, cancel: cancel}
}

// start begins the epoch behind the message with sequence last.
func (s *session) start(last uint64) error {
	s.sent, s.acked = last, last
	s.progress.Store(last)
	s.replyTo = natsgo.NewInbox()
	sub, err := s.link.conn.Subscribe(s.replyTo, s.onReply)
	if err != nil {
		return classify(fmt.Errorf("subscribing to acknowledgements: %w", err))
	}
	// The window bounds how many can come.
	if err := sub.SetPendingLimits(-1, -1); err != nil {
		return classify(fmt.Errorf("subscribing to acknowledgements: %w", err))
	}
	if err := s.lostError(); err != nil {
		return err // from before the window was reset, so that it does not know
	}
	s.wait.Go(s.watch)
	s.wait.Go(s.keepRegularly)
	return nil
}

// fail ends the epoch with the first error: nothing more is published or confirmed. Any goroutine may call it.
func (s *session) fail(err error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.ended || s.lost != nil {
		return
	}
	s.lost = err
	s.abort(err)
	s.window.Fail(err) // invariant 8
}

func (s *session) lostError() error {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.lost
}

// end closes the connection and ends the goroutines.
func (s *session) end() {
	s.mu.Lock()
	s.ended = true
	s.mu.Unlock()
	s.cancel()
	s.link.close()
	s.wait.Wait()
}

// publish sends records behind everything sent before. They are stored in this order or not at all.
func (s *session) publish(ticket *sinks.Ticket, records []change.Record) error {
	s.mu.Lock()
	last := s.sent
	s.sent += uint64(len(records))
	s.flights = append(s.flights, inflight{
		ticket:  ticket,
		last:    s.sent,
		records: len(records),
		end:     records[len(records)-1].Pos,
	})
	s.mu.Unlock()
	for i := range records {
		if err := s.link.conn.PublishMsg(s.writer.message(&records[i], last, s.replyTo)); err != nil {
			return classify(fmt.Errorf("publishing to stream %s: %w", s.cfg.Stream, err))
		}
		last++
	}
	return nil
}

// onReply takes one acknowledgement. nats.go calls it in the order of arrival, from one goroutine.
func (s *session) onReply(m *natsgo.Msg) {
	sequence, err := parseReply(m, s.cfg.Stream)
	if err == nil && sequence != s.acked+1 {
		err = fmt.Errorf("stream %s acknowledged sequence %d, want %d", s.cfg.Stream, sequence, s.acked+1)
	}
	if err != nil {
		s.fail(fmt.Errorf("publishing to stream %s: %w", s.cfg.Stream, err))
		return
	}
	s.acked = sequence
	s.progress.Store(sequence)
	s.mu.Lock()
	var done inflight
	if len(s.flights) > 0 && s.flights[0].last == sequence {
		done = s.flights[0]
		s.flights[0] = inflight{}
		s.flights = s.flights[1:]
		s.stored = mark{done.last, done.end}
	}
	s.mu.Unlock()
	// Whole batches only: the window is locked once per batch. After a failure it confirms nothing more (invariant 8).
	if done.ticket != nil {
		done.ticket.DoneRange(0, done.records, nil)
	}
}

var errNoReply = errors.New("no acknowledgement came")

// watch fails the session when messages are out and none is acknowledged for cfg.Timeout.
func (s *session) watch() {
	const rounds = 4
	ticker := time.NewTicker(s.cfg.Timeout / rounds)
	defer ticker.Stop()
	before, idle := s.progress.Load(), 0
	for {
		select {
		case <-s.ctx.Done():
			return
		case <-ticker.C:
		}
		s.mu.Lock()
		waiting := len(s.flights) > 0
		s.mu.Unlock()
		now := s.progress.Load()
		if idle++; !waiting || now != before {
			idle = 0
		}
		before = now
		if idle > rounds { // the first round may have begun just before the message was sent
			s.fail(fmt.Errorf("publishing to stream %s: %w for %v", s.cfg.Stream, errNoReply, s.cfg.Timeout))
			return
		}
	}
}

// keepRegularly writes the position to the bucket while it moves.
func (s *session) keepRegularly() {
	ticker := time.NewTicker(keepInterval)
	defer ticker.Stop()
	for {
		select {
		case <-s.ctx.Done():
			return
		case <-ticker.C:
			s.keep(s.ctx)
		}
	}
}

// keep writes what is confirmed to the bucket.
func (s *session) keep(ctx context.Context) {
	s.keeping.Lock()
	defer s.keeping.Unlock()
	s.mu.Lock()
	stored := s.stored
	s.mu.Unlock()
	s.keeper.put(ctx, stored.sequence, stored.position)
}
