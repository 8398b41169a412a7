package vfs

import (
	"errors"
	"io"
	"io/fs"
	"path/filepath"
	"slices"
	"sync"
)

// memBlock is the unit in which a memory file grows, in bytes: small beside a segment, so that little is wasted, and
// large beside a frame header, so that there are few. Files never move what they hold.
const memBlock = 64 << 10

// Mem is a file system in memory. Nothing in it outlives the process, and its Sync does nothing. The zero Mem is empty
// and ready; every directory exists.
type Mem struct {
	mu    sync.Mutex
	files map[string]*memData // guarded by mu
}

// Create implements [FS].
func (m *Mem) Create(path string) (File, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.files == nil {
		m.files = make(map[string]*memData)
	}
	d := new(memData)
	m.files[path] = d
	return memFile{d}, nil
}

// Open implements [FS].
func (m *Mem) Open(path string) (File, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	d := m.files[path]
	if d == nil {
		return nil, &fs.PathError{Op: "open", Path: path, Err: fs.ErrNotExist}
	}
	return memFile{d}, nil
}

// OpenRead implements [FS].
func (m *Mem) OpenRead(path string) (File, error) { return m.Open(path) }

// Remove implements [FS]. The memory is given back when the last handle is gone.
func (m *Mem) Remove(path string) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.files[path] == nil {
		return &fs.PathError{Op: "remove", Path: path, Err: fs.ErrNotExist}
	}
	delete(m.files, path)
	return nil
}

// List implements [FS].
func (m *Mem) List(dir string) ([]string, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	var names []string
	for path := range m.files {
		if filepath.Dir(path) == filepath.Clean(dir) {
			names = append(names, filepath.Base(path))
		}
	}
	slices.Sort(names)
	return names, nil
}

// SyncDir implements [FS]; it does nothing.
func (*Mem) SyncDir(string) error { return nil }

// memData is the content of one memory file.
type memData struct {
	mu     sync.RWMutex
	blocks [][]byte // each memBlock long; guarded by mu
	size   int64    // guarded by mu
}

// memFile is a handle of a memory file; its methods implement [File].
type memFile struct{ d *memData }

var errNegative = errors.New("negative file offset")

// ReadAt implements [io.ReaderAt].
func (f memFile) ReadAt(p []byte, off int64) (int, error) {
	f.d.mu.RLock()
	defer f.d.mu.RUnlock()
	if off < 0 {
		return 0, errNegative
	}
	n := 0
	for n < len(p) && off < f.d.size {
		block := f.d.blocks[off/memBlock]
		at := off % memBlock
		have := min(memBlock-at, f.d.size-off)
		k := copy(p[n:], block[at:at+have])
		n += k
		off += int64(k)
	}
	if n < len(p) {
		return n, io.EOF
	}
	return n, nil
}

// WriteAt implements [io.WriterAt].
func (f memFile) WriteAt(p []byte, off int64) (int, error) {
	f.d.mu.Lock()
	defer f.d.mu.Unlock()
	if off < 0 {
		return 0, errNegative
	}
	f.d.grow(off + int64(len(p)))
	for n := 0; n < len(p); {
		k := copy(f.d.blocks[off/memBlock][off%memBlock:], p[n:])
		n += k
		off += int64(k)
	}
	f.d.size = max(f.d.size, off)
	return len(p), nil
}

// Size implements [File].
func (f memFile) Size() (int64, error) {
	f.d.mu.RLock()
	defer f.d.mu.RUnlock()
	return f.d.size, nil
}

// Reserve implements [File]: memory is had when it is written.
func (memFile) Reserve(int64) {}

// Truncate implements [File]; what it adds reads as zeros.
func (f memFile) Truncate(size int64) error {
	f.d.mu.Lock()
	defer f.d.mu.Unlock()
	if size < 0 {
		return errNegative
	}
	f.d.grow(size)
	if size < f.d.size {
		keep := (size + memBlock - 1) / memBlock
		clear(f.d.blocks[keep:])
		f.d.blocks = f.d.blocks[:keep]
		if at := size % memBlock; at > 0 { // a later growth must read as zeros
			clear(f.d.blocks[keep-1][at:])
		}
	}
	f.d.size = size
	return nil
}

// Sync implements [File]; it does nothing.
func (memFile) Sync() error { return nil }

// Close implements [File]; it does nothing.
func (memFile) Close() error { return nil }

// grow makes blocks for size bytes. The caller holds mu.
func (d *memData) grow(size int64) {
	for int64(len(d.blocks))*memBlock < size {
		d.blocks = append(d.blocks, make([]byte, memBlock))
	}
}
