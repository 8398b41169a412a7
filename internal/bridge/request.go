package bridge

import (
	"errors"
	"fmt"
	"io/fs"
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

// tried stands in the request once a full sync was begun for it.
const tried = "tried\n"

// fresh reports whether an operator's request was not tried yet: it then passes the budget of full syncs.
func (b *Bridge) fresh() (bool, error) {
	if b.memory() {
		return false, nil
	}
	info, err := os.Stat(filepath.Join(b.dir, requestFile))
	if errors.Is(err, fs.ErrNotExist) {
		return false, nil
	}
	return err == nil && info.Size() == 0, err
}

func (b *Bridge) requestTried() error {
	if err := writeSynced(osDir(b.dir), requestFile, []byte(tried)); err != nil {
		return fmt.Errorf("noting that the request was tried: %w", err)
	}
	return nil
}

// answered forgets the request: the snapshot is complete. b.mu is held.
func (b *Bridge) answered() error {
	b.approved = false
	if err := b.removeMark(requestFile); err != nil {
		return fmt.Errorf("forgetting the request for a snapshot: %w", err)
	}
	return nil
}
