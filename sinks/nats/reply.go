package nats

import (
	"bytes"
	"cmp"
	"encoding/json"
	"errors"
	"fmt"
	"strings"

	natsgo "github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"
)

// onReply takes one acknowledgement or refusal. nats.go calls it in the order of arrival, from one goroutine.
func (s *session) onReply(m *natsgo.Msg) {
	s.mu.Lock()
	b := s.batch
	s.mu.Unlock()
	if !b.open || !strings.HasPrefix(m.Subject, b.subject) {
		return // of a batch that is acknowledged whole, or of another session
	}
	sequence, whole, err := b.read(m, s.cfg.Stream)
	if err != nil {
		s.fail(fmt.Errorf("publishing to stream %s: %w", s.cfg.Stream, err))
		return
	}
	if whole {
		s.mu.Lock()
		s.batch.open = false
		s.mu.Unlock()
	}
	s.advance(sequence)
	if whole {
		s.signal()
	}
}

// errCutShort is the acknowledgement of a batch that the server ended before its last message: what is stored of it is
// its beginning.
var errCutShort = errors.New("the server ended the batch early")

// read returns the sequence up to which the batch is stored, and whether that is all of it.
func (b *batch) read(m *natsgo.Msg, stream string) (sequence uint64, whole bool, err error) {
	if b.id == "" {
		sequence, err = parseReply(m, stream)
		return sequence, true, cmp.Or(err, b.check(sequence, 1))
	}
	if len(m.Data) == 0 && m.Header.Get("Status") == "" {
		return b.base, false, nil // the first message of an atomic batch is staged
	}
	if len(m.Data) == 0 && m.Header.Get("Status") == "503" {
		return 0, false, classify(natsgo.ErrNoResponders)
	}
	var r reply
	if err := json.Unmarshal(m.Data, &r); err != nil {
		return 0, false, fmt.Errorf("reading an acknowledgement: %w", err)
	}
	switch {
	case r.Error != nil:
		return 0, false, classify(r.Error)
	case r.Type == "ack":
		return b.base + r.Sequence, false, nil
	case r.Type == "gap":
		return 0, false, fmt.Errorf("the server misses messages before number %d of batch %s", r.Sequence, b.id)
	case r.Type != "":
		return 0, false, fmt.Errorf("the server answered with a message of type %q", r.Type)
	case r.Stream != stream:
		return 0, false, otherStream(r.Stream)
	case r.Batch != b.id:
		return 0, false, fmt.Errorf("the server acknowledged batch %q, want %q", r.Batch, b.id)
	default:
		return r.Sequence, true, b.check(r.Sequence, r.Count)
	}
}

// check compares the acknowledgement of a whole batch with what was sent.
func (b *batch) check(sequence, count uint64) error {
	if !b.sealed || count != b.sent || sequence != b.base+b.sent {
		return fmt.Errorf("%w: %d messages up to sequence %d, want %d up to %d",
			errCutShort, count, sequence, b.sent, b.base+b.sent)
	}
	return nil
}

// reply is everything that servers answer to a message: an acknowledgement (stream and seq), one of a batch (batch and
// count too), flow control of a fast-ingest batch (type ack, gap or err), or an error.
type reply struct {
	Error    *jetstream.APIError `json:"error"`
	Type     string              `json:"type"`
	Stream   string              `json:"stream"`
	Sequence uint64              `json:"seq"` // of the stream; of the batch where Type is set
	Batch    string              `json:"batch"`
	Count    uint64              `json:"count"`
}

// parseReply returns the sequence under which a single message was stored, or why it was not.
func parseReply(m *natsgo.Msg, stream string) (uint64, error) {
	if sequence, ok := parsePlainReply(m.Data, stream); ok {
		return sequence, nil
	}
	if len(m.Data) == 0 && m.Header.Get("Status") == "503" {
		return 0, classify(natsgo.ErrNoResponders)
	}
	var r reply
	if err := json.Unmarshal(m.Data, &r); err != nil {
		return 0, fmt.Errorf("reading an acknowledgement: %w", err)
	}
	switch {
	case r.Error != nil:
		return 0, classify(r.Error)
	case r.Stream != stream:
		return 0, otherStream(r.Stream)
	default:
		return r.Sequence, nil
	}
}

func otherStream(name string) error {
	return configError("stream %s took the message: another stream takes the same subjects", name)
}

// parsePlainReply reads what servers answer nearly always, {"stream":"name", "seq":123}, without allocating.
func parsePlainReply(data []byte, stream string) (sequence uint64, ok bool) {
	rest, ok := bytes.CutPrefix(data, []byte(`{"stream":"`))
	if !ok || len(rest) < len(stream) || string(rest[:len(stream)]) != stream {
		return 0, false
	}
	if rest, ok = bytes.CutPrefix(rest[len(stream):], []byte(`",`)); !ok {
		return 0, false
	}
	if rest, ok = bytes.CutPrefix(bytes.TrimLeft(rest, " "), []byte(`"seq":`)); !ok {
		return 0, false
	}
	digits, ok := bytes.CutSuffix(bytes.TrimLeft(rest, " "), []byte("}"))
	if !ok || len(digits) == 0 || len(digits) > 19 || digits[0] == '0' { // JSON has no leading zeros
		return 0, false
	}
	for _, c := range digits {
		if c < '0' || c > '9' {
			return 0, false
		}
		sequence = sequence*10 + uint64(c-'0')
	}
	return sequence, true
}
