package bridge

import (
	"context"
	"errors"
	"fmt"

	"keyfeed/backlog"
	"keyfeed/internal/change"
	"keyfeed/internal/command"
	"keyfeed/internal/event"
	"keyfeed/internal/pump"
)

// streamFeed hands out the stream of one log.
type streamFeed struct {
	g       *generation
	cursor  *backlog.Cursor
	decoder *command.Decoder
	encoder *event.Encoder
	policy  policy
	h       pump.Handler // of the Run under way

	settings string // of the positions handed out
}

// streamLocked continues after pos, which the log holds. b.mu is held.
func (b *Bridge) streamLocked(g *generation, pos change.Position) (pump.Feed, error) {
	set, err := b.settingsLocked(g, pos.InUnit())
	if err != nil {
		return nil, err
	}
	cursor, err := g.log.CursorAt(g.inLog(pos))
	if err != nil {
		return nil, fmt.Errorf("reading the log after %s: %w", pos, err)
	}
	es := b.eventSettings(set)
	return &streamFeed{
		g: g, cursor: cursor, encoder: event.NewEncoder(es),
		policy: b.policy(), settings: set.text(b.filterDigest()),
		decoder: command.New(command.Settings{Settings: es, Publish: set.Publish, Keep: b.keep()}, command.Start{
			Gen: g.meta.Gen, ReplID: pos.ReplID, Offset: pos.Offset, DB: pos.DB, Skip: pos.Count,
		}),
	}, nil
}

// Encoder implements pump.Feed.
func (f *streamFeed) Encoder() *event.Encoder { return f.encoder }

// Close implements pump.Feed.
func (f *streamFeed) Close() error { return f.cursor.Close() }

// Run implements pump.Feed. It returns nil when the log is sealed and read to its last whole unit.
func (f *streamFeed) Run(ctx context.Context, h pump.Handler) error {
	f.h = h
	defer func() { f.h = nil }()
	for ctx.Err() == nil {
		item, err := f.next(ctx)
		var gone *backlog.OutOfRangeError
		switch {
		case errors.Is(err, errNothing):
			continue
		case errors.Is(err, errSealed):
			return nil
		case errors.As(err, &gone), errors.Is(err, backlog.ErrClosed):
			return fmt.Errorf("%w: %w", pump.ErrReplan, err) // dropped or cut under us
		case err != nil:
			return err
		}
		if err := f.handle(item); err != nil {
			return err
		}
	}
	return context.Cause(ctx)
}

var (
	errNothing = errors.New("nothing yet")
	errSealed  = errors.New("sealed and exhausted")
)

// next waits for the next item, in turns that the handler's Idle limits.
func (f *streamFeed) next(ctx context.Context) (backlog.Item, error) {
	if f.cursor.Ready() {
		return f.cursor.Next(ctx)
	}
	until, err := f.h.Idle(ctx)
	if err != nil {
		return backlog.Item{}, err
	}
	// Sealing wakes the wait. What was logged before is delivered first: the seal is looked at only when the cursor,
	// asked after the seal, has nothing.
	sealed := f.g.isSealed()
	if sealed && !f.cursor.Ready() {
		return backlog.Item{}, errSealed
	}
	wait, cancel := context.WithDeadline(ctx, until)
	defer cancel()
	if !sealed {
		defer context.AfterFunc(f.g.seals, cancel)()
	}
	item, err := f.cursor.Next(wait)
	if err != nil && wait.Err() != nil && ctx.Err() == nil && errors.Is(err, context.Cause(wait)) {
		return item, errNothing
	}
	return item, err
}

func (f *streamFeed) handle(item backlog.Item) error {
	if h := item.History; h != nil {
		return f.history(h)
	}
	err := f.decoder.Feed(item.Chunk, f)
	var stream *command.StreamError
	var script *command.VerbatimScriptError
	switch {
	case errors.As(err, &script):
		return fmt.Errorf("%w: %w", ErrOperator, err)
	case errors.As(err, &stream), errors.Is(err, command.ErrDisagree), errors.Is(err, command.ErrGap), errors.Is(err, command.ErrSkip):
		return fmt.Errorf("%w: the log of generation %d cannot be decoded: %w. "+
			"Look at it with keyfeed backlog inspect; keyfeed position reset asks the source for a new snapshot",
			ErrOperator, f.g.log.Gen(), err)
	}
	return err
}

// Event implements command.Handler.
func (f *streamFeed) Event(e *event.Event) error {
	if err := f.policy.check(e); err != nil {
		return err
	}
	return f.h.Event(e, f.under(f.decoder.Position()))
}

// under adds the settings that what is counted means something under.
func (f *streamFeed) under(pos change.Position) change.Position {
	pos.Settings = f.settings
	return pos
}

// Unit implements command.Handler.
func (f *streamFeed) Unit(end change.Position, _ int64) error { return f.h.Unit(f.under(end)) }

// history publishes a change of the replication id.
func (f *streamFeed) history(h *backlog.History) error {
	f.decoder.SetReplID(h.ReplID)
	pos := f.under(f.decoder.Position())
	e := event.NewHistory(
		event.Stamp{Gen: pos.Gen, Offset: pos.Offset, TsMs: h.Arrived},
		event.History{PrevReplID: h.Prev, ReplID: h.ReplID},
	)
	if err := f.h.Event(&e, pos); err != nil {
		return err
	}
	return f.h.Unit(pos)
}
