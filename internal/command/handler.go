package command

import (
	"keyfeed/internal/change"
	"keyfeed/internal/event"
)

// Handler takes what a [Decoder] makes of the stream. Its methods are called by [Decoder.Feed], in stream order; an
// error ends Feed and the decoder.
type Handler interface {
	// Event takes one event that passed the filter. It is borrowed for the call. [Decoder.Position] tells, during the
	// call, the position behind it.
	Event(e *event.Event) error

	// Unit says that a unit has ended, one without events too. end is the position behind it, events the number of its
	// events before filters, those that were skipped included.
	Unit(end change.Position, events int64) error
}
