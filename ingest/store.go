package ingest

import (
	"context"
	"io"

	"keyfeed/internal/change"
)

// Store is where a Replica keeps what it receives. Its methods are called by one goroutine, that of Run, one at a time.
//
// An error of a Store, Spool or Log ends Run and is returned by it, except one that wraps [ErrRetry]: that closes the
// link, and Run goes on with Resume after a backoff.
type Store interface {
	// Resume says what to ask PSYNC for. It is called before each dial, and may block: until there is room in the log,
	// or for ever when it is full by policy, until ctx ends. When it returns, the log ends at Resume.Offset: what stood
	// behind its last whole unit is cut.
	Resume(ctx context.Context) (Resume, error)

	// Continue is called on +CONTINUE: the stream goes on at the byte after Resume.Offset. replid is the new replication
	// id, whose history begins there, or "" when it is unchanged.
	Continue(ctx context.Context, replid string) (Log, error)

	// FullSync is called on +FULLRESYNC, before the payload is read.
	FullSync(ctx context.Context, full FullSync) (Spool, error)

	// Desync is called when the stream turned out not to be one: the log cannot be continued, and the next Resume must
	// ask for a full resync and say so.
	Desync(ctx context.Context, err *DesyncError) error
}

// Inspector is a Store that wants to see the server before PSYNC, on the same connection: to refuse a foreign run id, or
// to cut its log where a failover cut the history (second_repl_offset). server is the zero ServerInfo where INFO is not
// permitted. What it returns replaces what Resume gave.
type Inspector interface {
	Inspect(ctx context.Context, server ServerInfo, resume Resume) (Resume, error)
}

// Resume is the state to continue from.
type Resume struct {
	ReplID string // replication id, 40 hex digits
	Offset int64  // the last byte that the log holds, a unit's end; PSYNC asks for the byte after it
	DB     int    // the database selected at Offset: the source does not repeat SELECT after +CONTINUE
	Full   bool   // ask for a full resync; ReplID, Offset and DB mean nothing
	Reason string // of Full, for the log: a constant
}

// FullSync describes the snapshot that the source is about to send.
type FullSync struct {
	ReplID    string     // 40 lower-case hex digits
	Offset    int64      // the snapshot is the state at this offset; the stream begins with the byte after it
	ArrivedMs int64      // Unix ms when +FULLRESYNC arrived
	Server    ServerInfo // the zero ServerInfo where INFO is not permitted
}

// Spool takes the payload of one full resync: an RDB file, whole.
type Spool interface {
	io.Writer

	// Size is called once, before the first Write: the payload's bytes, or -1 when the source does not tell ($EOF).
	Size(n int64)

	// Commit is called when the payload is whole. It verifies it and makes it durable (invariant 7), and gives the log
	// for the stream behind it and the database selected at its start: the RDB's repl-stream-db. A payload that is
	// refused gives an error that wraps [ErrRetry] when another full resync may heal it.
	Commit(ctx context.Context) (log Log, db int, err error)

	// Abort is called instead of Commit when the transfer was cut or Write failed.
	Abort(cause error)
}

// Log takes the stream. Append is called by one goroutine; Acked and AckNow by others at the same time.
type Log interface {
	// Append takes the next chunk, which starts where the last one ended, and copies what it keeps. It may block while
	// the disk is slow: acknowledging goes on meanwhile.
	Append(c change.Chunk) error

	// Acked is the offset that REPLCONF ACK may carry now: durable where the ACK policy says, and never beyond the last
	// whole unit (invariant 1). It does not block.
	Acked() int64

	// AckNow makes durable what has been appended, or publishes it, as the ACK policy says, and gives the offset to
	// acknowledge then: the source waits for it (WAIT, SHUTDOWN).
	AckNow(ctx context.Context) (int64, error)
}
