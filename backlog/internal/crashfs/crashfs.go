package crashfs

import (
	"io"
	"io/fs"
	"maps"
	"path/filepath"
	"slices"
	"sync"
	"syscall"

	"keyfeed/backlog/internal/vfs"
)

// FS is a file system that can crash. Make it with New.
type FS struct {
	mu      sync.Mutex // guards all, the files included
	files   map[string]*file
	durable map[string]*file // the entries that survive for certain
	dirOps  []dirOp          // since the last SyncDir
	space   int64            // bytes that files may still grow by; negative = no limit
	syncErr error            // what Sync gives
	failing error            // what WriteAt and Truncate give
	before  func()           // called before every change, without mu
}

var _ vfs.FS = (*FS)(nil)

type dirOp struct {
	path string
	file *file // nil = removed
}

// file is the content of a file: what it is, what of it is durable, and the changes between the two.
type file struct {
	now, durable []byte
	ops          []op
}

type op struct {
	off  int64
	data []byte // nil = truncate to off
}

func (o op) apply(b []byte) []byte {
	if o.data == nil {
		return resize(b, int(o.off))
	}
	if end := int(o.off) + len(o.data); end > len(b) {
		b = resize(b, end)
	}
	copy(b[o.off:], o.data)
	return b
}

func resize(b []byte, n int) []byte {
	if n <= len(b) {
		return slices.Clip(b[:n])
	}
	return append(b, make([]byte, n-len(b))...)
}

// New makes an empty file system; every directory exists.
func New() *FS {
	return &FS{files: map[string]*file{}, durable: map[string]*file{}, space: -1}
}

// SetSpace lets files grow by n more bytes altogether before writes end early with ENOSPC; negative = no limit.
func (f *FS) SetSpace(n int64) { f.set(func() { f.space = n }) }

// FailSync makes every Sync and SyncDir fail with err; nil ends that.
func (f *FS) FailSync(err error) { f.set(func() { f.syncErr = err }) }

// FailChanges makes every write and truncation fail with err, having changed nothing; nil ends that.
func (f *FS) FailChanges(err error) { f.set(func() { f.failing = err }) }

// Before sets a function that is called before every change and every sync.
func (f *FS) Before(fn func()) { f.set(func() { f.before = fn }) }

func (f *FS) set(fn func()) {
	f.mu.Lock()
	defer f.mu.Unlock()
	fn()
}

func (f *FS) change() func() {
	f.mu.Lock()
	fn := f.before
	f.mu.Unlock()
	if fn != nil {
		fn()
	}
	f.mu.Lock()
	return f.mu.Unlock
}

// Crash returns what a power cut now may leave. choose(n) picks one of 0..n; n itself always means "nothing is lost".
func (f *FS) Crash(choose func(n int) int) *FS {
	f.mu.Lock()
	defer f.mu.Unlock()
	left := maps.Clone(f.durable)
	for _, o := range f.dirOps[:choose(len(f.dirOps))] {
		if o.file == nil {
			delete(left, o.path)
		} else {
			left[o.path] = o.file
		}
	}
	after := New()
	for _, path := range slices.Sorted(maps.Keys(left)) {
		content := left[path].crash(choose)
		c := &file{now: content, durable: slices.Clone(content)}
		after.files[path], after.durable[path] = c, c
	}
	return after
}

func (f *file) crash(choose func(n int) int) []byte {
	b := slices.Clone(f.durable)
	kept := choose(len(f.ops))
	for _, o := range f.ops[:kept] {
		b = o.apply(b)
	}
	if kept == len(f.ops) {
		return b
	}
	if o := f.ops[kept]; o.data != nil {
		torn := op{o.off, o.data[:choose(len(o.data)-1)]}
		if len(torn.data) > 0 {
			b = torn.apply(b)
		}
	}
	if len(f.now) > len(b) && choose(3) == 0 { // the size grew, the data did not come
		b = resize(b, len(b)+1+choose(len(f.now)-len(b)-1))
	}
	return b
}

// Bytes is the content of a file; it must exist.
func (f *FS) Bytes(path string) []byte {
	f.mu.Lock()
	defer f.mu.Unlock()
	return slices.Clone(f.files[path].now)
}

// Put makes or replaces a file, durably.
func (f *FS) Put(path string, b []byte) {
	f.mu.Lock()
	defer f.mu.Unlock()
	c := &file{now: slices.Clone(b), durable: slices.Clone(b)}
	f.files[path], f.durable[path] = c, c
}

// Create implements [vfs.FS].
func (f *FS) Create(path string) (vfs.File, error) {
	defer f.change()()
	if f.failing != nil {
		return nil, f.failing
	}
	c := new(file)
	f.files[path] = c
	f.dirOps = append(f.dirOps, dirOp{path, c})
	return &handle{f, c}, nil
}

// Open implements [vfs.FS].
func (f *FS) Open(path string) (vfs.File, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	c := f.files[path]
	if c == nil {
		return nil, &fs.PathError{Op: "open", Path: path, Err: fs.ErrNotExist}
	}
	return &handle{f, c}, nil
}

// OpenRead implements [vfs.FS].
func (f *FS) OpenRead(path string) (vfs.File, error) { return f.Open(path) }

// Remove implements [vfs.FS].
func (f *FS) Remove(path string) error {
	defer f.change()()
	if f.files[path] == nil {
		return &fs.PathError{Op: "remove", Path: path, Err: fs.ErrNotExist}
	}
	delete(f.files, path)
	f.dirOps = append(f.dirOps, dirOp{path, nil})
	return nil
}

// List implements [vfs.FS].
func (f *FS) List(dir string) ([]string, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	var names []string
	for path := range f.files {
		if filepath.Dir(path) == filepath.Clean(dir) {
			names = append(names, filepath.Base(path))
		}
	}
	slices.Sort(names)
	return names, nil
}

// SyncDir implements [vfs.FS]; there is one directory as far as durability goes.
func (f *FS) SyncDir(string) error {
	defer f.change()()
	if f.syncErr != nil {
		return f.syncErr
	}
	f.durable = maps.Clone(f.files)
	f.dirOps = nil
	return nil
}

// handle is an open file; its methods implement [vfs.File].
type handle struct {
	fs *FS
	f  *file
}

// ReadAt implements [io.ReaderAt].
func (h *handle) ReadAt(p []byte, off int64) (int, error) {
	h.fs.mu.Lock()
	defer h.fs.mu.Unlock()
	if off >= int64(len(h.f.now)) {
		return 0, io.EOF
	}
	n := copy(p, h.f.now[off:])
	if n < len(p) {
		return n, io.EOF
	}
	return n, nil
}

// WriteAt implements [io.WriterAt].
func (h *handle) WriteAt(p []byte, off int64) (int, error) {
	defer h.fs.change()()
	if h.fs.failing != nil {
		return 0, h.fs.failing
	}
	var err error
	grow := off + int64(len(p)) - int64(len(h.f.now))
	if h.fs.space >= 0 && grow > h.fs.space {
		p, err = p[:max(0, int64(len(p))-(grow-h.fs.space))], syscall.ENOSPC
		grow = h.fs.space
	}
	if h.fs.space >= 0 {
		h.fs.space -= max(0, grow)
	}
	if len(p) > 0 {
		o := op{off, slices.Clone(p)}
		h.f.ops = append(h.f.ops, o)
		h.f.now = o.apply(h.f.now)
	}
	return len(p), err
}

// Size implements [vfs.File].
func (h *handle) Size() (int64, error) {
	h.fs.mu.Lock()
	defer h.fs.mu.Unlock()
	return int64(len(h.f.now)), nil
}

// Reserve implements [vfs.File] by doing nothing.
func (*handle) Reserve(int64) {}

// Truncate implements [vfs.File].
func (h *handle) Truncate(size int64) error {
	defer h.fs.change()()
	if h.fs.failing != nil {
		return h.fs.failing
	}
	if h.fs.space >= 0 {
		h.fs.space += max(0, int64(len(h.f.now))-size)
	}
	o := op{size, nil}
	h.f.ops = append(h.f.ops, o)
	h.f.now = o.apply(h.f.now)
	return nil
}

// Sync implements [vfs.File].
func (h *handle) Sync() error {
	defer h.fs.change()()
	if h.fs.syncErr != nil {
		return h.fs.syncErr
	}
	h.f.durable, h.f.ops = slices.Clone(h.f.now), nil
	return nil
}

// Close implements [vfs.File]; it does nothing.
func (*handle) Close() error { return nil }
