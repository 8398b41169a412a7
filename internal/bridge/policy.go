package bridge

import (
	"fmt"

	"keyfeed/internal/event"
)

// policy ends the run at events that the operator does not want to pass, and has the others counted.
type policy struct {
	unknown, oversize bool
	census            *census
}

func (b *Bridge) policy() policy {
	return policy{unknown: b.cfg.FailUnknown, oversize: b.cfg.FailOversize, census: &b.census}
}

// check returns an error for an operator when e must not pass. It names the event, never its key or content.
func (p policy) check(e *event.Event) error {
	p.census.see(e, "emit")
	switch {
	case p.unknown && e.Op == event.OpMessage && e.Kind == event.KindUnknown:
		return fmt.Errorf("%w: the source replicated the unknown command %s (event %s), which KEYFEED_ON_UNKNOWN=fail refuses: "+
			"set it to emit to publish such commands as messages", ErrOperator, e.Cmd, event.AppendID(nil, e))
	case p.oversize && e.Omitted != nil:
		return fmt.Errorf("%w: event %s is too large to be published whole, which KEYFEED_ON_OVERSIZE=fail refuses: "+
			"raise KEYFEED_EVENT_MAX_BYTES and the broker's limit, or set it to omit", ErrOperator, event.AppendID(nil, e))
	}
	return nil
}

// keep is the filter for a decoder; nil keeps everything.
func (b *Bridge) keep() func(*event.Event) bool {
	if b.cfg.Filter.IsZero() {
		return nil
	}
	return func(e *event.Event) bool {
		if b.cfg.Filter.Keep(e) {
			return true
		}
		if b.cfg.Filter.DropUnknown {
			b.census.see(e, "skip")
		}
		return false
	}
}
