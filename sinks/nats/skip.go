package nats

import (
	"keyfeed/internal/change"
	"keyfeed/internal/event"
)

// skip is how many events after a position are stored already, where the position of the last one is not known because
// its message was removed. Write passes over that many.
type skip struct {
	left uint64
	from change.Position
}

// of returns how many of the next records are stored.
func (s *skip) of(records []change.Record) (n int) {
	for ; n < len(records) && s.left > 0; n++ {
		r := &records[n]
		if r.Pos.Gen != s.from.Gen {
			// Perhaps not what was stored after the position, but a new snapshot: nothing of it may be missing. Entries in
			// the bucket around what begins a generation leave only that one event in doubt, and it comes twice then.
			s.left = 0
			return n
		}
		if r.Kind != event.KindHeartbeat { // those come when time has passed, and are not counted
			s.left--
		}
	}
	return n
}
