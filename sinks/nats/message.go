package nats

import (
	"bytes"
	"encoding/json"
	"fmt"
	"strconv"

	natsgo "github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"

	"keyfeed/internal/change"
)

// writer makes messages. It reuses one: nats.go has copied a message when PublishMsg returns.
type writer struct {
	subjects *subjects
	msg      natsgo.Msg
	position []string // the header values, whose only elements are replaced
	expected []string
	text     []byte
}

func newWriter(t *template) *writer {
	w := &writer{subjects: newSubjects(t), position: make([]string, 1), expected: make([]string, 1)}
	w.msg.Header = natsgo.Header{headerPosition: w.position, jetstream.ExpectedLastSeqHeader: w.expected}
	return w
}

// message returns the message for r, to be stored behind the message with sequence last. It is valid until the next
// call.
func (w *writer) message(r *change.Record, last uint64, replyTo string) *natsgo.Msg {
	w.text = r.Pos.Append(w.text[:0])
	w.position[0] = string(w.text)
	w.text = strconv.AppendUint(w.text[:0], last, 10)
	w.expected[0] = string(w.text)
	w.msg.Subject = w.subjects.of(r)
	w.msg.Reply = replyTo
	w.msg.Data = r.Value
	return &w.msg
}

// parseReply returns the sequence under which a message was stored, or why it was not.
func parseReply(m *natsgo.Msg, stream string) (uint64, error) {
	if sequence, ok := parsePlainReply(m.Data, stream); ok {
		return sequence, nil
	}
	if len(m.Data) == 0 && m.Header.Get("Status") == "503" {
		return 0, classify(natsgo.ErrNoResponders)
	}
	var reply struct {
		Error    *jetstream.APIError `json:"error"`
		Stream   string              `json:"stream"`
		Sequence uint64              `json:"seq"`
	}
	if err := json.Unmarshal(m.Data, &reply); err != nil {
		return 0, fmt.Errorf("reading an acknowledgement: %w", err)
	}
	switch {
	case reply.Error != nil:
		return 0, classify(reply.Error)
	case reply.Stream != stream:
		return 0, configError("stream %s took the message: another stream takes the same subjects", reply.Stream)
	default:
		return reply.Sequence, nil
	}
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
