// Package command turns the bytes of a replication stream into events: it knows every command that can stand in the
// stream of Redis or Valkey, which keys it writes and what it tells about them. The events are those of docs/events.md.
//
//	d := command.New(settings, command.Start{Gen: 7, ReplID: id, Offset: 1000, DB: 0})
//	err := d.Feed(chunk, handler) // calls handler.Event for each event, handler.Unit at the end of each unit
//
// # The table
//
// commands.tsv is the source: one line per command, with where it comes from, its forms, and the rules that make its
// events. gen turns it into table_gen.go, docs/commands.md and docs/commands.json; a test holds them current, another
// one demands a hand-written expectation for every row.
//
//	arity    with the name: 3 exactly, -3 at least, -4%2 four, six, eight …
//	op       u c d t as in the event; c-if-nx, c-unless-replace: u or c by an option; d,u: of two events;
//	         m and a kind: a message; -: no event; wrapped, error
//	key      where the key stands: 1; sub (2, behind a sub-command); dest (1) and 2: written, the others are read;
//	         1,2: both are written; each, pairs, counted-pairs: one event each; rename, move, copy;
//	         sort-store, geo-store: behind the last STORE option
//	keys     what stands in the event's keys
//	args     rest: all but the key; all; none; set: the value and the deadline, as SET takes them
//	expiry   what expire_at_ms says: keep (absent), clear (-1), set and restore (by options), at-s, at-ms, and the
//	         forms that are relative to the arrival: rel-s, rel-ms, setex-s, setex-ms
//	cut      how a command too large for one event is cut
//	tested   the servers whose stream held it in a test
//
// Names are found by a perfect hash over three words, in any case, without allocation. The two words of a container
// command (XGROUP CREATE) are one name. XGROUP, FUNCTION, SCRIPT and PFDEBUG take any sub-command, so that a new one is
// handled like its family; everything else that is not in the table, or whose arguments do not fit its row, becomes an
// unknown message with all of its arguments, and is counted by name.
//
// # Units and transactions
//
// Outside MULTI each command is a unit; MULTI to EXEC is one. Scripts and functions arrive as MULTI blocks too. MULTI
// inside a block changes nothing. EXEC outside one is a unit without events (Redis up to 6.2 may close a block with it
// whose MULTI was sent to nobody); it is counted as stray.
//
// A block of at most Settings.MaxTxnBuffer bytes is decoded twice: first to count its events and ask the filter, then
// to hand them out with the transaction's size, the last of them marked. Kept between the passes are the raw bytes and
// one bit an event. A larger block is streamed without a size; one event is held back, since the last one handed out
// must say so. A block that yields one event is no transaction.
//
// # What events depend on
//
// The bytes, their arrival times, the start and the settings; nothing else (invariant 5): neither how the stream was
// cut into chunks, nor where decoding began, nor how often it was done. An event's time is the arrival of its
// command's last byte. So is what relative deadlines are counted from: EX, PX, SETEX, PSETEX, EXPIRE, PEXPIRE and
// RESTORE without ABSTTL, as Redis 6.2 and older send them, become PXAT, PEXPIREAT and ABSTTL.
//
// # Too large for one event
//
// An event larger than MaxBytes when encoded is cut where its command allows it, into events that replay one by one:
//
//   - RPUSH, LPUSH, RPUSHX, LPUSHX, SADD, SREM, HDEL, ZREM, XDEL, PFADD between arguments, HSET and HMSET between
//     pairs, ZADD between pairs with its options repeated (with INCR not at all). Pieces take as many as fit. An element
//     too large alone is a piece that is omitted.
//   - SET into SET with all its options and the first piece, then APPEND; so is each pair of MSET, MSETNX, MSETEX, and
//     what SETEX and PSETEX become. APPEND into APPENDs. SETRANGE into SETRANGEs at growing offsets. Pieces of text end
//     between characters.
//
// Everything else is omitted: its arguments are replaced by their size and SHA-256, cause oversize. A key over 64 KiB
// is left out as well, and nothing of its command is cut.
//
// # Memory
//
// A command that is whole in its chunk is parsed in place. Copied are only a command that a chunk cuts, a block that is
// being counted, and the event held back while a block is streamed. A command larger than Settings.MaxCommand is not
// held at all: its first arguments, cut to what a key may be long, are kept to make its events, and the rest is only
// summed up; the events are those of an omitted command, cut nowhere. Held whatever their size are DEL, UNLINK, MSET,
// MSETNX and MSETEX, where each argument may be a key of its own.
//
// A steady stream allocates nothing (TestNoAllocations); BenchmarkDecode and BenchmarkDecodeEncode measure it:
//
//	go test -run xxx -bench Decode ./internal/command
package command
