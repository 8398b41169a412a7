package ingest

import (
	"errors"
	"fmt"
	"strings"
)

var (
	// ErrOperator is wrapped by the errors of Run and Probe that no retry heals: wrong credentials, missing rights, a
	// server without PSYNC, TLS on one side only. The process ends with exit 3.
	ErrOperator = errors.New("the source needs an operator")

	// ErrRetry is wrapped by an error of a Store, Spool or Log that should close the link and lead back to Resume: the
	// log is full, a payload was damaged, a snapshot did not fit. Other errors of theirs end Run.
	ErrRetry = errors.New("try again")

	// ErrBlocked is an ErrRetry for a log without room: Resume waits until there is some, so the link comes back right
	// after it, without the backoff of a failure.
	ErrBlocked = fmt.Errorf("%w when there is room", ErrRetry)
)

// Kind says what may heal a refusal.
type Kind uint8

// The kinds.
const (
	KindTransient Kind = iota // time: retried with backoff, the position is kept
	KindOperator              // an operator: credentials, rights, addresses
	KindNoPSYNC               // nothing here: this server does not offer replication to us
)

// HandshakeError is a failure before the stream: the step, what the server said, and what to do about it.
type HandshakeError struct {
	Step  string // "dial", "TLS", or the command: "AUTH", "REPLCONF capa", "PSYNC", …
	Reply string // what the server replied, shortened, without secrets; empty when it did not reply
	Hint  string // the remedy; may be empty
	Kind  Kind
	Err   error // the cause when there was no reply
}

// Error tells step, reply and remedy in one line.
func (e *HandshakeError) Error() string {
	var b strings.Builder
	b.WriteString(e.Step)
	if e.Err != nil {
		b.WriteString(": ")
		b.WriteString(e.Err.Error())
	}
	if e.Reply != "" {
		fmt.Fprintf(&b, ": the server replied %q", e.Reply)
	}
	if e.Hint != "" {
		b.WriteString(": ")
		b.WriteString(e.Hint)
	}
	return b.String()
}

// Unwrap gives the cause, and ErrOperator unless the error is transient.
func (e *HandshakeError) Unwrap() []error {
	var errs []error
	if e.Err != nil {
		errs = append(errs, e.Err)
	}
	if e.Kind != KindTransient {
		errs = append(errs, ErrOperator)
	}
	return errs
}

// DesyncError says that the bytes received are not the replication stream at the offset they should be.
type DesyncError struct {
	Offset int64 // of the first byte that cannot be right, as the source counts
	Err    error // what was expected there
	// Context is the bytes around it, at most 256. It is user data: logged once as hex by the Replica, kept out of Error.
	Context []byte
}

// Error tells where; it holds no byte of the stream.
func (e *DesyncError) Error() string {
	return fmt.Sprintf("the stream is out of step at offset %d: %v", e.Offset, e.Err)
}

// Unwrap gives the cause.
func (e *DesyncError) Unwrap() error { return e.Err }

// storeError marks an error that came from the Store, so that it is not taken for one of the link.
type storeError struct {
	op  string
	err error
}

func (e *storeError) Error() string { return e.op + ": " + e.err.Error() }
func (e *storeError) Unwrap() error { return e.err }

func fromStore(op string, err error) error {
	if err == nil {
		return nil
	}
	return &storeError{op, err}
}
