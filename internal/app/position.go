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
// without disturbing a keyfeed that runs. The error wraps sinks.ErrConfig when there is no such stream or topic yet.
func Look(ctx context.Context, cfg config.Config, log *slog.Logger) (pos change.Position, about string, err error) {
	if cfg.Sink == config.SinkStdout || cfg.Sink == config.SinkDiscard {
		return lookLocal(&cfg)
	}
	cfg.NATS.CreateStream, cfg.Kafka.CreateTopics = false, false
	s, err := NewSink(&cfg, io.Discard, log)
	if err != nil {
		return pos, "", err
	}
	defer func() { err = errors.Join(err, s.Close()) }()
	if l, ok := s.(sinks.Looker); ok {
		if pos, about, err = l.Look(ctx); err != nil {
			return pos, "", fmt.Errorf("looking at the sink: %w", err)
		}
		return pos, about, nil
	}
	if pos, err = s.Open(ctx); err != nil {
		return pos, "", fmt.Errorf("opening the sink: %w", err)
	}
	if d, ok := s.(sinks.Describer); ok {
		if about, err = d.Describe(ctx); err != nil {
			return pos, "", fmt.Errorf("describing the sink: %w", err)
		}
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
	pos, err = change.ParsePosition(strings.TrimSuffix(string(raw), "\n"))
	if err != nil {
		return pos, "", fmt.Errorf("%w: reading %s: %w", sinks.ErrConfig, name, err)
	}
	return pos, fmt.Sprintf("%s, position in %s", cfg.Sink, name), nil
}
