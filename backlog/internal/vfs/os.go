package vfs

import "os"

// OS is the file system of the operating system. Files are created with mode 0600: they hold user data.
type OS struct{}

// Create implements [FS].
func (OS) Create(path string) (File, error) {
	return opened(os.OpenFile(path, os.O_RDWR|os.O_CREATE|os.O_TRUNC, 0o600))
}

// Open implements [FS].
func (OS) Open(path string) (File, error) {
	return opened(os.OpenFile(path, os.O_RDWR, 0))
}

// OpenRead implements [FS].
func (OS) OpenRead(path string) (File, error) {
	return opened(os.Open(path))
}

// Remove implements [FS].
func (OS) Remove(path string) error { return os.Remove(path) }

// List implements [FS].
func (OS) List(dir string) ([]string, error) {
	entries, err := os.ReadDir(dir)
	if err != nil {
		return nil, err
	}
	names := make([]string, len(entries))
	for i, e := range entries {
		names[i] = e.Name()
	}
	return names, nil
}

// SyncDir implements [FS].
func (OS) SyncDir(dir string) error {
	d, err := os.Open(dir)
	if err != nil {
		return err
	}
	err = d.Sync()
	if cerr := d.Close(); err == nil {
		err = cerr
	}
	return err
}

func opened(f *os.File, err error) (File, error) {
	if err != nil {
		return nil, err
	}
	return osFile{f}, nil
}

type osFile struct{ *os.File }

// Reserve implements [File]. A room that is had only in part is given back: others may need it.
func (f osFile) Reserve(size int64) {
	length, err := f.Size()
	if err != nil || size > length && reserve(f.File, length, size-length) == nil {
		return
	}
	_ = f.Truncate(length) // to its own length: only what is behind that goes
}

// Size implements [File].
func (f osFile) Size() (int64, error) {
	info, err := f.Stat()
	if err != nil {
		return 0, err
	}
	return info.Size(), nil
}
