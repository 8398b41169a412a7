// Package tail prints events for people: one line each, aligned, with long values cut. It reads the JSON that keyfeed
// publishes, so that it works on whatever a sink holds.
//
//	15:04:05.123  db0  read    hash    user:1001   3 fields  name="Ada" age="36" city="Paris"  expires 2026-11-22T16:00:00Z
//	15:04:06.001  db0  update  string  hits        INCRBY 5
//	15:04:06.002  db0  delete          session:9   DEL
//	15:04:06.003       ── heartbeat
package tail
