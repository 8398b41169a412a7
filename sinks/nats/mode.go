package nats

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"strconv"
	"strings"

	natsgo "github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"
)

// Publish says how events are sent. Each way keeps what is in flight from being stored in part behind something else;
// see the package documentation.
type Publish string

// The ways to publish.
const (
	PublishAuto   Publish = "auto"   // fast, else atomic, else single: the first that the server knows and the stream allows
	PublishFast   Publish = "fast"   // a fast-ingest batch; servers from 2.14
	PublishAtomic Publish = "atomic" // one atomic batch at a time, so that a unit appears whole; servers from 2.12
	PublishSingle Publish = "single" // one message at a time; any server
)

// ability is what a way to publish needs of the server and of the stream's configuration.
type ability struct {
	way   Publish
	minor int    // the first 2.x that has it
	field string // of the stream's configuration
}

// abilities are the ways that need something, the best one first.
func abilities() []ability {
	return []ability{{PublishFast, 14, "allow_batched"}, {PublishAtomic, 12, "allow_atomic"}}
}

// choosePublish decides how to publish to a stream, and turns on in its configuration what that needs when keyfeed may
// make streams. A way that was asked for and is not there is an error for an operator; auto takes the next one.
func choosePublish(ctx context.Context, conn *natsgo.Conn, cfg *Config, info *jetstream.StreamInfo) (Publish, error) {
	if cfg.Publish == PublishSingle {
		return PublishSingle, nil
	}
	for _, a := range abilities() {
		if cfg.Publish != PublishAuto && cfg.Publish != a.way {
			continue
		}
		reason, err := a.missing(ctx, conn, cfg, info)
		switch {
		case err != nil:
			return "", err
		case reason == "":
			return a.way, nil
		case cfg.Publish == a.way:
			return "", configError("KEYFEED_NATS_PUBLISH=%s: %s; use auto, or another way", a.way, reason)
		}
		cfg.Logger.Warn("a faster way to publish is not available", "publish", string(a.way), "reason", reason)
	}
	return PublishSingle, nil
}

// missing says why the way is not available, "" when it is.
func (a *ability) missing(ctx context.Context, conn *natsgo.Conn, cfg *Config, info *jetstream.StreamInfo) (string, error) {
	// The server that leads the stream writes its version there. Servers before 2.11 do not, and have neither way.
	version := info.Config.Metadata["_nats.ver"]
	if !atLeast(version, a.minor) {
		if version == "" {
			version = "before 2.11"
		}
		return fmt.Sprintf("the server that leads stream %s is %s, and it takes 2.%d", cfg.Stream, version, a.minor), nil
	}
	if a.allowed(&info.Config) {
		return "", nil
	}
	if !cfg.CreateStream {
		return fmt.Sprintf("stream %s does not have %s: turn it on (nats stream edit), or set KEYFEED_NATS_CREATE_STREAM=true", cfg.Stream, a.field), nil
	}
	return a.turnOn(ctx, conn, cfg)
}

func (a *ability) allowed(c *jetstream.StreamConfig) bool {
	if a.way == PublishFast {
		return c.AllowBatchPublish
	}
	return c.AllowAtomicPublish
}

// turnOn changes one field of the stream's configuration and looks whether the server tells it back: one that does not
// know the field drops it silently. All other fields go back as the server sent them, those included that this client
// does not know.
func (a *ability) turnOn(ctx context.Context, conn *natsgo.Conn, cfg *Config) (string, error) {
	config, err := streamRequest(ctx, conn, cfg, "INFO", nil)
	if err != nil {
		return "", fmt.Errorf("reading the settings of stream %s: %w", cfg.Stream, err)
	}
	config[a.field] = json.RawMessage("true")
	request, err := json.Marshal(config)
	if err != nil {
		return "", fmt.Errorf("changing stream %s: %w", cfg.Stream, err)
	}
	config, err = streamRequest(ctx, conn, cfg, "UPDATE", request)
	_, refused := errors.AsType[*jetstream.APIError](err)
	switch {
	case err != nil && !refused: // no answer says nothing about what the server can do
		return "", fmt.Errorf("changing stream %s: %w", cfg.Stream, err)
	case err != nil:
		return fmt.Sprintf("turning %s on for stream %s: %v", a.field, cfg.Stream, err), nil
	case string(config[a.field]) != "true":
		return fmt.Sprintf("the server does not keep %s of stream %s", a.field, cfg.Stream), nil
	default:
		return "", nil
	}
}

// streamRequest asks for something about the stream and returns the configuration in the answer.
func streamRequest(ctx context.Context, conn *natsgo.Conn, cfg *Config, verb string, request []byte) (map[string]json.RawMessage, error) {
	ctx, cancel := context.WithTimeout(ctx, cfg.Timeout)
	defer cancel()
	reply, err := conn.RequestWithContext(ctx, "$JS.API.STREAM."+verb+"."+cfg.Stream, request)
	if err != nil {
		return nil, classify(err)
	}
	var answer struct {
		Error  *jetstream.APIError        `json:"error"`
		Config map[string]json.RawMessage `json:"config"`
	}
	if err := json.Unmarshal(reply.Data, &answer); err != nil {
		return nil, fmt.Errorf("reading the server's answer: %w", err)
	}
	if answer.Error != nil {
		return nil, classify(answer.Error)
	}
	return answer.Config, nil
}

// atLeast reports whether version is 2.minor or later. A version that is none is taken for an old one.
func atLeast(version string, minor int) bool {
	major, rest, _ := strings.Cut(version, ".")
	m, _, _ := strings.Cut(rest, ".")
	mainVersion, err := strconv.Atoi(major)
	if err != nil {
		return false
	}
	got, err := strconv.Atoi(m)
	return err == nil && (mainVersion > 2 || mainVersion == 2 && got >= minor)
}
