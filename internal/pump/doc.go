// Package pump moves events from the disk to a sink: it asks a [Planner] where to continue, runs the [Feed] it gets,
// routes and encodes every event into batches, writes them, and starts over from the sink's own position after an error.
//
//	planner ── feed ── Event/Unit/Idle ── writer: route, encode, batch ── sink
//	   ▲                                                                   │
//	   └──────────────── Confirmed ◄───────────────────────────────────────┘
//
// The position belongs to the sink. The pump keeps none: after any error it opens the sink again, reads what is stored
// there, and the planner finds the bytes that follow. So "rewind" is not a mechanism of its own.
//
// # Heartbeats
//
// Bytes that yield no event (PING, SELECT, filtered commands) move no record's position. When such bytes pile up, by
// [Config.HeartbeatBytes] or for [Config.HeartbeatInterval], the writer adds a heartbeat: a record that stores nothing
// but the position at the last unit boundary, so that the disk can be trimmed and a restart asks the source for bytes
// that it still has.
package pump
