package nats

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"strconv"
	"time"

	natsgo "github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"

	"keyfeed/internal/change"
)

// headerPosition carries the text of a record's position. It is the contract with whoever reads the stream.
const headerPosition = "keyfeed-pos"

// headerSettings carries the settings of a position inside a unit.
const headerSettings = "keyfeed-settings"

// tail is the end of a stream: its last event.
type tail struct {
	sequence uint64          // of the last event, gone or not; 0 when there never was one
	position change.Position // of that event
	gone     bool            // it cannot be read: purge, age. position is what was kept, and skip events are stored after it
	skip     uint64
}

// readTail returns the last event at or before the message with sequence last, past heartbeats of epochs. first is the
// first sequence that the stream has: what is before it was removed.
func (s *session) readTail(ctx context.Context, last, first uint64) (tail, error) {
	for last > 0 {
		if last < first {
			return tail{sequence: last, gone: true}, nil
		}
		m, err := s.messages.at(ctx, last)
		if err != nil {
			return tail{}, err
		}
		if m == nil {
			return tail{sequence: last, gone: true}, nil
		}
		if err := checkSource(s.cfg, m.source(), fmt.Sprintf("message %d", last)); err != nil {
			return tail{}, err
		}
		if isEpoch(m.header) {
			if m.header.Get(headerPosition) != "" { // see Forget
				return tail{sequence: last}, nil
			}
			last = m.before()
			continue
		}
		position, err := positionIn(m.header)
		if err != nil {
			return tail{}, configError("message %d, the last one of stream %s: %w; another program writes to this stream: "+
				"stop it and remove its messages, or set KEYFEED_NATS_STREAM to another stream", last, s.cfg.Stream, err)
		}
		return tail{sequence: last, position: position}, nil
	}
	return tail{}, nil
}

// checkSource refuses what another source has published, as found says: its position means nothing for ours.
func checkSource(c *Config, of, found string) error {
	if of == "" || of == c.Source {
		return nil
	}
	return configError("stream %s belongs to source %q, as %s says, and this is source %q: set KEYFEED_NATS_STREAM and "+
		"KEYFEED_NATS_SUBJECT to others, or KEYFEED_SOURCE_NAME to %q if this is that source; to give the stream to this one, delete it",
		c.Stream, of, found, c.Source, of)
}

// stored is a message of a stream.
type stored struct {
	sequence uint64
	header   natsgo.Header
	data     []byte
}

// source is the name of the source that the event is of; empty where it does not tell.
func (m *stored) source() string {
	var e struct {
		Source struct {
			Name string `json:"name"`
		} `json:"source"`
	}
	if err := json.Unmarshal(m.data, &e); err != nil {
		return "" // of another program; readTail refuses those by their headers
	}
	return e.Source.Name
}

// before is the sequence of the last message that can be an event, before an epoch's heartbeat.
func (m *stored) before() uint64 {
	if behind, err := strconv.ParseUint(m.header.Get(headerBehind), 10, 64); err == nil && behind < m.sequence {
		return behind
	}
	return m.sequence - 1
}

// messages reads single messages of a stream. It asks STREAM.MSG.GET, which the leader answers; nats.go's GetMsg would
// use a direct get where the stream allows it, which any replica answers, from what it has so far.
type messages struct {
	conn    *natsgo.Conn
	stream  string
	timeout time.Duration
}

// A leader that was elected a moment ago may not have applied all that is committed, and says of the rest that it is
// not found (10037). So that answer counts only after some repetitions, and it never means "empty": the last sequence
// told that there is something.
const (
	missingTries = 5
	missingPause = 50 * time.Millisecond
)

// at returns the message with that sequence; nil when it is gone.
func (r *messages) at(ctx context.Context, sequence uint64) (*stored, error) {
	return r.get(ctx, fmt.Sprintf(`{"seq":%d}`, sequence), missingTries)
}

// last returns the newest message of a subject; nil when there is none.
func (r *messages) last(ctx context.Context, subject string) (*stored, error) {
	request, err := json.Marshal(map[string]string{"last_by_subj": subject})
	if err != nil {
		return nil, fmt.Errorf("asking for the last message of %s: %w", subject, err)
	}
	return r.get(ctx, string(request), 1)
}

func (r *messages) get(ctx context.Context, request string, tries int) (*stored, error) {
	for try := 1; ; try++ {
		m, err := r.ask(ctx, request)
		var api *jetstream.APIError
		if !errors.As(err, &api) || api.ErrorCode != codeMessageNotFound {
			return m, err
		}
		if try >= tries {
			return nil, nil //nolint:nilnil // documented
		}
		if err := pause(ctx, missingPause); err != nil {
			return nil, fmt.Errorf("reading stream %s: %w", r.stream, err)
		}
	}
}

func (r *messages) ask(ctx context.Context, request string) (*stored, error) {
	fail := func(err error) (*stored, error) {
		return nil, classify(fmt.Errorf("reading message %s of stream %s: %w", request, r.stream, err))
	}
	ctx, cancel := context.WithTimeout(ctx, r.timeout)
	defer cancel()
	reply, err := r.conn.RequestWithContext(ctx, "$JS.API.STREAM.MSG.GET."+r.stream, []byte(request))
	if err != nil {
		return fail(err)
	}
	var answer struct {
		Error   *jetstream.APIError `json:"error"`
		Message *struct {
			Sequence uint64 `json:"seq"`
			Headers  []byte `json:"hdrs"`
			Data     []byte `json:"data"`
		} `json:"message"`
	}
	if err := json.Unmarshal(reply.Data, &answer); err != nil {
		return fail(err)
	}
	switch {
	case answer.Error != nil:
		return fail(answer.Error)
	case answer.Message == nil:
		return fail(errors.New("the server's answer holds no message"))
	}
	m := &stored{sequence: answer.Message.Sequence, data: answer.Message.Data}
	if len(answer.Message.Headers) > 0 {
		if m.header, err = natsgo.DecodeHeadersMsg(answer.Message.Headers); err != nil {
			return fail(err)
		}
	}
	return m, nil
}

func pause(ctx context.Context, d time.Duration) error {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
		return nil
	case <-ctx.Done():
		return context.Cause(ctx)
	}
}

var errNoPosition = errors.New("it has no " + headerPosition + " header")

func positionIn(header natsgo.Header) (change.Position, error) {
	text := header.Get(headerPosition)
	if text == "" {
		return change.Position{}, errNoPosition
	}
	position, err := change.ParsePosition(text)
	if err == nil && position.IsZero() {
		return position, errNoPosition
	}
	position.Settings = header.Get(headerSettings)
	return position, err
}
