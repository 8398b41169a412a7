// Package snapshot receives the RDB of a full resync into a file, and reads it back as events.
//
//	w, err := snapshot.Create(dir, cfg, origin) // on FULLRESYNC
//	w.Expect(size); w.Write(…)                  // as fast as the source sends
//	spool, err := w.Commit(ctx)                 // verified and durable
//
//	r := snapshot.NewReader(spool, settings, n) // n events are stored already
//	err = r.Run(ctx, handler)                   // snapshot_begin … snapshot_end
//	err = spool.Remove()                        // when the sink has confirmed all of them
//
// Receiving and reading are apart so that the source never waits for a broker: the transfer runs at the speed of line
// and disk, while decoding takes as long as it takes, and may begin anew.
//
// # Files
//
// A spool is two files in the directory of its generation:
//
//	spool.rdb    the RDB, as the source sent it
//	spool.json   what is known about it; present only when spool.rdb is whole, verified and durable
//
// spool.json is one JSON object:
//
//	format          1; another number is refused
//	state           "complete"
//	id              random, drawn at FULLRESYNC: a position inside the snapshot names it
//	gen             generation as numbered at FULLRESYNC
//	replid, offset  what FULLRESYNC said
//	arrived_ms      Unix ms when it arrived
//	committed_ms    Unix ms when the spool was complete
//	server, server_version
//	                of the source; absent where not known
//	size            bytes of spool.rdb
//	rdb_magic, rdb_version
//	                of its header
//	db              the database selected where the stream begins (repl-stream-db; 0 when absent)
//	keys            how many keys it holds at least: RESIZEDB of its first database; 0 when absent
//
// Commit syncs spool.rdb, writes spool.json.tmp, syncs and renames it, and syncs the directory. A spool.rdb without
// spool.json is what a crash left.
//
// With an empty directory name both live in memory, within Config.MaxBytes, and end with the process.
//
// # Verification (invariant 7)
//
// Commit compares the CRC-64 at the end of the file with that of all bytes before it; where the source has switched
// checksums off, the whole file is decoded once to check its structure instead. So is a file before RDB 5, which has no
// checksum.
//
// # Events
//
// [Reader] gives the events in the order of the file, numbered by Seq from 0: snapshot_begin, one event per function
// library, for each key one event or several parts, snapshot_end. They depend only on the file, its metadata and
// [Settings] (invariant 5), so that any prefix that is stored already can be passed over. Keys past their deadline are
// included: the source deletes them in the stream. What no event shows is counted by name in snapshot_end.
package snapshot
