package nats

import (
	"context"
	"errors"
	"fmt"

	"github.com/nats-io/nats.go/jetstream"

	"keyfeed/internal/change"
	"keyfeed/sinks"
)

// Look reads where the stream stands without beginning an epoch, so that the writer at work goes on.
func (s *Sink) Look(ctx context.Context) (pos change.Position, about string, err error) {
	session, err := s.talk(ctx, func(ctx context.Context, session *session) error {
		stream, err := session.js.Stream(ctx, s.cfg.Stream)
		if errors.Is(err, jetstream.ErrStreamNotFound) {
			return fmt.Errorf("%w: %w", sinks.ErrNoPlace, noStream(&s.cfg, s.template.filter()))
		}
		if err != nil {
			return classify(fmt.Errorf("opening stream %s: %w", s.cfg.Stream, err))
		}
		info := stream.CachedInfo()
		if err := checkStream(&info.Config, s.template.filter()); err != nil {
			return err
		}
		at, last, err := session.readEnd(ctx)
		if err != nil {
			return err
		}
		if session.keeper, err = newKeeper(ctx, session, false); err != nil {
			return err
		}
		if at, err = session.keeper.complete(ctx, at, last); err != nil {
			return err
		}
		pos = at.position
		about = s.describe(session, info, pos)
		return nil
	})
	if err != nil {
		return change.Position{}, "", err
	}
	session.close()
	return pos, about, nil
}

// Describe returns one line for people. The sink must be open.
func (s *Sink) Describe(ctx context.Context) (string, error) {
	if s.session == nil {
		return "", sinks.ErrClosed
	}
	stream, err := s.session.js.Stream(ctx, s.cfg.Stream)
	if err != nil {
		return "", classify(fmt.Errorf("reading the state of stream %s: %w", s.cfg.Stream, err))
	}
	return s.describe(s.session, stream.CachedInfo(), s.Confirmed()), nil
}

// describe is the line for people.
func (s *Sink) describe(session *session, info *jetstream.StreamInfo, pos change.Position) string {
	conn := session.link.conn
	server := fmt.Sprintf("NATS %s at %s", conn.ConnectedServerVersion(), conn.ConnectedUrlRedacted())
	way := ""
	if session.publish != "" {
		way = ", published in the way " + string(session.publish)
	}
	return fmt.Sprintf("%s, stream %s (%s, %d replicas, %d messages, %d bytes, last sequence %d), subjects %s%s, position %v",
		server, s.cfg.Stream, info.Config.Storage, info.Config.Replicas,
		info.State.Msgs, info.State.Bytes, info.State.LastSeq, s.template.filter(), way, pos)
}
