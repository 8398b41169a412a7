package command

import (
	"errors"
	"fmt"
)

var (
	// ErrGap is wrapped when a chunk does not continue the one before it (invariant 4).
	ErrGap = errors.New("the chunk does not continue the stream")

	// ErrDisagree is wrapped when a chunk says that a unit ends with it, or which database is selected then, and its
	// bytes say otherwise: the bytes are not the ones that were received.
	ErrDisagree = errors.New("the chunk's marks contradict its bytes")

	// ErrSkip is wrapped when the first unit has fewer events than [Start.Skip] says are stored: the position is not of
	// these bytes, or was made under other settings.
	ErrSkip = errors.New("the position counts more events than the unit has")
)

// StreamError says that the bytes at an offset are not a command of a replication stream. Err is a
// [*keyfeed/internal/resp.ProtocolError].
type StreamError struct {
	Offset int64 // of the first byte that cannot be right
	Err    error
}

// Error tells where and what.
func (e *StreamError) Error() string {
	return fmt.Sprintf("decoding the stream at offset %d: %v", e.Offset, e.Err)
}

// Unwrap gives the protocol error.
func (e *StreamError) Unwrap() error { return e.Err }

// VerbatimScriptError says that the source replicates scripts by their text instead of their effects, as Redis up to 4
// does, and Redis 5 to 6.2 with lua-replicate-commands no. What such a script changed cannot be known here.
type VerbatimScriptError struct {
	Name   string // EVAL or EVALSHA
	Offset int64  // of the command's last byte
}

// Error names the remedy.
func (e *VerbatimScriptError) Error() string {
	return fmt.Sprintf("the source replicated a script by its text (%s at offset %d), so its effects are unknown: "+
		"on Redis 5 to 6.2 run CONFIG SET lua-replicate-commands yes, on Redis 4 and older call "+
		"redis.replicate_commands() first in every script, then request a new snapshot", e.Name, e.Offset)
}

// skipError tells by how much a position does not fit.
type skipError struct{ offset, events, skip int64 }

func (e *skipError) Error() string {
	return fmt.Sprintf("decoding the unit up to offset %d: %v: %d of %d", e.offset, ErrSkip, e.skip, e.events)
}

func (e *skipError) Unwrap() error { return ErrSkip }
