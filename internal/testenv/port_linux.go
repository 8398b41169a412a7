package testenv

import (
	"errors"
	"io"
	"os"
	"path/filepath"
	"testing"

	"golang.org/x/sys/unix"
)

// claimPort takes a port for this test among all that use this package, and reports whether nobody has it. The claim is
// a lock on one byte of a file; the kernel drops it when the process ends, however it ends.
func claimPort(tb testing.TB, port int) (release func(), ok bool) {
	tb.Helper()
	cache, err := cacheDir()
	if err == nil {
		err = os.MkdirAll(cache, 0o755)
	}
	if err != nil {
		tb.Fatal(err)
	}
	f, err := os.OpenFile(filepath.Join(cache, "ports.lock"), os.O_CREATE|os.O_RDWR, 0o644)
	if err != nil {
		tb.Fatalf("claiming a port: %v", err)
	}
	release = func() { _ = f.Close() }
	// Of the open file, not of the process as plain record locks: two tests of one process exclude each other too.
	lock := unix.Flock_t{Type: unix.F_WRLCK, Whence: io.SeekStart, Start: int64(port), Len: 1}
	switch err := unix.FcntlFlock(f.Fd(), unix.F_OFD_SETLK, &lock); {
	case err == nil:
		return release, true
	case !errors.Is(err, unix.EAGAIN) && !errors.Is(err, unix.EACCES):
		tb.Fatalf("claiming a port: %v", err)
	}
	release()
	return nil, false
}
