package snapshot

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"sync"
)

// place is where the files of one spool live: a directory, or memory. It is the seam where tests make disks fail.
type place interface {
	// create makes an empty file, or empties one.
	create(name string) (file, error)
	// open opens a file for reading; fs.ErrNotExist when there is none.
	open(name string) (file, error)
	// rename gives a file another name, replacing what has it.
	rename(from, to string) error
	// remove removes a file; none there is no error.
	remove(name string) error
	// sync makes creations, renames and removals durable.
	sync() error
}

// file is appended to by one goroutine while others read.
type file interface {
	io.Writer
	io.ReaderAt
	io.Closer
	Sync() error
}

// disk is a directory.
type disk string

func (d disk) path(name string) string { return filepath.Join(string(d), name) }

func (d disk) create(name string) (file, error) {
	return os.OpenFile(d.path(name), os.O_CREATE|os.O_TRUNC|os.O_RDWR, 0o600)
}

func (d disk) open(name string) (file, error) { return os.Open(d.path(name)) }

func (d disk) rename(from, to string) error { return os.Rename(d.path(from), d.path(to)) }

func (d disk) remove(name string) error {
	if err := os.Remove(d.path(name)); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	return nil
}

func (d disk) sync() (err error) {
	f, err := os.Open(string(d))
	if err != nil {
		return fmt.Errorf("opening directory to sync it: %w", err)
	}
	defer func() { err = errors.Join(err, f.Close()) }()
	return f.Sync()
}

// memory holds the files of one spool in blocks, so that they grow without being copied.
type memory struct {
	mu    sync.Mutex
	files map[string]*memoryFile // guarded by mu
}

func (m *memory) create(name string) (file, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.files == nil {
		m.files = map[string]*memoryFile{}
	}
	f := &memoryFile{}
	m.files[name] = f
	return f, nil
}

func (m *memory) open(name string) (file, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if f, ok := m.files[name]; ok {
		return f, nil
	}
	return nil, fs.ErrNotExist
}

func (m *memory) rename(from, to string) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	f, ok := m.files[from]
	if !ok {
		return fs.ErrNotExist
	}
	delete(m.files, from)
	m.files[to] = f
	return nil
}

func (m *memory) remove(name string) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	delete(m.files, name)
	return nil
}

func (*memory) sync() error { return nil }

const memoryBlock = 1 << 20

type memoryFile struct {
	mu     sync.RWMutex
	blocks [][]byte // all but the last are full; guarded by mu
	size   int64    // guarded by mu
}

// Write implements [io.Writer].
func (f *memoryFile) Write(p []byte) (int, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	for rest := p; len(rest) > 0; {
		if f.size%memoryBlock == 0 {
			f.blocks = append(f.blocks, make([]byte, memoryBlock))
		}
		n := copy(f.blocks[len(f.blocks)-1][f.size%memoryBlock:], rest)
		f.size += int64(n)
		rest = rest[n:]
	}
	return len(p), nil
}

// ReadAt implements [io.ReaderAt].
func (f *memoryFile) ReadAt(p []byte, off int64) (int, error) {
	f.mu.RLock()
	defer f.mu.RUnlock()
	n := 0
	for n < len(p) && off < f.size {
		at := off % memoryBlock
		m := copy(p[n:], f.blocks[off/memoryBlock][at:min(memoryBlock, at+f.size-off)])
		n += m
		off += int64(m)
	}
	if n < len(p) {
		return n, io.EOF
	}
	return n, nil
}

// Close implements [io.Closer]; the bytes stay until the file is removed.
func (*memoryFile) Close() error { return nil }

// Sync does nothing: memory is lost with the process in any case.
func (*memoryFile) Sync() error { return nil }
