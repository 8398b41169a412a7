package command

import "keyfeed/internal/event"

// DefaultMaxTxnBuffer is [Settings.MaxTxnBuffer] when it is not set.
const DefaultMaxTxnBuffer = 4 << 20

// Settings are what events depend on besides the bytes. Those that cut, number or mark events (the embedded ones,
// Publish, MaxTxnBuffer) must stay the same while a unit is published (invariant 5).
type Settings struct {
	event.Settings

	// Publish makes events of PUBLISH and SPUBLISH (KEYFEED_EVENT_PUBLISH); else they pass without one.
	Publish bool

	// MaxTxnBuffer is the largest MULTI block, in bytes from MULTI to EXEC, that is held in memory and counted before
	// its first event is handed out, so that its events carry txn.size. A larger block is streamed.
	MaxTxnBuffer int

	// Keep is the filter: false drops an event. Nil keeps all. It is called once for each event that is not stored
	// already, in order, before the event is handed out; Txn and, of events inside a MULTI block, nothing else is
	// missing then. The event is borrowed for the call.
	Keep func(*event.Event) bool
}

// Start is where decoding begins: between two units of a generation.
type Start struct {
	Gen    uint64
	ReplID string // goes into the positions handed out
	Offset int64  // the last byte before the first unit
	DB     int    // the database selected there
	Skip   int64  // events of the first unit that are stored already (position +k): decoded, counted, not handed out
}
