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

// session is one connection and the epoch on it, from an Open to the first error. Three goroutines work for it: run
// sends, nats.go's callback takes the acknowledgements, and watch looks at the time.
type session struct {
	cfg      *Config
	window   *sinks.Window
	id       *writerID
	link     *link
	js       jetstream.JetStream
	messages *messages
	keeper   *keeper
	writer   *writer // owned by run once that goes
	publish  Publish
	inbox    string // prefix of the subjects where acknowledgements come

	ctx    context.Context //nolint:containedctx // ends with the session; its goroutines' requests hang on it
	cancel context.CancelFunc
	abort  context.CancelCauseFunc // ends what Open waits for; harmless later
	wait   sync.WaitGroup

	queue queue
	out   outbox // owned by run
	last  uint64 // sequence of the last message sent; owned by run once that goes

	end       mark   // the last record sent, or what the epoch began with; owned by run once that goes
	atomicMax *int   // see sendAtomic; owned by run once that goes
	lastEvent uint64 // sequence of the last record in the stream; owned by run once that goes

	moved    chan struct{} // one value: acknowledgements came, or the session failed
	progress atomic.Uint64 // sequence of the last acknowledged message
	failed   atomic.Bool   // lost is set
	flushing atomic.Bool   // Flush waits: what is queued goes as it is

	mu      sync.Mutex
	lost    error    // the first error; guarded by mu
	ended   bool     // errors concern nobody any more; guarded by mu
	flights []flight // sent and not acknowledged whole, oldest first; guarded by mu
	batch   batch    // what replies are read as; guarded by mu
	stored  mark     // the end of the last batch acknowledged whole, or what the epoch began with; guarded by mu

	keeping sync.Mutex // held while keeper writes
}

// flight is a batch of the pump of which every record is sent; its last one has the sequence last.
type flight struct {
	ticket *sinks.Ticket
	first  int // records before it were done before they were sent
	end    int
	last   uint64
	pos    change.Position // of the last record
}

func newSession(cfg *Config, t *template, w *sinks.Window, id *writerID) *session {
	ctx, cancel := context.WithCancel(context.Background())
	s := &session{
		cfg: cfg, window: w, id: id, writer: newWriter(t), ctx: ctx, cancel: cancel,
		inbox: natsgo.NewInbox(), moved: make(chan struct{}, 1), queue: queue{more: make(chan struct{}, 1)},
	}
	s.out.queue = &s.queue
	return s
}

// subscribe lets acknowledgements come. One subscription for all, because their order matters.
func (s *session) subscribe() error {
	sub, err := s.link.conn.Subscribe(s.inbox+".>", s.onReply)
	if err != nil {
		return classify(fmt.Errorf("subscribing to acknowledgements: %w", err))
	}
	// The window bounds how many can come.
	if err := sub.SetPendingLimits(-1, -1); err != nil {
		return classify(fmt.Errorf("subscribing to acknowledgements: %w", err))
	}
	return nil
}

// start lets the epoch send what Write queues.
func (s *session) start() error {
	s.progress.Store(s.last)
	if err := s.lostError(); err != nil {
		return err // from before the window was reset, so that it does not know
	}
	s.wait.Go(s.run)
	s.wait.Go(s.watch)
	s.wait.Go(s.keepRegularly)
	return nil
}

// fail ends the epoch with the first error: nothing more is sent or confirmed. Any goroutine may call it.
func (s *session) fail(err error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.ended || s.lost != nil {
		return
	}
	s.lost = err
	s.failed.Store(true)
	s.abort(err)
	s.window.Fail(err) // invariant 8
	s.signal()
}

func (s *session) lostError() error {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.lost
}

// signal wakes run.
func (s *session) signal() {
	select {
	case s.moved <- struct{}{}:
	default: // one value waits already
	}
}

// close closes the connection and ends the goroutines. Nothing refers to records any more when it returns.
func (s *session) close() {
	s.mu.Lock()
	s.ended = true
	s.mu.Unlock()
	s.cancel()
	s.link.close()
	s.wait.Wait()
}

// advance takes everything up to a sequence for stored.
func (s *session) advance(sequence uint64) {
	if sequence <= s.progress.Load() {
		return
	}
	s.progress.Store(sequence)
	s.mu.Lock()
	n := 0
	for n < len(s.flights) && s.flights[n].last <= sequence {
		n++
	}
	done := s.flights[:n:n]
	s.flights = s.flights[n:]
	if n > 0 {
		s.stored = mark{sequence: done[n-1].last, position: done[n-1].pos}
	}
	s.mu.Unlock()
	// Whole batches only: the window is locked once per batch. After a failure it confirms nothing more (invariant 8).
	for _, f := range done {
		f.ticket.DoneRange(f.first, f.end, nil)
	}
	s.signal()
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
		waiting := s.batch.open
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

// keepRegularly writes to the bucket what is confirmed, moved or not.
func (s *session) keepRegularly() {
	ticker := time.NewTicker(keepInterval)
	defer ticker.Stop()
	for {
		select {
		case <-s.ctx.Done():
			return
		case <-ticker.C:
		}
		if err := s.keep(s.ctx); err != nil && s.ctx.Err() == nil {
			s.cfg.Logger.Warn("the position could not be kept, will try again", "bucket", bucketName, "error", err)
		}
	}
}

// keep writes to the bucket what is confirmed.
func (s *session) keep(ctx context.Context) error {
	s.keeping.Lock()
	defer s.keeping.Unlock()
	s.mu.Lock()
	stored := s.stored
	s.mu.Unlock()
	err := s.keeper.save(ctx, stored, false)
	if !errors.Is(err, errKeptByOther) {
		return err
	}
	// Another writer wants to begin an epoch. As long as it has not, what it wrote is before our end and says wrongly that
	// no events follow. If it has, its entry is ahead of what is confirmed here, and our next message tells us.
	saved, err := s.keeper.load(ctx)
	if err != nil || saved != nil && saved.Sequence > stored.sequence {
		return err
	}
	return s.keeper.save(ctx, stored, false)
}
