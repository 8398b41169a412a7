// Package change is the vocabulary that every stage of keyfeed shares: where in a source's history one is
// ([Position]), a piece of the raw stream ([Chunk]), and a run of encoded events on its way to a sink ([Batch]).
//
// It is a leaf: it imports the standard library only, does no I/O and starts no goroutine. Stages (ingest, backlog,
// snapshot, sinks) never import each other; what they hand to one another is made of these types.
//
// # Offsets
//
// An offset counts the bytes of the replication stream as the source counts them. The offset of a byte string is the
// number of its last byte, so the state "everything up to offset N is processed" is continued by asking for N+1.
//
// # Units
//
// A unit is one command outside MULTI, or a whole MULTI…EXEC block. Units are what is published, confirmed and
// replayed; a stored position is between two units, or says exactly how far inside one it is.
package change
