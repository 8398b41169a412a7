package nats

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/nats-io/nats.go/jetstream"
)

// ensureStream returns the state of the stream, which it makes when it is missing and may be made. A stream that
// breaks what keyfeed promises is refused.
func ensureStream(ctx context.Context, js jetstream.JetStream, cfg *Config, filter string) (*jetstream.StreamInfo, error) {
	ctx, cancel := context.WithTimeout(ctx, cfg.Timeout)
	defer cancel()
	stream, err := js.Stream(ctx, cfg.Stream)
	if errors.Is(err, jetstream.ErrStreamNotFound) && cfg.CreateStream {
		stream, err = js.CreateStream(ctx, newStreamConfig(cfg, filter))
	}
	if errors.Is(err, jetstream.ErrStreamNotFound) {
		return nil, noStream(cfg, filter)
	}
	if err != nil {
		return nil, classify(fmt.Errorf("opening stream %s: %w", cfg.Stream, err))
	}
	info := stream.CachedInfo()
	if err := checkStream(&info.Config, filter); err != nil {
		return nil, err
	}
	return info, nil
}

func noStream(cfg *Config, filter string) error {
	return configError("%w: %s; create it with the subject %s, or set KEYFEED_NATS_CREATE_STREAM=true",
		ErrNoStream, cfg.Stream, filter)
}

// newStreamConfig is the stream that keyfeed makes.
func newStreamConfig(cfg *Config, filter string) jetstream.StreamConfig {
	return jetstream.StreamConfig{
		Name:        cfg.Stream,
		Description: "changes of " + cfg.Source + ", written by keyfeed",
		Subjects:    []string{filter},
		Retention:   jetstream.LimitsPolicy,
		Storage:     jetstream.FileStorage,
		Replicas:    cfg.Replicas,
		MaxAge:      cfg.MaxAge,
		MaxBytes:    unlimited(cfg.MaxBytes),
		MaxMsgs:     -1,
		// A full stream refuses, and keyfeed waits with what it has on disk. The default, DiscardOld, would drop events
		// that no consumer has seen, silently.
		Discard: jetstream.DiscardNew,
	}
}

func unlimited(n int64) int64 {
	if n <= 0 {
		return -1
	}
	return n
}

// checkStream refuses streams that would lose, repeat or reorder events, and those that are not keyfeed's alone.
func checkStream(c *jetstream.StreamConfig, filter string) error {
	refuse := func(what, remedy string) error {
		return configError("stream %s %s: %s", c.Name, what, remedy)
	}
	const other = "set KEYFEED_NATS_STREAM to another one, or change it"
	switch {
	case len(c.Sources) > 0:
		return refuse("copies from other streams", other)
	case c.Mirror != nil:
		return refuse("is a mirror", "nothing can be published to it; "+other)
	case !slices.Equal(c.Subjects, []string{filter}):
		return refuse(fmt.Sprintf("takes the subjects %s, not just %s", strings.Join(c.Subjects, " "), filter),
			"keyfeed must be its only writer; set KEYFEED_NATS_STREAM or KEYFEED_NATS_SUBJECT to others")
	case c.Retention != jetstream.LimitsPolicy:
		return refuse("has retention "+strings.ToLower(c.Retention.String()),
			"its end, which holds the position, may go when consumers acknowledge; use retention limits")
	case c.DiscardNewPerSubject:
		return refuse("discards new messages per subject", "one full subject would stop all; "+other)
	case c.Sealed:
		return refuse("is sealed", "it takes nothing more; "+other)
	case c.PersistMode == jetstream.AsyncPersistMode:
		return refuse("persists asynchronously", "it acknowledges what a crash may lose; use the default persist mode")
	case c.NoAck:
		return refuse("acknowledges nothing", "keyfeed could not know what is stored; turn no_ack off")
	case c.SubjectTransform != nil:
		return refuse("transforms subjects", "consumers would not find them as documented; "+other)
	default:
		return nil
	}
}
