package vfs

import (
	"os"
	"syscall"
)

// keepSize is FALLOC_FL_KEEP_SIZE of fallocate(2): blocks are allocated, the file stays as long as it is.
const keepSize = 1

// reserve allocates n bytes of f from off on.
func reserve(f *os.File, off, n int64) error {
	conn, err := f.SyscallConn()
	if err != nil {
		return err
	}
	cerr := conn.Control(func(fd uintptr) { err = syscall.Fallocate(int(fd), keepSize, off, n) })
	if cerr != nil {
		return cerr
	}
	return err
}
