package nats

import (
	"context"
	"errors"
	"fmt"
	"time"

	natsgo "github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"

	"keyfeed/internal/change"
)

// Record is one message of a stream. Value is the reader's to keep.
type Record struct {
	Subject  string
	Sequence uint64
	Stored   time.Time
	Pos      change.Position // zero when the message has none: another program wrote it
	Value    []byte
}

// Start says with which message a reader begins.
type Start struct {
	kind     startKind
	sequence uint64
	toEnd    bool
}

type startKind uint8

const (
	startAll startKind = iota
	startNew
	startLast
	startSequence
	startAgain
)

// All starts with the oldest message that the stream has.
func All() Start { return Start{kind: startAll} }

// OnlyNew starts with the next message.
func OnlyNew() Start { return Start{kind: startNew} }

// Last starts with the n-th message from the end.
func Last(n uint64) Start { return Start{kind: startLast, sequence: n} }

// From starts with the first message whose sequence is at least n.
func From(n uint64) Start { return Start{kind: startSequence, sequence: n} }

// Again starts like From(n) where n was read before; with the oldest message when the stream has not come to n, since it is
// then not the stream that n was of.
func Again(n uint64) Start { return Start{kind: startAgain, sequence: n} }

// ToEnd makes Read return nil behind the message that was the last one when it began.
func (s Start) ToEnd() Start {
	s.toEnd = true
	return s
}

// retryRead is how long a reader waits before it asks again after a failure.
const retryRead = 250 * time.Millisecond

// Read calls fn for each message of the stream of cfg, in order and once, until ctx ends (it returns the cause), or fn
// returns an error (it returns that). Of cfg, the fields for the connection and the stream's name count.
//
// A server or stream that is away at the beginning is an error; the latter wraps [ErrNoStream]. A server that goes away
// later is waited for.
func Read(ctx context.Context, cfg Config, start Start, fn func(*Record) error) error {
	cfg, err := cfg.withDefaults()
	if err != nil {
		return configError("%w", err)
	}
	conn, err := dialReader(ctx, &cfg)
	if err != nil {
		return err
	}
	defer conn.Close()
	js, err := jetstream.New(conn, jetstream.WithDefaultTimeout(cfg.Timeout))
	if err != nil {
		return fmt.Errorf("opening JetStream: %w", err)
	}
	stream, err := js.Stream(ctx, cfg.Stream)
	if errors.Is(err, jetstream.ErrStreamNotFound) {
		return configError("%w: %s", ErrNoStream, cfg.Stream)
	}
	if err != nil {
		return classify(fmt.Errorf("opening stream %s: %w", cfg.Stream, err))
	}
	state := stream.CachedInfo().State
	r := &reader{js: js, cfg: &cfg, fn: fn, next: start.resolve(&state)}
	if start.toEnd {
		r.end = state.LastSeq
		if state.Msgs == 0 || r.next > r.end {
			return nil
		}
	}
	return r.run(ctx)
}

// resolve returns the first sequence to read.
func (s Start) resolve(state *jetstream.StreamState) uint64 {
	first := max(state.FirstSeq, 1)
	switch s.kind {
	case startNew:
		return state.LastSeq + 1
	case startLast:
		if s.sequence > state.LastSeq {
			return first
		}
		return max(first, state.LastSeq+1-s.sequence)
	case startSequence:
		return max(first, s.sequence)
	case startAgain:
		if s.sequence > state.LastSeq {
			return first
		}
		return max(first, s.sequence)
	default:
		return first
	}
}

// dialReader connects; unlike the sink's connection, this one heals itself.
func dialReader(ctx context.Context, cfg *Config) (*natsgo.Conn, error) {
	options, err := authOptions(cfg)
	if err != nil {
		return nil, err
	}
	options = append(options,
		natsgo.Name("keyfeed reader"),
		natsgo.Timeout(cfg.Timeout),
		natsgo.MaxReconnects(-1),
		natsgo.ReconnectWait(retryRead),
		natsgo.ErrorHandler(func(_ *natsgo.Conn, _ *natsgo.Subscription, err error) {
			cfg.Logger.Debug("reading from NATS", "error", err)
		}),
	)
	if ctx.Err() != nil {
		return nil, fmt.Errorf("connecting to NATS: %w", context.Cause(ctx))
	}
	conn, err := natsgo.Connect(cfg.URL, options...)
	if err != nil {
		if errors.Is(err, natsgo.ErrNoServers) {
			return nil, fmt.Errorf("connecting to NATS at %s: %w: is the server running, and KEYFEED_NATS_URL right?", servers(cfg.URL), err)
		}
		return nil, classify(fmt.Errorf("connecting to NATS: %w", err))
	}
	return conn, nil
}

type reader struct {
	js   jetstream.JetStream
	cfg  *Config
	fn   func(*Record) error
	next uint64 // first sequence not handed out
	end  uint64 // last sequence wanted; 0 = no end
}

// errAtEnd ends a reader that has read what it wanted.
var errAtEnd = errors.New("end of what was asked for")

// callbackError is an error of the reader's user, not of the broker.
type callbackError struct{ err error }

func (e *callbackError) Error() string { return e.err.Error() }

// run makes consumers until the reader has ended. An ordered consumer notices gaps, but it does not survive a server
// that comes back without it; the next one starts where it stopped.
func (r *reader) run(ctx context.Context) error {
	for {
		err := r.consume(ctx)
		var callback *callbackError
		switch {
		case errors.As(err, &callback):
			return callback.err
		case errors.Is(err, errAtEnd):
			return nil
		case ctx.Err() != nil:
			return context.Cause(ctx)
		}
		r.cfg.Logger.Debug("reading from NATS again", "stream", r.cfg.Stream, "sequence", r.next, "error", err)
		if err := pause(ctx, retryRead); err != nil {
			return err
		}
	}
}

// consume reads with one consumer until it breaks.
func (r *reader) consume(ctx context.Context) error {
	consumer, err := r.js.OrderedConsumer(ctx, r.cfg.Stream, jetstream.OrderedConsumerConfig{
		DeliverPolicy: jetstream.DeliverByStartSequencePolicy,
		OptStartSeq:   r.next,
	})
	if err != nil {
		return err
	}
	messages, err := consumer.Messages()
	if err != nil {
		return err
	}
	defer messages.Stop()
	for {
		msg, err := messages.Next(jetstream.NextContext(ctx))
		if err != nil {
			return err
		}
		meta, err := msg.Metadata()
		if err != nil {
			return err
		}
		if meta.Sequence.Stream < r.next { // seen already
			continue
		}
		record := &Record{
			Subject:  msg.Subject(),
			Sequence: meta.Sequence.Stream,
			Stored:   meta.Timestamp,
			Value:    msg.Data(),
		}
		if pos, err := positionIn(msg.Headers()); err == nil {
			record.Pos = pos
		}
		if err := r.fn(record); err != nil {
			return &callbackError{err}
		}
		r.next = record.Sequence + 1
		if r.end > 0 && (record.Sequence >= r.end || meta.NumPending == 0) {
			return errAtEnd
		}
	}
}
