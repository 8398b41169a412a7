// Package bridge wires one source to one sink: it owns the generations on disk, answers the replication link's
// questions (what to ask the source for, where to put a snapshot, where to append), and plans what the pump publishes.
//
// # Generations
//
// A full sync begins a generation: a directory with the spool of its RDB and the log of the stream that follows it.
//
//	<data>/sources/<name>/source.json    the source: name, run id, replication ids
//	<data>/sources/<name>/gen-0000000012/
//	    gen.json        number, reason, previous position, stored settings    (this package)
//	    spool.json      what FULLRESYNC said, the spool's random id             (package snapshot)
//	    spool.rdb       the RDB; removed when the sink has confirmed all of it  (package snapshot)
//	    *.seg           the log                                                (package backlog)
//
// Usually there is one. A second one appears when the source answers FULLRESYNC although a partial resync was asked
// for: the old log is sealed, published to its last whole unit, and removed when the sink has confirmed an event of the
// new generation.
//
// # The start table
//
// The sink's position decides what is published (see plan.go), the newest log decides what the source is asked for (see
// resume.go). They meet only where the two contradict each other: then the disk is dropped and the source is asked
// from the sink's position, because the disk is a buffer and the sink is the truth.
package bridge
