package nats

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"time"

	natsgo "github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"

	"keyfeed/internal/change"
)

// headerPosition carries the text of a record's position. It is the contract with whoever reads the stream.
const headerPosition = "keyfeed-pos"

// tail is the end of a stream.
type tail struct {
	sequence uint64          // of the last message, gone or not; 0 when there never was one
	position change.Position // of that message
	gone     bool            // the message was removed: purge, age. position is zero
}

// readTail returns the end of the stream once it has stood still for cfg.Settle.
//
// A connection that ended may leave messages behind that the server has received and not stored: its own queue, and
// the sockets' buffers. Such a message is stored only when the sequence that it expects is the stream's last one, so
// most are refused as soon as something else is stored; but if it fits, it comes between two of ours. Waiting makes
// that improbable. It does not make it impossible, see the package documentation.
func readTail(ctx context.Context, conn *natsgo.Conn, js jetstream.JetStream, cfg *Config) (tail, error) {
	last, err := lastSequence(ctx, js, cfg)
	if err != nil {
		return tail{}, err
	}
	for {
		if err := pause(ctx, cfg.Settle); err != nil {
			return tail{}, fmt.Errorf("waiting for the end of stream %s: %w", cfg.Stream, err)
		}
		again, err := lastSequence(ctx, js, cfg)
		if err != nil {
			return tail{}, err
		}
		if again == last {
			break
		}
		last = again
	}
	if last == 0 {
		return tail{}, nil
	}
	return readMessage(ctx, conn, cfg, last)
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

// lastSequence asks the stream's leader, who answers stream info.
func lastSequence(ctx context.Context, js jetstream.JetStream, cfg *Config) (uint64, error) {
	ctx, cancel := context.WithTimeout(ctx, cfg.Timeout)
	defer cancel()
	stream, err := js.Stream(ctx, cfg.Stream)
	if err != nil {
		return 0, classify(fmt.Errorf("reading the state of stream %s: %w", cfg.Stream, err))
	}
	return stream.CachedInfo().State.LastSeq, nil
}

// readMessage reads one message by its exact sequence. It asks STREAM.MSG.GET, which the leader answers; nats.go's
// GetMsg would use a direct get where the stream allows it, which any replica answers, from what it has so far.
func readMessage(ctx context.Context, conn *natsgo.Conn, cfg *Config, sequence uint64) (tail, error) {
	fail := func(err error) (tail, error) {
		return tail{}, classify(fmt.Errorf("reading message %d of stream %s: %w", sequence, cfg.Stream, err))
	}
	ctx, cancel := context.WithTimeout(ctx, cfg.Timeout)
	defer cancel()
	request := fmt.Appendf(nil, `{"seq":%d}`, sequence)
	reply, err := conn.RequestWithContext(ctx, "$JS.API.STREAM.MSG.GET."+cfg.Stream, request)
	if err != nil {
		return fail(err)
	}
	var answer struct {
		Error   *jetstream.APIError `json:"error"`
		Message *struct {
			Headers []byte `json:"hdrs"`
		} `json:"message"`
	}
	if err := json.Unmarshal(reply.Data, &answer); err != nil {
		return fail(err)
	}
	switch {
	case answer.Error != nil && answer.Error.ErrorCode == codeMessageNotFound:
		return tail{sequence: sequence, gone: true}, nil
	case answer.Error != nil:
		return fail(answer.Error)
	case answer.Message == nil:
		return fail(errors.New("the server's answer holds no message"))
	}
	position, err := positionOf(answer.Message.Headers)
	if err != nil {
		return tail{}, configError("message %d, the last one of stream %s: %w; another program writes to this stream: "+
			"stop it and remove its messages, or set KEYFEED_NATS_STREAM to another stream", sequence, cfg.Stream, err)
	}
	return tail{sequence: sequence, position: position}, nil
}

// positionOf reads the position from the header block of a message.
func positionOf(block []byte) (change.Position, error) {
	if len(block) == 0 {
		return change.Position{}, errNoPosition
	}
	header, err := natsgo.DecodeHeadersMsg(block)
	if err != nil {
		return change.Position{}, err
	}
	return positionIn(header)
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
	return position, err
}
