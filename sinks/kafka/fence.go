package kafka

import (
	"context"
	"fmt"
	"time"

	"keyfeed/internal/change"
	"keyfeed/sinks"
)

// transactionalID is the one that all writers of a source share, so that the newest fences the others (invariant 9). Only
// a progress topic of one's own makes another: those who share no position must not fence each other for ever.
func transactionalID(cfg Config) string {
	id := "keyfeed-" + cfg.Source
	if cfg.ProgressTopic != defaultProgressTopic {
		id += "@" + cfg.ProgressTopic
	}
	return id
}

// fence shuts out every other writer of the source. One who has been shut out itself must not do it: it looks first, as
// far as that goes without disturbing anyone. (Its own transaction may still be open, and only fencing would end it.)
func (e *session) fence(ctx context.Context) error {
	s := e.sink
	if s.cfg.AtLeastOnce {
		return nil
	}
	if s.claimed {
		value, err := e.reader().lastCommitted(ctx, s.cfg.Source)
		if err != nil {
			return err
		}
		if value != nil {
			p, err := e.parse(value)
			if err != nil {
				return err
			}
			if err := e.ours(p); err != nil {
				return err
			}
		}
	}
	if _, _, err := e.cl.ProducerID(ctx); err != nil {
		return fmt.Errorf("fencing other writers as %s: %w", transactionalID(s.cfg), err)
	}
	return e.release(ctx)
}

// ours gives an error when another writer has claimed the source after this sink did. Read after fencing it decides the
// same: the other one opened while a transaction of a third kept its record from being seen. It then finds its own record
// as the newest, and goes on.
func (e *session) ours(p *progress) error {
	if !e.sink.claimed || p.Instance == e.sink.instance {
		return nil
	}
	return fmt.Errorf("%w: another keyfeed, instance %s, stored progress of source %s at %s",
		sinks.ErrFenced, p.Instance, p.Source, time.UnixMilli(p.TsMs).UTC().Format(time.RFC3339))
}

// claim stores who writes now.
func (e *session) claim(ctx context.Context, pos change.Position) error {
	if e.sink.cfg.AtLeastOnce {
		return nil
	}
	t := newTransactor(e)
	if err := t.claim(ctx, pos); err != nil {
		return fmt.Errorf("claiming the source: %w", err)
	}
	e.sink.claimed, e.delivery = true, t
	return nil
}
