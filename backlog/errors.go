package backlog

import (
	"errors"
	"fmt"
)

var (
	// ErrNoLog is returned by [Open] when the directory holds no segment.
	ErrNoLog = errors.New("no log in the directory")

	// ErrExists is returned by [Create] when the directory holds segments already.
	ErrExists = errors.New("the directory holds a log already")

	// ErrVersion is wrapped when a segment was written in a format that this program does not know.
	ErrVersion = errors.New("unknown segment format")

	// ErrFull is wrapped by Append and AppendHistory when the log is at its limit or the disk has no space left. Nothing
	// was logged, the log is intact and usable; [Log.WaitRoom] tells when to try again.
	ErrFull = errors.New("the backlog is full")

	// ErrGap is wrapped by [Log.Append] when the chunk does not begin where the log ends (invariant 4). Valid after a
	// tail of 100: a chunk with Start 100. Invalid: Start 99 or 101.
	ErrGap = errors.New("chunk does not continue the log")

	// ErrChunk is wrapped by [Log.Append] when the chunk cannot be one: over [MaxChunk] bytes, a negative database.
	ErrChunk = errors.New("not a chunk that can be logged")

	// ErrInUnit is returned by [Log.AppendHistory] while the log ends inside a unit.
	ErrInUnit = errors.New("the log ends inside a unit")

	// ErrConcurrentWrite is returned to the later one of two goroutines that write to a log at the same time.
	ErrConcurrentWrite = errors.New("another goroutine is writing to the log")

	// ErrClosed is returned by calls after [Log.Close], and by cursors that wait when it is called.
	ErrClosed = errors.New("the log is closed")

	// ErrForeign is wrapped by [Log.Verify] and [Log.CursorAt] for a position that is in the range of the log but not
	// part of it: another generation, another history, another database at the same offset.
	ErrForeign = errors.New("the position belongs to another log")
)

// CorruptError says that a log is damaged where it must not be: before its tail, in bytes that may have been
// acknowledged to the source. Nothing was changed on disk.
type CorruptError struct {
	Path         string // the segment
	Offset       int64  // byte in the file where the damage begins
	StreamOffset int64  // the stream is intact up to and including this offset
	UnitEnd      int64  // the last unit end at or before StreamOffset: what a cut can keep
	Err          error  // what is wrong
	Hint         string // what to do
}

// Error implements error.
func (e *CorruptError) Error() string {
	return fmt.Sprintf("segment %s is damaged at byte %d (stream offset %d): %v; %s",
		e.Path, e.Offset, e.StreamOffset, e.Err, e.Hint)
}

// Unwrap returns what is wrong.
func (e *CorruptError) Unwrap() error { return e.Err }

func corrupt(path string, at, stream, unitEnd int64, err error) *CorruptError {
	return &CorruptError{
		Path: path, Offset: at, StreamOffset: stream, UnitEnd: unitEnd, Err: err,
		Hint: fmt.Sprintf("look at it with keyfeed backlog inspect; keyfeed backlog cut keeps the log up to stream offset %d and drops the rest", unitEnd),
	}
}

// OutOfRangeError says that an offset is not held by the log: before its head (trimmed), after its last unit end (not
// there yet, or cut off after a failover).
type OutOfRangeError struct {
	Offset int64 // what was asked for
	Head   int64 // the first offset that can be asked for
	Tail   int64 // the last unit end
}

// Error implements error.
func (e *OutOfRangeError) Error() string {
	return fmt.Sprintf("stream offset %d is not in the log, which holds %d to %d", e.Offset, e.Head, e.Tail)
}
