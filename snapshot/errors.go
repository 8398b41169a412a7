package snapshot

import (
	"errors"
	"fmt"
	"syscall"

	"keyfeed/snapshot/rdb"
)

var (
	// ErrNoSpool is returned by Open when the directory holds no spool.
	ErrNoSpool = errors.New("there is no spool")

	// ErrIncomplete is returned by Open when the spool was not committed: the process ended while it was received.
	ErrIncomplete = errors.New("the spool is not complete")

	// ErrFormat is wrapped when spool.json is damaged or of a format that this version does not know.
	ErrFormat = errors.New("the spool's metadata cannot be used")

	// ErrDamaged is wrapped when what the source sent is not a whole, intact RDB. Another full resync may heal it.
	ErrDamaged = errors.New("the snapshot is damaged")

	// ErrTooLarge is wrapped when the RDB is larger than Config.MaxBytes.
	ErrTooLarge = errors.New("the snapshot is larger than KEYFEED_SPOOL_MAX_BYTES allows")

	// ErrFull is wrapped when the file system has no room left.
	ErrFull = errors.New("the disk is full")

	// ErrSettings is wrapped by Run when more events are said to be stored than the snapshot has under its settings.
	ErrSettings = errors.New("the settings do not fit the stored events")
)

// classify names the errors of writing that callers branch on.
func classify(err error) error {
	for _, full := range []error{syscall.ENOSPC, syscall.EDQUOT} {
		if errors.Is(err, full) {
			return fmt.Errorf("%w: %w", ErrFull, err)
		}
	}
	return err
}

// damaged names defects of the RDB. What is intact but not supported is no damage: a retry would bring the same.
func damaged(err error) error {
	if _, ok := errors.AsType[*rdb.FormatError](err); ok {
		return fmt.Errorf("%w: %w", ErrDamaged, err)
	}
	return err
}
