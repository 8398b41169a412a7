package snapshot

import "keyfeed/internal/event"

// Settings are what the events of a snapshot depend on besides the spool. A snapshot that is continued is read under
// the settings it was begun with (invariant 5): the bridge stores them.
type Settings struct {
	event.Settings
	Gen    uint64 // generation of the events; 0 = that of the spool
	Reason string // of snapshot_begin: one of the event.Reason constants
	Prev   string // of snapshot_begin: text of the position known before; empty = none
	Gap    bool   // give one gap event instead of the snapshot
}
