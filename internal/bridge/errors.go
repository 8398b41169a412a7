package bridge

import (
	"errors"
	"fmt"
	"syscall"

	"keyfeed/backlog"
	"keyfeed/ingest"
	"keyfeed/snapshot"
	"keyfeed/snapshot/rdb"
)

var (
	// ErrOperator is wrapped by errors that a person must look at first; the process ends with exit 3.
	ErrOperator = errors.New("needs an operator")

	// ErrLocked is wrapped by the error of a data directory that another process uses.
	ErrLocked = errors.New("the data directory is in use")

	// errDone ends the group when the work is complete: a run for the snapshot only.
	errDone = errors.New("done")
)

// refused sorts the errors of a snapshot that was received whole: damage may heal, a format that we cannot read does not.
func refused(err error) error {
	if _, ok := errors.AsType[*rdb.UnsupportedError](err); ok {
		return fmt.Errorf("%w: %w", ErrOperator, err)
	}
	return retryFull(err)
}

// noSpace reports whether err says that the file system is full, whoever met it.
func noSpace(err error) bool {
	for _, full := range []error{backlog.ErrFull, snapshot.ErrFull, syscall.ENOSPC, syscall.EDQUOT} {
		if errors.Is(err, full) {
			return true
		}
	}
	return false
}

// retryFull makes errors that time heals ones that the link retries: a full disk or log, a damaged snapshot.
func retryFull(err error) error {
	if errors.Is(err, backlog.ErrFull) {
		return fmt.Errorf("%w: %w", ingest.ErrBlocked, err)
	}
	if noSpace(err) || errors.Is(err, snapshot.ErrDamaged) {
		return fmt.Errorf("%w: %w", ingest.ErrRetry, err)
	}
	if errors.Is(err, snapshot.ErrTooLarge) {
		return fmt.Errorf("%w: %w", ErrOperator, err)
	}
	return err
}
