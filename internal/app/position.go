package app

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"

	"keyfeed/internal/change"
	"keyfeed/internal/config"
	"keyfeed/sinks"
)

// Look opens the sink of a configuration without making a stream or topic, reads its position, and describes it. The
// error wraps sinks.ErrConfig when there is no such stream or topic yet.
func Look(ctx context.Context, cfg config.Config, log *slog.Logger) (pos change.Position, about string, err error) {
	cfg.NATS.CreateStream, cfg.Kafka.CreateTopics = false, false
	s, err := NewSink(&cfg, io.Discard, log)
	if err != nil {
		return pos, "", err
	}
	defer func() { err = errors.Join(err, s.Close()) }()
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
