// Package sinks is the contract between the pump and the places events go to, and (in sinktest) the suite that every
// sink passes. A sink is one client of one broker; it sees encoded records and positions, never commands.
//
// # Life of a sink
//
//	pos, err := s.Open(ctx)        // connects, reads what is stored
//	for … { err = s.Write(ctx, b) } // queues batches in order, from the event after pos
//	err = s.Flush(ctx)             // waits until all of them are confirmed
//	s.Close()
//
// The sink owns the position: what Open returns decides where the pump starts, and a batch's own records carry the
// positions that the sink stores with them. What Open returns has the Settings of that position where the place keeps them:
// always inside a unit, and where [Skipper] says that events are passed over. After the first error the sink is failed: every later Write and Flush
// returns that error, nothing newer is confirmed (invariant 8), and only Open starts it anew.
//
// [Window] keeps a sink's books: what is queued, what is confirmed, which batch can be given back.
package sinks

import (
	"context"
	"errors"
	"time"

	"keyfeed/internal/change"
)

var (
	// ErrConfig is wrapped by errors that a retry cannot heal and an operator must: a stream with other subjects, a
	// topic that is compacted, refused credentials, a tail that another program wrote. The process ends with exit 3.
	ErrConfig = errors.New("the sink needs an operator")

	// ErrFenced is wrapped when another writer has taken the sink over. The process ends with exit 75.
	ErrFenced = errors.New("another writer has taken over")

	// ErrTooLarge is wrapped when a record is larger than the place can store: see [Limiter]. The limit may have been
	// lowered since Open; Open again, and cut the record by the limit of then.
	ErrTooLarge = errors.New("record is too large for the sink")

	// ErrLost is wrapped, together with ErrConfig, when the place no longer holds what the position says is stored, so
	// that going on from there would leave a hole: see [Forgetter].
	ErrLost = errors.New("the sink lost what it had confirmed")

	// ErrNoPlace is wrapped, together with ErrConfig, by [Looker.Look] when the stream or a topic does not exist. Open
	// makes them where it may.
	ErrNoPlace = errors.New("the place does not exist yet")

	// ErrFull is wrapped when the place has no room left. It heals when the operator makes room: back off and alert.
	ErrFull = errors.New("the sink is full")

	// ErrClosed is returned by calls after Close.
	ErrClosed = errors.New("sink is closed")
)

// Sink stores records in order. Its methods are called by one goroutine, the pump's, except Confirmed, Updates and Err,
// which any goroutine may call at any time.
type Sink interface {
	// Open connects and returns the position that the sink holds; the zero Position when it holds none. It returns
	// within ctx; errors that no retry heals wrap ErrConfig. Called again after a failure it drops all that was queued,
	// waits until nothing of it can be stored any more or takes it into account, and reads the position anew.
	Open(ctx context.Context) (change.Position, error)

	// Write queues the records of b behind all queued before, and takes b over until it calls b.Release. It blocks
	// while the window is full. An error means that the sink has failed; b is released then too.
	Write(ctx context.Context, b *change.Batch) error

	// Flush returns nil when everything written is confirmed and its position durable in the sink.
	Flush(ctx context.Context) error

	// Confirmed is the last position whose records are all stored (invariant 2); after Open it starts at what Open gave.
	Confirmed() change.Position

	// Updates receives a value after Confirmed moved or the sink failed. It holds one value; receive, then look.
	Updates() <-chan struct{}

	// Err is the error that failed the sink since the last Open, nil while it works.
	Err() error

	// Close ends the client without waiting for what is queued. It is idempotent and ends every goroutine of the sink.
	Close() error
}

// Limiter is a sink that cannot store records of any size.
type Limiter interface {
	// MaxRecord is the largest len(Value)+len(Key) that the sink stores, in bytes; 0 = unknown. Valid after Open.
	MaxRecord() int
}

// Skipper is a sink that may hold more than its position says: it knows how many of the events that follow are stored, and
// not which, because the message that told it was removed. Write then passes over that many, so what follows must be cut and
// selected as it was: see [change.Position].Settings.
type Skipper interface {
	// Skips reports whether Write will pass over records. Called right after Open, by the same goroutine.
	Skips() bool
}

// Stander is a sink that can see another writer at work, without disturbing it.
type Stander interface {
	// Standby only reads. It returns nil when no other writer has left a sign of life for as long as quiet, counted from
	// its call on by this process's clock, and the cause of ctx when that ends first. A writer leaves one at least every
	// 5 seconds, even when its source is silent. Called before Open, by the same
	// goroutine; other errors are like those of Open.
	Standby(ctx context.Context, quiet time.Duration) error
}

// Looker is a sink that can be looked at without taking it over: Open may fence a writer that is at work, so an operator's
// look must not open.
type Looker interface {
	// Look only reads: it makes nothing, and the writer at work does not notice. It connects by itself and returns the
	// position that Open would find at the moment, one line about the place for people, without secrets, and Open's
	// errors. For a sink that is not open.
	Look(ctx context.Context) (pos change.Position, about string, err error)
}

// Forgetter is a sink that can give up a position that it cannot go on from.
type Forgetter interface {
	// Forget takes the position back, durably, so that the next Open finds none; the events stay. It is called by the
	// goroutine that calls Open, after an Open that gave ErrLost, when KEYFEED_ON_SINK_LOSS asks for it.
	Forget(ctx context.Context) error
}

// Describer is a sink that can tell an operator what it is connected to.
type Describer interface {
	// Describe returns one line for people, without secrets: server, version, place, and what the position is.
	Describe(ctx context.Context) (string, error)
}
