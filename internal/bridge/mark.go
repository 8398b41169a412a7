package bridge

import (
	"errors"
	"io/fs"
	"os"
	"path/filepath"
)

// A mark is an empty file in the source's directory: something that the next start must know, whatever ends this one.
// Without a disk there are no marks.

// writeMark makes a mark; it is durable on return.
func writeMark(dir, name string) error {
	if err := writeSynced(osDir(dir), name, nil); err != nil {
		return err
	}
	return osDir(dir).sync()
}

func (b *Bridge) hasMark(name string) (bool, error) {
	if b.memory() {
		return false, nil
	}
	_, err := os.Stat(filepath.Join(b.dir, name))
	if errors.Is(err, fs.ErrNotExist) {
		return false, nil
	}
	return err == nil, err
}

func (b *Bridge) removeMark(name string) error {
	if b.memory() {
		return nil
	}
	if err := os.Remove(filepath.Join(b.dir, name)); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	return nil
}
