package nats

import (
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
	settings []string
	text     []byte
}

func newWriter(t *template) *writer {
	w := &writer{subjects: newSubjects(t), position: make([]string, 1), expected: make([]string, 1), settings: make([]string, 1)}
	w.msg.Header = make(natsgo.Header, 5)
	w.reset()
	return w
}

// message returns the message for r, to be stored behind the message with sequence last. It is valid until the next
// call.
func (w *writer) message(r *change.Record, last uint64, replyTo string) *natsgo.Msg {
	w.text = r.Pos.Append(w.text[:0])
	w.position[0] = string(w.text)
	w.text = strconv.AppendUint(w.text[:0], last, 10)
	w.expected[0] = string(w.text)
	if r.Pos.InUnit() && r.Pos.Settings != "" {
		w.settings[0] = r.Pos.Settings
		w.msg.Header[headerSettings] = w.settings
	} else {
		delete(w.msg.Header, headerSettings)
	}
	w.msg.Subject = w.subjects.of(r)
	w.msg.Reply = replyTo
	w.msg.Data = r.Value
	return &w.msg
}

// reset undoes what was changed in the headers of a message.
func (w *writer) reset() {
	clear(w.msg.Header)
	w.msg.Header[headerPosition] = w.position
	w.msg.Header[jetstream.ExpectedLastSeqHeader] = w.expected
}
