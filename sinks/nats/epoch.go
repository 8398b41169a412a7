package nats

import (
	"context"
	"crypto/rand"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	mathrand "math/rand/v2"
	"strconv"
	"time"

	natsgo "github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"

	"keyfeed/internal/event"
	"keyfeed/sinks"
)

// The headers of an epoch's heartbeat. It has no keyfeed-pos on purpose: it is sent before its writer knows for certain
// what stands before it, and a position that turns out wrong would lose or repeat events. A position stands only in the
// event that it is stored with; who reads the end of the stream goes past heartbeats of epochs.
const (
	headerInstance = "keyfeed-instance" // the writer: 32 hex digits, drawn by New
	headerEpoch    = "keyfeed-epoch"    // counts the epochs of the instance, from 1

	// headerBehind is the sequence of the last event before the heartbeat, 0 where there is none, so that a long run of
	// heartbeats is one step for the reader. It is given only together with Nats-Expected-Last-Sequence: the heartbeat is
	// stored directly behind what its writer had read, or not at all, so the sequence cannot be wrong.
	headerBehind = "keyfeed-behind"
)

// kindEpoch ends the subject of epochs' heartbeats, <prefix>._ctl.epoch. It is not that of the pump's heartbeats, so the
// newest epoch is one request away however many heartbeats came after it, also in a stream that keeps one message per
// subject.
const kindEpoch = "epoch"

// writerID says who writes: one instance per Sink, and the epochs that it began.
type writerID struct {
	instance string
	epoch    uint64
	began    uint64 // sequence of the newest heartbeat of this instance that was acknowledged; 0 = none
}

func newWriterID() writerID {
	var id [16]byte
	_, _ = rand.Read(id[:]) // never fails, says its documentation
	return writerID{instance: hex.EncodeToString(id[:])}
}

const (
	// conditionalTries is how often a heartbeat is sent that expects the last sequence. A stream whose end moves on each
	// time has another writer at work; then the heartbeat goes without the condition and breaks that writer's chain.
	conditionalTries = 6

	epochBackoff = 10 * time.Millisecond // the second try waits about so long, each further one twice as long
)

// beginEpoch stores a heartbeat of ours as the last message, and returns where the next record goes.
//
// Everything that an earlier writer has in flight, we in an epoch that failed included, expects a sequence before the
// heartbeat with its first message, and what follows that message depends on it: in single mode nothing is in flight
// behind it, in fast and atomic mode it is in the same batch. So from the heartbeat on nothing of it can be stored
// (invariant 9), and what is stored before it does not change any more: its end is the position.
//
// The heartbeat itself may arrive late too, after its writer gave it up. With its condition it is refused then.
func (s *session) beginEpoch(ctx context.Context) (tail, error) {
	wait := epochBackoff
	for try := 1; ; try++ {
		at, err := s.tryEpoch(ctx, try > conditionalTries)
		if err == nil {
			return at, nil
		}
		if try > conditionalTries || !errors.Is(err, errWrongSequence) && !errors.Is(err, errKeptByOther) {
			return tail{}, fmt.Errorf("beginning an epoch in stream %s: %w", s.cfg.Stream, err)
		}
		s.cfg.Logger.Debug("an epoch could not begin", "stream", s.cfg.Stream, "try", try, "error", err)
		if err := pause(ctx, wait/2+mathrand.N(wait)); err != nil {
			return tail{}, fmt.Errorf("beginning an epoch in stream %s: %w", s.cfg.Stream, err)
		}
		wait *= 2
	}
}

// tryEpoch is one attempt to begin an epoch: by force where the end of the stream does not stand still.
func (s *session) tryEpoch(ctx context.Context, force bool) (tail, error) {
	at, last, err := s.readEnd(ctx)
	if err != nil {
		return tail{}, err
	}
	if err := s.checkFence(ctx); err != nil {
		return tail{}, err
	}
	// Only a start takes over by force. Who had begun an epoch before would be fenced by whoever moves the end.
	conditional := !force || s.id.began > 0
	if at, err = s.keeper.complete(ctx, at, last); err != nil {
		return tail{}, err
	}
	// By force, the other writer's events still follow this sequence, and our heartbeat somewhere between them.
	s.keeper.doubt = 0
	if !conditional {
		s.keeper.doubt = 1
	}
	if err := s.keeper.save(ctx, mark{last, at.position, at.skip}, conditional); err != nil {
		return tail{}, err
	}
	sequence, err := s.sendEpoch(ctx, s.epochMessage(at, last, conditional))
	if err != nil {
		return tail{}, err
	}
	s.id.began, s.last = sequence, sequence
	if conditional {
		at, err = s.confirmEnd(ctx, at, last)
	} else {
		s.cfg.Logger.Warn("took over a stream that another writer was writing to", "stream", s.cfg.Stream, "sequence", sequence)
		if at, err = s.readTail(ctx, sequence-1, 0); err == nil {
			at, err = s.keeper.complete(ctx, at, sequence-1)
		}
	}
	if err != nil {
		return tail{}, err
	}
	s.end = mark{sequence, at.position, at.skip}
	s.stored, s.lastEvent = s.end, at.sequence
	s.keeper.doubt = 0
	return at, s.keeper.save(ctx, s.end, false)
}

// confirmEnd reads the end again now that the heartbeat holds it still. It cannot have changed, unless the server lost
// messages and stored others in their place, or answered from an outdated state; then nothing is known.
func (s *session) confirmEnd(ctx context.Context, at tail, last uint64) (tail, error) {
	if s.last != last+1 {
		return tail{}, fmt.Errorf("the heartbeat was stored under sequence %d, want %d", s.last, last+1)
	}
	if at.gone || at.sequence == 0 {
		return at, nil
	}
	again, err := s.readTail(ctx, at.sequence, 0)
	if err != nil {
		return tail{}, err
	}
	again.position.Settings = at.position.Settings // may be the bucket's
	if !again.gone && again != at {                // gone: removed by its age since
		return tail{}, fmt.Errorf("message %d changed while it was read", at.sequence)
	}
	return at, nil
}

// readEnd returns the end of the stream, and its last sequence.
func (s *session) readEnd(ctx context.Context) (tail, uint64, error) {
	state, err := s.state(ctx)
	if err != nil {
		return tail{}, 0, err
	}
	at, err := s.readTail(ctx, state.LastSeq, state.FirstSeq)
	return at, state.LastSeq, err
}

// checkFence returns ErrFenced when another instance has begun an epoch after ours.
func (s *session) checkFence(ctx context.Context) error {
	if s.id.began == 0 {
		return nil // we have nothing to lose yet: this start takes over
	}
	newest, err := s.messages.last(ctx, s.writer.subjects.controlSubject(kindEpoch))
	if err != nil || newest == nil {
		return err
	}
	if by := newest.header.Get(headerInstance); by != s.id.instance && newest.sequence > s.id.began {
		return fmt.Errorf("%w: instance %s began an epoch in stream %s at sequence %d, after ours at %d",
			sinks.ErrFenced, by, s.cfg.Stream, newest.sequence, s.id.began)
	}
	return nil
}

// errWrongSequence is wrapped where the end of the stream is not what a message expected.
var errWrongSequence = errors.New("the stream's end has moved")

// sendEpoch publishes a heartbeat and returns the sequence that it was stored under.
func (s *session) sendEpoch(ctx context.Context, m *natsgo.Msg) (uint64, error) {
	ctx, cancel := context.WithTimeout(ctx, s.cfg.Timeout)
	defer cancel()
	reply, err := s.link.conn.RequestMsgWithContext(ctx, m)
	if err != nil {
		if cause := context.Cause(ctx); cause != nil && !errors.Is(cause, context.DeadlineExceeded) {
			err = cause
		}
		return 0, classify(fmt.Errorf("publishing its heartbeat: %w", err))
	}
	sequence, err := parseReply(reply, s.cfg.Stream)
	if isWrongSequence(err) {
		err = fmt.Errorf("%w: %w", errWrongSequence, err)
	}
	return sequence, err
}

// isWrongSequence reports whether a server refused a message because it expected another last sequence.
func isWrongSequence(err error) bool {
	api, ok := errors.AsType[*jetstream.APIError](err)
	return ok && (api.ErrorCode == codeWrongLastSequence || api.ErrorCode == codeWrongLastInProcess)
}

// epochMessage makes the heartbeat, a valid event for whoever reads the stream: "nothing happened up to here". It belongs
// to the writer and not to the history of the source, so its generation and offset are 0: its id is before that of every
// event, and who drops ids that do not rise can never drop an event because of it.
func (s *session) epochMessage(at tail, last uint64, conditional bool) *natsgo.Msg {
	s.id.epoch++
	e := event.NewHeartbeat(event.Stamp{TsMs: time.Now().UnixMilli()}, event.Heartbeat{Position: at.position.String()})
	m := natsgo.NewMsg(s.writer.subjects.controlSubject(kindEpoch))
	m.Header.Set(headerInstance, s.id.instance)
	m.Header.Set(headerEpoch, strconv.FormatUint(s.id.epoch, 10))
	if conditional {
		m.Header.Set(jetstream.ExpectedLastSeqHeader, strconv.FormatUint(last, 10))
		if !at.gone {
			m.Header.Set(headerBehind, strconv.FormatUint(at.sequence, 10))
		}
	}
	m.Data = event.NewEncoder(event.Settings{Source: s.cfg.Source}).Append(nil, &e)
	return m
}

// state asks the stream's leader, who answers stream info.
func (s *session) state(ctx context.Context) (*jetstream.StreamState, error) {
	ctx, cancel := context.WithTimeout(ctx, s.cfg.Timeout)
	defer cancel()
	reply, err := s.link.conn.RequestWithContext(ctx, "$JS.API.STREAM.INFO."+s.cfg.Stream, nil)
	if err != nil {
		return nil, classify(fmt.Errorf("reading the state of stream %s: %w", s.cfg.Stream, err))
	}
	var info struct {
		Error *jetstream.APIError   `json:"error"`
		State jetstream.StreamState `json:"state"`
	}
	if err := json.Unmarshal(reply.Data, &info); err != nil {
		return nil, fmt.Errorf("reading the state of stream %s: %w", s.cfg.Stream, err)
	}
	if info.Error != nil {
		return nil, classify(fmt.Errorf("reading the state of stream %s: %w", s.cfg.Stream, info.Error))
	}
	return &info.State, nil
}

// isEpoch reports whether a message with these headers is an epoch's heartbeat.
func isEpoch(h natsgo.Header) bool { return h.Get(headerInstance) != "" }
