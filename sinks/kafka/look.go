package kafka

import (
	"context"
	"errors"
	"fmt"

	"github.com/twmb/franz-go/pkg/kerr"

	"keyfeed/internal/change"
	"keyfeed/sinks"
)

// Look implements sinks.Looker. It reads what is committed and waits for no transaction.
func (s *Sink) Look(ctx context.Context) (change.Position, string, error) {
	e, err := s.observer()
	if err != nil {
		return change.Position{}, "", err
	}
	defer e.cl.Close()
	pos, about, err := e.look(ctx)
	if err != nil {
		missing := errors.Is(err, kerr.UnknownTopicOrPartition) || errors.Is(err, kerr.UnknownTopicID)
		err = fmt.Errorf("looking at Kafka: %w", classify(e.told(ctx, err), false))
		if missing {
			err = fmt.Errorf("%w: %w", sinks.ErrNoPlace, err)
		}
		return change.Position{}, "", err
	}
	return pos, about, nil
}

func (e *session) look(ctx context.Context) (pos change.Position, about string, err error) {
	if err := e.topics.addProgress(ctx); err != nil {
		return pos, "", err
	}
	if _, err := e.topics.get(ctx, 0); err != nil {
		return pos, "", err
	}
	value, err := e.reader().lastCommitted(ctx, e.sink.cfg.Source)
	if err != nil {
		return pos, "", err
	}
	if value != nil {
		p, err := e.parse(value)
		if err != nil {
			return pos, "", err
		}
		if err := e.topics.restore(ctx, p); err != nil {
			return pos, "", err
		}
		pos = p.position
	}
	about, err = e.describe(ctx, pos)
	return pos, about, err
}
