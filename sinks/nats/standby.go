package nats

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/nats-io/nats.go/jetstream"
)

// Standby implements [sinks.Stander]. A writer at work moves the end of the stream, or the entry in the bucket: while
// its source is silent it writes that every 3 s, and heartbeats into the stream where it has no bucket.
func (s *Sink) Standby(ctx context.Context, quiet time.Duration) error {
	session, err := s.talk(ctx, func(ctx context.Context, session *session) (err error) {
		if session.keeper, err = newKeeper(ctx, session, false); err != nil {
			return err
		}
		return session.awaitQuiet(ctx, quiet)
	})
	if err != nil {
		return err
	}
	session.close()
	s.id.began = 0 // whoever began an epoch after ours is gone: the next Open takes over
	return nil
}

// sign is what a writer at work changes.
type sign struct {
	last, revision uint64
}

// awaitQuiet returns when the sign has stood still for as long as quiet.
func (s *session) awaitQuiet(ctx context.Context, quiet time.Duration) error {
	var seen sign
	for since := time.Now(); ; {
		now, err := s.readSign(ctx)
		if err != nil {
			return err
		}
		if now != seen {
			seen, since = now, time.Now()
		}
		left := quiet - time.Since(since)
		if left <= 0 {
			return nil
		}
		if err := pause(ctx, min(left, max(quiet/16, 10*time.Millisecond))); err != nil {
			return fmt.Errorf("standing by: %w", err)
		}
	}
}

func (s *session) readSign(ctx context.Context) (sign, error) {
	state, err := s.state(ctx)
	if api, ok := errors.AsType[*jetstream.APIError](err); ok && api.ErrorCode == codeStreamNotFound {
		return sign{}, nil // nobody writes to a stream that is not there
	}
	if err != nil {
		return sign{}, err
	}
	if _, err := s.keeper.load(ctx); err != nil {
		return sign{}, err
	}
	return sign{state.LastSeq, s.keeper.revision}, nil
}
