package nats

import (
	"cmp"
	"context"
	"errors"
	"fmt"

	"github.com/nats-io/nats.go/jetstream"

	"keyfeed/internal/change"
	"keyfeed/sinks"
)

// Sink publishes records to one JetStream stream. It implements [sinks.Sink] and, of the optional abilities, [sinks.Limiter],
// [sinks.Skipper], [sinks.Stander], [sinks.Looker], [sinks.Forgetter] and [sinks.Describer].
type Sink struct {
	*sinks.Window

	cfg      Config
	template *template
	id       writerID
	session  *session // from Open to the next Open or Close; owned by the goroutine that calls these
	limit    int      // MaxRecord
	skip     skip     // of what Write gets next

	atomicMax int // messages in an atomic batch
}

var (
	_ sinks.Sink      = (*Sink)(nil)
	_ sinks.Limiter   = (*Sink)(nil)
	_ sinks.Skipper   = (*Sink)(nil)
	_ sinks.Stander   = (*Sink)(nil)
	_ sinks.Looker    = (*Sink)(nil)
	_ sinks.Forgetter = (*Sink)(nil)
	_ sinks.Describer = (*Sink)(nil)
)

// New returns a sink that is not open. The error names every problem of cfg and wraps [sinks.ErrConfig].
func New(cfg Config) (*Sink, error) {
	cfg, err := cfg.withDefaults()
	parsed, terr := parseTemplate(cfg.Subject, cfg.Source)
	if err := errors.Join(err, terr); err != nil {
		return nil, configError("%w", err)
	}
	return &Sink{
		Window:   sinks.NewWindow(cfg.MaxPendingRecords, cfg.MaxPendingBytes),
		cfg:      cfg,
		template: parsed,
		id:       newWriterID(),

		atomicMax: atomicMessages,
	}, nil
}

// Open connects, makes the stream when it is missing, begins an epoch in it, and returns the position of its last event.
func (s *Sink) Open(ctx context.Context) (change.Position, error) {
	s.end()
	session, at, err := s.connect(ctx)
	if err != nil {
		return change.Position{}, err
	}
	if err := s.Reset(at.position); err != nil {
		session.link.close()
		return change.Position{}, err
	}
	s.session, s.skip = session, skip{at.skip, at.position}
	if err := session.start(); err != nil {
		s.end()
		return change.Position{}, err
	}
	return at.position, nil
}

// connect does the talking of Open. What it returns is not started.
func (s *Sink) connect(ctx context.Context) (*session, tail, error) {
	var at tail
	session, err := s.talk(ctx, func(ctx context.Context, session *session) error {
		info, err := ensureStream(ctx, session.js, &s.cfg, s.template.filter())
		if err != nil {
			return err
		}
		if s.limit, err = maxRecord(session.link.conn.MaxPayload(), info.Config.MaxMsgSize); err != nil {
			return err
		}
		if session.publish, err = choosePublish(ctx, session.link.conn, &s.cfg, info); err != nil {
			return err
		}
		if err := session.subscribe(); err != nil {
			return err
		}
		if session.keeper, err = newKeeper(ctx, session, s.cfg.CreateStream); err != nil {
			return err
		}
		at, err = session.beginEpoch(ctx)
		return err
	})
	return session, at, err
}

// talk connects and calls what uses the connection. The session is closed when that fails.
func (s *Sink) talk(ctx context.Context, use func(context.Context, *session) error) (_ *session, err error) {
	session := newSession(&s.cfg, s.template, s.Window, &s.id)
	session.atomicMax = &s.atomicMax
	// A refused permission is told beside the request, which then is never answered: it ends the waiting.
	ctx, session.abort = context.WithCancelCause(ctx)
	defer session.abort(nil)
	session.link, err = dial(ctx, &s.cfg, session.fail)
	if err != nil {
		return nil, err
	}
	defer func() {
		if err != nil {
			err = cmp.Or(session.lostError(), endedBy(ctx, err))
			session.link.close()
		}
	}()
	session.js, err = jetstream.New(session.link.conn, jetstream.WithDefaultTimeout(s.cfg.Timeout))
	if err != nil {
		return nil, fmt.Errorf("opening JetStream: %w", err)
	}
	session.messages = &messages{conn: session.link.conn, stream: s.cfg.Stream, timeout: s.cfg.Timeout}
	return session, use(ctx, session)
}

// endedBy adds to err what ended ctx, where that has ended: a request whose context ends tells only that it did.
func endedBy(ctx context.Context, err error) error {
	if cause := context.Cause(ctx); cause != nil && !errors.Is(err, cause) {
		return fmt.Errorf("%w: %w", cause, err)
	}
	return err
}

// Write queues the records of b behind all before.
func (s *Sink) Write(ctx context.Context, b *change.Batch) error {
	if s.Err() == nil { // else nothing is known about sizes; Add returns the error
		if err := s.checkSize(b); err != nil {
			s.session.fail(err)
		}
	}
	ticket, err := s.Add(ctx, b)
	if err != nil {
		return err
	}
	stored := s.skip.of(b.Records)
	if stored < len(b.Records) {
		s.session.queue.add(item{ticket: ticket, records: b.Records, first: stored})
	}
	if stored > 0 {
		ticket.DoneRange(0, stored, nil) // last: b may be given back with it
	}
	return nil
}

// checkSize finds records that the server would refuse, before anything of the batch is published.
func (s *Sink) checkSize(b *change.Batch) error {
	for i := range b.Records {
		if size := len(b.Records[i].Value) + len(b.Records[i].Key); size > s.limit {
			return fmt.Errorf("%w: a record of %d bytes for stream %s, which takes %d",
				sinks.ErrTooLarge, size, s.cfg.Stream, s.limit)
		}
	}
	return nil
}

// Flush waits until all is acknowledged, and then keeps the position in the bucket too.
func (s *Sink) Flush(ctx context.Context) error {
	if s.session == nil {
		return s.Window.Flush(ctx)
	}
	s.session.flushing.Store(true)
	defer s.session.flushing.Store(false)
	s.session.signal()
	if err := s.Window.Flush(ctx); err != nil {
		return err
	}
	// Everything is stored, so a bucket that fails is no failure of the sink: the entry before this one is right too.
	if err := s.session.keep(ctx); err != nil {
		s.cfg.Logger.Warn("the position could not be kept", "bucket", bucketName, "error", err)
	}
	return nil
}

// Close ends the connection and every goroutine, without waiting for acknowledgements.
func (s *Sink) Close() error {
	s.end()
	s.Window.Close()
	return nil
}

// end ends the session, if there is one; nothing of it is sent any more.
func (s *Sink) end() {
	s.Fail(sinks.ErrClosed)
	if s.session != nil {
		s.session.close()
		s.session = nil
	}
	s.Drop()
}

// MaxRecord is what the server and the stream take, less what the headers need.
func (s *Sink) MaxRecord() int { return s.limit }

// Skips implements [sinks.Skipper].
func (s *Sink) Skips() bool { return s.skip.left > 0 }

// headerAllowance is more than the headers of a message take: their names, a position (at most 10+20+10+40 characters,
// a count and a spool id of 64 at most), its settings (about 40) and a sequence.
const headerAllowance = 512

func maxRecord(maxPayload int64, maxMessage int32) (int, error) {
	limit := maxPayload
	if maxMessage > 0 {
		limit = min(limit, int64(maxMessage))
	}
	if limit <= 2*headerAllowance {
		return 0, configError("the server takes messages of %d bytes, of which headers take up to %d: "+
			"raise max_payload, and max_msg_size of the stream", limit, headerAllowance)
	}
	return int(limit) - headerAllowance, nil
}
