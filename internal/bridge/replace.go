package bridge

import (
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
)

// place is a directory with small files. It is the seam where tests cut the power.
type place interface {
	// create makes an empty file, or empties one.
	create(name string) (stateFile, error)
	// rename gives a file another name, replacing what has it.
	rename(from, to string) error
	// sync makes creations and renames durable.
	sync() error
}

type stateFile interface {
	io.WriteCloser
	Sync() error
}

// replaceFile gives a file other content. It is durable on return; a power cut before leaves the old content or the new
// one, whole, and maybe a name.tmp, which the next call replaces.
func replaceFile(at place, name string, data []byte) error {
	if err := writeSynced(at, name+".tmp", data); err != nil {
		return err
	}
	if err := at.rename(name+".tmp", name); err != nil {
		return err
	}
	return at.sync()
}

func writeSynced(at place, name string, data []byte) (err error) {
	f, err := at.create(name)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, f.Close()) }()
	if _, err := f.Write(data); err != nil {
		return err
	}
	return f.Sync()
}

// osDir is a directory of the system.
type osDir string

func (d osDir) path(name string) string { return filepath.Join(string(d), name) }

func (d osDir) create(name string) (stateFile, error) { return os.Create(d.path(name)) }

func (d osDir) rename(from, to string) error { return os.Rename(d.path(from), d.path(to)) }

func (d osDir) sync() (err error) {
	f, err := os.Open(string(d))
	if err != nil {
		return fmt.Errorf("opening a directory to sync it: %w", err)
	}
	defer func() { err = errors.Join(err, f.Close()) }()
	if err := f.Sync(); err != nil {
		return fmt.Errorf("syncing a directory: %w", err)
	}
	return nil
}
