package bridge

import (
	"fmt"
	"os"
	"path/filepath"
)

// requestFile in the source's directory says that an operator asked for a new snapshot. It is removed when one is
// complete, so that a start that fails before does not forget it.
const requestFile = "snapshot.requested"

// RequestSnapshot makes the next Run of the source's bridge ask for everything. The caller holds the lock of dataDir.
func RequestSnapshot(dataDir, name string) error {
	dir := filepath.Join(dataDir, "sources", name)
	if err := os.MkdirAll(dir, 0o750); err != nil {
		return fmt.Errorf("making the source's directory: %w", err)
	}
	if err := writeMark(dir, requestFile); err != nil {
		return fmt.Errorf("noting the request: %w", err)
	}
	return nil
}

// requested reports whether an operator asked for a snapshot that has not come yet.
func (b *Bridge) requested() (bool, error) {
	return b.hasMark(requestFile)
}

// answered forgets the request: the snapshot is complete.
func (b *Bridge) answered() error {
	if err := b.removeMark(requestFile); err != nil {
		return fmt.Errorf("forgetting the request for a snapshot: %w", err)
	}
	return nil
}
