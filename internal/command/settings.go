package command

import "keyfeed/internal/event"

const (
	// DefaultMaxTxnBuffer is [Settings.MaxTxnBuffer] when it is not set.
	DefaultMaxTxnBuffer = 4 << 20
	// DefaultMaxCommand is [Settings.MaxCommand] when it is not set.
	DefaultMaxCommand = 64 << 20
)

// Settings are what events depend on besides the bytes. Those that cut, number or mark events (the embedded ones,
// Publish, MaxTxnBuffer, MaxCommand) must stay the same while a unit is published (invariant 5).
type Settings struct {
	event.Settings

	// Publish makes events of PUBLISH and SPUBLISH (KEYFEED_EVENT_PUBLISH); else they pass without one.
	Publish bool

	// MaxTxnBuffer is the largest MULTI block, in bytes from MULTI to EXEC, that is held in memory and counted before
	// its first event is handed out, so that its events carry txn.size. A larger block is streamed.
	MaxTxnBuffer int

	// MaxCommand is the largest command, in bytes of the stream, that is held in memory, and so can be cut into events;
	// at least MaxTxnBuffer. The events of a larger one are omitted: they carry its size and SHA-256. Commands whose
	// every argument may be a key (DEL, UNLINK, MSET, MSETNX, MSETEX) are held all the same.
	MaxCommand int

	// Keep is the filter: false drops an event. Nil keeps all. It is called once for each event that is not stored
	// already, in order, and may be called long before the event is handed out: when its block is counted. Txn is not
	// set then. The event is borrowed for the call. What Keep says must depend on the event only.
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
