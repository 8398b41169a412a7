package app

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"log/slog"
	"os"
	"strings"

	"keyfeed/internal/change"
	"keyfeed/internal/config"
	"keyfeed/sinks"
)

// Look reads the position in the sink of a configuration and describes the place, without making a stream or topic and
// without disturbing a keyfeed that runs. A stream or topic that is not there yet is an error only where keyfeed may not
// make it.
func Look(ctx context.Context, cfg config.Config, log *slog.Logger) (pos change.Position, about string, err error) {
	if cfg.Sink == config.SinkStdout || cfg.Sink == config.SinkDiscard {
		return lookLocal(&cfg)
	}
	made := "KEYFEED_KAFKA_CREATE_TOPICS"
	mayMake := cfg.Kafka.CreateTopics
	if cfg.Sink == config.SinkNATS {
		made, mayMake = "KEYFEED_NATS_CREATE_STREAM", cfg.NATS.CreateStream
	}
	s, err := NewSink(&cfg, io.Discard, log)
	if err != nil {
		return pos, "", err
	}
	defer func() { err = errors.Join(err, s.Close()) }()
	l, ok := s.(sinks.Looker)
	if !ok {
		return pos, "", fmt.Errorf("looking at the sink: %s cannot be looked at", cfg.Sink)
	}
	pos, about, err = l.Look(ctx)
	switch {
	case errors.Is(err, sinks.ErrNoPlace) && mayMake:
		return pos, fmt.Sprintf("%s: connected; what is to be written to does not exist yet, and is made at the first start (%s)",
			cfg.Sink, made), nil
	case err != nil:
		return pos, "", fmt.Errorf("looking at the sink: %w", err)
	}
	return pos, about, nil
}

// lookLocal reads the position file of a sink without a broker: opening such a sink writes to it.
func lookLocal(cfg *config.Config) (pos change.Position, about string, err error) {
	name := positionFile(cfg)
	raw, err := os.ReadFile(name)
	switch {
	case name == "":
		return pos, cfg.Sink + ", position in memory", nil
	case errors.Is(err, fs.ErrNotExist):
		return pos, fmt.Sprintf("%s, position in %s: nothing was published yet", cfg.Sink, name), nil
	case err != nil:
		return pos, "", fmt.Errorf("reading the position: %w", err)
	}
	line, _, _ := strings.Cut(strings.TrimSuffix(string(raw), "\n"), " ") // settings may follow
	pos, err = change.ParsePosition(line)
	if err != nil {
		return pos, "", fmt.Errorf("%w: reading %s: %w", sinks.ErrConfig, name, err)
	}
	return pos, fmt.Sprintf("%s, position in %s", cfg.Sink, name), nil
}
