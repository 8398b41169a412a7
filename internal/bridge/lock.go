package bridge

import (
	"fmt"
	"os"
	"path/filepath"

	"golang.org/x/sys/unix"
)

// Lock keeps other processes away from a data directory for as long as this one lives. The kernel releases it when the
// process ends, however it ends.
type Lock struct{ f *os.File }

// LockDir makes dir where it is missing and locks it. An error wraps ErrLocked when another process holds it.
func LockDir(dir string) (*Lock, error) {
	if err := os.MkdirAll(dir, 0o750); err != nil {
		return nil, fmt.Errorf("making the data directory: %w", err)
	}
	f, err := os.OpenFile(filepath.Join(dir, "lock"), os.O_CREATE|os.O_RDWR, 0o600)
	if err != nil {
		return nil, fmt.Errorf("opening the lock of the data directory: %w", err)
	}
	if err := unix.Flock(int(f.Fd()), unix.LOCK_EX|unix.LOCK_NB); err != nil {
		_ = f.Close() // the lock was not taken; nothing was written
		return nil, fmt.Errorf("%w: another keyfeed runs on %s. Stop it, or set KEYFEED_DATA_DIR to another directory",
			ErrLocked, dir)
	}
	return &Lock{f: f}, nil
}

// Unlock gives the directory free.
func (l *Lock) Unlock() error {
	if err := l.f.Close(); err != nil {
		return fmt.Errorf("closing the lock of the data directory: %w", err)
	}
	return nil
}
