package pump

import (
	"errors"
	"fmt"

	"keyfeed/sinks"
)

// sinkError marks an error as the sink's, so that the pump opens the sink again instead of blaming the feed.
type sinkError struct{ err error }

func (e *sinkError) Error() string { return "writing to the sink: " + e.err.Error() }
func (e *sinkError) Unwrap() error { return e.err }

// tooLargeError is a record that the sink cannot store although it was cut for it.
type tooLargeError struct {
	size, max int
	id        string
}

func (e *tooLargeError) Error() string {
	return fmt.Sprintf("event %s takes %d bytes with its key, the sink stores %d at most: "+
		"set KEYFEED_EVENT_MAX_BYTES lower, or the broker's limit higher", e.id, e.size, e.max)
}

// Is makes the error one for an operator: no retry makes the record smaller.
func (*tooLargeError) Is(target error) bool { return target == sinks.ErrConfig }

// transient reports whether opening the sink again may heal err.
//
// The rule of the whole program, docs/delivery.md "Retries": what depends on settings, rights or content stays as it is
// however often one asks; everything else, what is not known included, is retried. The sinks decide which is which for
// what their brokers say, ingest for what the source says, bridge for the disk.
func transient(err error) bool {
	switch {
	case errors.Is(err, sinks.ErrConfig): // an operator must act first
		return false
	case errors.Is(err, sinks.ErrFenced): // another process writes: going on would fight it
		return false
	default: // everything else is a broker or a network that is away
		return true
	}
}
