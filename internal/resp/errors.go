package resp

import (
	"errors"
	"fmt"
)

var (
	// ErrShort is returned by [Command] when the buffer ends inside the command: call again with more bytes.
	ErrShort = errors.New("the command is not complete")

	// ErrLimit is wrapped by a [*ProtocolError] when a header is well formed but announces more than [Limits] allow.
	ErrLimit = errors.New("over the limit")
)

// ProtocolError says that the bytes are not a command as a primary sends it.
type ProtocolError struct {
	Offset int64  // index of the first byte that cannot be right: in the buffer for Command, in all bytes fed for Scanner
	Msg    string // what was expected there; never holds bytes of the stream
	Limit  bool   // the header is well formed and over a limit; errors.Is(err, ErrLimit)
}

// Error tells where and what.
func (e *ProtocolError) Error() string {
	return fmt.Sprintf("not a replication stream at byte %d: %s", e.Offset, e.Msg)
}

// Unwrap gives ErrLimit for a breach of a limit.
func (e *ProtocolError) Unwrap() error {
	if e.Limit {
		return ErrLimit
	}
	return nil
}

// The messages of ProtocolError, one per expectation.
const (
	msgStart   = "expected * at the start of a command"
	msgNumber  = "expected a decimal number in a header"
	msgCR      = "expected CR after a number"
	msgLF      = "expected LF after CR"
	msgBulk    = "expected $ before an argument"
	msgBodyEnd = "expected CR LF after an argument"
	msgArgs    = "more arguments than the limit"
	msgBulkLen = "an argument longer than the limit"
)
