package pump

import (
	"context"
	"errors"
	"time"

	"keyfeed/internal/change"
	"keyfeed/internal/event"
)

// ErrReplan is what a Feed returns when it cannot go on but another may: its log was sealed or dropped under it, or a
// newer generation replaced it. The pump asks the planner again, from the last record queued.
var ErrReplan = errors.New("the feed was replaced")

// Planner knows what is on disk. Its methods are called by the pump's goroutines as each says.
type Planner interface {
	// Opened tells the position that the sink held when it was opened. Called before Next, by Run's goroutine.
	Opened(pos change.Position)

	// Next returns the feed of what follows pos, and waits until there is one. io.EOF means that nothing will follow
	// ever (a run for the snapshot only): the pump flushes and Run returns nil. Any other error ends Run.
	Next(ctx context.Context, pos change.Position) (Feed, error)

	// Confirmed tells that everything up to pos is stored in the sink. Called by a goroutine of its own, in order.
	Confirmed(pos change.Position)
}

// Feed hands out the events of one place on disk, a snapshot or a log, once.
type Feed interface {
	// Run calls h for each event in order and returns nil when the feed is exhausted. It returns h's errors as they
	// are, ctx's cause when ctx ends, and ErrReplan (wrapped) when the planner must be asked again. Other errors end Run.
	Run(ctx context.Context, h Handler) error

	// Encoder writes the feed's events; its settings are the ones stored with the generation.
	Encoder() *event.Encoder

	// Close frees what the feed holds. Called once, after Run.
	Close() error
}

// Handler takes the events of a feed. It is called by Run's goroutine only.
type Handler interface {
	// Event takes one event that passed the filter; e is borrowed for the call. pos is true when everything up to and
	// including e is stored.
	Event(e *event.Event, pos change.Position) error

	// Unit says that a unit, or the snapshot, is over: everything up to end has been handed out or passed.
	Unit(end change.Position) error

	// Idle says that the feed has nothing more at the moment. The feed then waits for more, but not beyond the returned
	// time, when it calls Idle again.
	Idle(ctx context.Context) (until time.Time, err error)
}
