package vfs

import (
	"os"
	"syscall"
)

// keepSize is FALLOC_FL_KEEP_SIZE of fallocate(2): blocks are allocated, the file stays as long as it is.
const keepSize = 1

// spare is how many times what is reserved must be free, so that a reservation leaves room to others on the disk. One that
// finds too little takes all there is before it fails, if only for a moment.
const spare = 4

// reserve allocates n bytes of f from off on.
func reserve(f *os.File, off, n int64) error {
	conn, err := f.SyscallConn()
	if err != nil {
		return err
	}
	cerr := conn.Control(func(fd uintptr) { err = allocate(int(fd), off, n) })
	if cerr != nil {
		return cerr
	}
	return err
}

func allocate(fd int, off, n int64) error {
	var disk syscall.Statfs_t
	if err := syscall.Fstatfs(fd, &disk); err != nil {
		return err
	}
	if n > int64(disk.Bavail)*int64(disk.Bsize)/spare { //nolint:gosec,unconvert // the types differ by architecture
		return syscall.ENOSPC
	}
	return syscall.Fallocate(fd, keepSize, off, n)
}
