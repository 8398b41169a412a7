package nats

import (
	"cmp"
	"context"
	"fmt"

	"github.com/nats-io/nats.go/jetstream"

	"keyfeed/internal/change"
	"keyfeed/sinks"
)

// Sink publishes records to one JetStream stream. It implements [sinks.Sink], [sinks.Limiter] and [sinks.Describer].
type Sink struct {
	*sinks.Window

	cfg      Config
	template *template
	session  *session // from Open to the next Open or Close; owned by the goroutine that calls these
	limit    int      // MaxRecord
}

var (
	_ sinks.Sink      = (*Sink)(nil)
	_ sinks.Limiter   = (*Sink)(nil)
	_ sinks.Describer = (*Sink)(nil)
)

// New returns a sink that is not open. The error names every problem of cfg and wraps [sinks.ErrConfig].
func New(cfg Config) (*Sink, error) {
	cfg, err := cfg.withDefaults()
	if err != nil {
		return nil, configError("%w", err)
	}
	parsed, err := parseTemplate(cfg.Subject, cfg.Source)
	if err != nil {
		return nil, configError("%w", err)
	}
	return &Sink{
		Window:   sinks.NewWindow(cfg.MaxPendingRecords, cfg.MaxPendingBytes),
		cfg:      cfg,
		template: parsed,
	}, nil
}

// Open connects, makes the stream when it is missing, and returns the position in its last message.
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
	s.session = session
	if err := session.start(at.sequence); err != nil {
		s.end()
		return change.Position{}, err
	}
	return at.position, nil
}

// connect does the talking of Open. What it returns is not started.
func (s *Sink) connect(ctx context.Context) (_ *session, at tail, err error) {
	session := newSession(&s.cfg, s.template, s.Window)
	// A refused permission is told beside the request, which then is never answered: it ends the waiting.
	ctx, session.abort = context.WithCancelCause(ctx)
	defer session.abort(nil)
	session.link, err = dial(ctx, &s.cfg, session.fail)
	if err != nil {
		return nil, tail{}, err
	}
	defer func() {
		if err != nil {
			err = cmp.Or(session.lostError(), err)
			session.link.close()
		}
	}()
	session.js, err = jetstream.New(session.link.conn, jetstream.WithDefaultTimeout(s.cfg.Timeout))
	if err != nil {
		return nil, tail{}, fmt.Errorf("opening JetStream: %w", err)
	}
	info, err := ensureStream(ctx, session.js, &s.cfg, s.template.filter())
	if err != nil {
		return nil, tail{}, err
	}
	if s.limit, err = maxRecord(session.link.conn.MaxPayload(), info.Config.MaxMsgSize); err != nil {
		return nil, tail{}, err
	}
	if at, err = readTail(ctx, session.link.conn, session.js, &s.cfg); err != nil {
		return nil, tail{}, err
	}
	session.keeper = newKeeper(ctx, session.js, &s.cfg)
	if at, err = session.keeper.complete(ctx, at); err != nil {
		return nil, tail{}, err
	}
	return session, at, nil
}

// Write publishes the records of b, each behind the one before, and returns when the client has them.
func (s *Sink) Write(ctx context.Context, b *change.Batch) error {
	if s.Err() == nil { // else nothing is known about sizes; Add returns the error
		if err := s.checkSize(b); err != nil {
			s.Fail(err)
		}
	}
	ticket, err := s.Add(ctx, b)
	if err != nil {
		s.Drop() // nats.go copies what it is given: nothing refers to any batch
		return err
	}
	if len(b.Records) == 0 || ticket == nil {
		return nil
	}
	if err := s.session.publish(ticket, b.Records); err != nil {
		s.session.fail(err)
		s.Drop()
		return s.Err()
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
	if err := s.Window.Flush(ctx); err != nil || s.session == nil {
		return err
	}
	s.session.keep(ctx)
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
		s.session.end()
		s.session = nil
	}
	s.Drop()
}

// MaxRecord is what the server and the stream take, less what the headers need.
func (s *Sink) MaxRecord() int { return s.limit }

// Describe returns one line for people. The sink must be open.
func (s *Sink) Describe(ctx context.Context) (string, error) {
	if s.session == nil {
		return "", sinks.ErrClosed
	}
	stream, err := s.session.js.Stream(ctx, s.cfg.Stream)
	if err != nil {
		return "", classify(fmt.Errorf("reading the state of stream %s: %w", s.cfg.Stream, err))
	}
	conn, info := s.session.link.conn, stream.CachedInfo()
	return fmt.Sprintf("NATS %s at %s, stream %s (%s, %d replicas, %d messages, %d bytes, last sequence %d), subjects %s, position %v",
		conn.ConnectedServerVersion(), conn.ConnectedUrlRedacted(), s.cfg.Stream, info.Config.Storage, info.Config.Replicas,
		info.State.Msgs, info.State.Bytes, info.State.LastSeq, s.template.filter(), s.Confirmed()), nil
}

// headerAllowance is more than the headers of a message take: their names, a position (at most 10+20+10+40 characters,
// a count and a spool id of 64 at most) and a sequence.
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
