package nats

import (
	"context"
	"fmt"

	"keyfeed/internal/change"
)

// Forget takes the position back, so that the next Open finds none: for KEYFEED_ON_SINK_LOSS=resync after an Open that
// gave [sinks.ErrLost]. The events stay. It stores a heartbeat with the position none, which ends the search for the last
// event, and stands in the stream itself: a bucket is not needed.
func (s *Sink) Forget(ctx context.Context) error {
	s.end()
	session, err := s.talk(ctx, func(ctx context.Context, session *session) error {
		at, last, err := session.readEnd(ctx)
		if err != nil {
			return err
		}
		if at.gone {
			if err := session.checkKept(ctx); err != nil {
				return err
			}
		}
		if err := session.checkFence(ctx); err != nil {
			return err
		}
		m := session.epochMessage(tail{gone: true}, last, true)
		m.Header.Set(headerPosition, change.Position{}.String())
		sequence, err := session.sendEpoch(ctx, m)
		if err != nil {
			return fmt.Errorf("forgetting the position in stream %s: %w", s.cfg.Stream, err)
		}
		s.id.began = sequence
		return nil
	})
	if err != nil {
		return err
	}
	session.close()
	return nil
}

// checkKept refuses to forget the position of another source, which stands in the bucket only.
func (s *session) checkKept(ctx context.Context) (err error) {
	if s.keeper, err = newKeeper(ctx, s, false); err != nil {
		return err
	}
	saved, err := s.keeper.load(ctx)
	if err != nil {
		return err
	}
	return s.keeper.checkSource(saved)
}
