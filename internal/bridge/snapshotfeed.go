package bridge

import (
	"context"
	"errors"
	"fmt"

	"keyfeed/internal/change"
	"keyfeed/internal/event"
	"keyfeed/internal/pump"
	"keyfeed/snapshot"
)

// snapshotFeed hands out the events of a spool.
type snapshotFeed struct {
	g       *generation
	reader  *snapshot.Reader
	encoder *event.Encoder
	policy  policy
	guard   func(ctx context.Context) error
	keep    func(*event.Event) bool // nil = all
	at      change.Position         // Count is that of the next event
	end     change.Position
}

// snapshotLocked publishes the spool of g: from its start, or, where pos is inside it, from there. b.mu is held.
func (b *Bridge) snapshotLocked(g *generation, pos change.Position) (pump.Feed, error) {
	spool := g.spool.Meta()
	inside := pos.InSnapshot() && pos.Spool == spool.ID && pos.Count > 0
	if !inside && !g.meta.Begun {
		// Number and previous position are fixed before the first event that shows them may leave.
		m := g.meta
		m.Begun = true
		m.Gen = max(m.Gen, pos.Gen+1)
		if !pos.IsZero() {
			m.Prev = pos.String()
		}
		if err := b.saveMeta(g, m); err != nil {
			return nil, err
		}
	}
	set, err := b.settingsLocked(g, inside)
	if err != nil {
		return nil, err
	}
	f := &snapshotFeed{g: g, encoder: event.NewEncoder(b.eventSettings(set)), policy: b.policy(), keep: b.keep()}
	f.end = change.Position{
		Gen: g.meta.Gen, Offset: spool.Offset, DB: spool.DB, ReplID: spool.ReplID, Settings: set.text(b.filterDigest()),
	}
	f.at = f.end
	f.at.Spool = spool.ID
	if inside {
		f.at.Count = pos.Count
	}
	f.guard = func(ctx context.Context) error { return b.guardSpool(ctx, g) }
	f.reader = snapshot.NewReader(g.spool, snapshot.Settings{
		Settings: b.eventSettings(set), Gen: g.meta.Gen, Reason: g.meta.Reason, Prev: g.meta.Prev,
		Gap: b.cfg.SnapshotMode == SnapshotNever,
	}, f.at.Count)
	b.publishing = f.reader
	return f, nil
}

// Encoder implements pump.Feed.
func (f *snapshotFeed) Encoder() *event.Encoder { return f.encoder }

// Close implements pump.Feed.
func (f *snapshotFeed) Close() error { return nil }

// Run implements pump.Feed. A newer generation that can be published ends it: this one is abandoned.
func (f *snapshotFeed) Run(ctx context.Context, h pump.Handler) error {
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	defer context.AfterFunc(f.g.newer, func() { cancel(pump.ErrReplan) })()
	var err error
	if f.at.Count == 0 {
		err = f.guard(ctx)
	}
	if err != nil {
		if errors.Is(context.Cause(ctx), pump.ErrReplan) {
			return pump.ErrReplan
		}
		return err
	}
	err = f.reader.Run(ctx, func(e *event.Event) error {
		f.at.Count++
		if f.keep != nil && !f.keep(e) {
			return nil
		}
		if err := f.policy.check(e); err != nil {
			return err
		}
		return h.Event(e, f.at)
	})
	if err != nil {
		if errors.Is(context.Cause(ctx), pump.ErrReplan) && errors.Is(err, pump.ErrReplan) {
			return pump.ErrReplan
		}
		return fmt.Errorf("publishing the snapshot: %w", err)
	}
	return h.Unit(f.end)
}
