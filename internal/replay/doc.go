// Package replay rebuilds a Redis or Valkey data set from keyfeed's events, by the rules of docs/events.md, Replaying.
//
//	r := replay.New(conn, replay.Options{})
//	for each line, in the order of ids { err := r.Apply(line) }
//	err := r.Flush()
//
// [Job] is the whole of it, as the command keyfeed replay does it: it reads a [Feed], goes on where the target remembers to be,
// and comes back after the target was away.
//
// # What it does with an event
//
//	op, kind                       what is sent to the target
//	snapshot_begin                 FLUSHALL, FUNCTION FLUSH
//	r                              the key anew: SET, RPUSH, SADD, HSET, ZADD, XADD …; RESTORE for modules
//	c u d t with cmd               the command; of events with keys that of seq 0 alone
//	m swapdb, function             the command
//	m heartbeat, history,
//	  snapshot_end, publish        nothing
//	m unknown, gap, slots,
//	  cause oversize               nothing; reported, since the copy is no longer exact
//
// # Groups
//
// Commands are sent in groups between MULTI and EXEC: whole events, and transactions of the source whole, each of which is
// executed when the event with last:true has come. With Options.Bookmark the group ends by writing down, in the target,
// what it holds then; so whatever dies, and wherever, the group and its bookmark are both there or both not. Values that are
// written outside of a group (streams) or by several (parts) are begun anew by the next run, which begins with DEL.
//
// An id that is not above all ids before it is a repeat and is dropped, so at-least-once delivery and broadcast copies need
// no care. Events must come in the order of their ids; [Merger] and [Partitions] make that order from several partitions.
//
// # Deadlines
//
// A key is deleted by the source's own delete event and never by the clock of the target. A deadline that is past or
// near is therefore moved into the future, and key-level conditions (NX, XX, GT, LT, IFEQ …) are dropped: the command
// is in the stream only because it applied. See [Options]. So is LIMIT of XADD and XTRIM, which a master leaves beside the
// exact bound it computed, and which clients may not send there.
//
// # Streams
//
// Entries come by XADD, scalars by XSETID, groups by XGROUP CREATE and pending entries by XCLAIM … FORCE. XCLAIM does
// not make a pending entry whose stream entry is gone (Redis 7.0 and later drop it instead). Its answer tells which
// these are; the stream is then emptied, filled again from a temporary copy with stand-ins at the missing ids, the
// pending entries are claimed, and the stand-ins removed. Groups are untouched by that, since XTRIM and XADD leave them
// alone. What cannot be restored: when a consumer was last seen, and max-deleted-entry-id 0-0 of streams that an old
// server upgraded.
package replay
