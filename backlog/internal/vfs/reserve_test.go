//go:build linux

package vfs

import (
	"bytes"
	"errors"
	"os"
	"path/filepath"
	"syscall"
	"testing"
)

// TestReserve asks for room: the file keeps its length and content, and what it did not need is given back.
func TestReserve(t *testing.T) {
	t.Parallel()
	const room = 1 << 20
	path := filepath.Join(t.TempDir(), "file")
	f, err := OS{}.Create(path)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	if of, ok := f.(osFile); !ok || errors.Is(reserve(of.File, 0, 1), errors.ErrUnsupported) {
		t.Skip("NOT TESTED: that Reserve allocates blocks and gives them back. The file system of the temporary directory " +
			"has no such blocks; set TMPDIR to one that has (ext4, XFS)")
	}
	var disk syscall.Statfs_t
	if err := syscall.Statfs(path, &disk); err != nil {
		t.Fatal(err)
	}
	content := bytes.Repeat([]byte("x"), 10_000)
	if _, err := f.WriteAt(content, 0); err != nil {
		t.Fatal(err)
	}
	for _, tt := range []struct {
		name    string
		reserve int64
		at      int64 // bytes allocated, at least
		most    int64
	}{
		{"room", room, room, 2 * room},
		{"all given back", 0, int64(len(content)), room / 2},
		{"room again", room, room, 2 * room},
		{"less than there is", 5_000, int64(len(content)), room / 2},
		{"half of what is free", int64(disk.Bavail) / 2 * int64(disk.Bsize), int64(len(content)), room / 2}, //nolint:gosec,unconvert // the types differ by architecture
		{"more than any disk has", 1 << 60, int64(len(content)), room / 2},
	} {
		f.Reserve(tt.reserve)
		if n, err := f.Size(); err != nil || n != int64(len(content)) {
			t.Fatalf("%s: the file has %d bytes, %v; want %d", tt.name, n, err, len(content))
		}
		if err := f.Sync(); err != nil { // until then the file system may count late
			t.Fatal(err)
		}
		if n := allocated(t, path); n < tt.at || n > tt.most {
			t.Errorf("%s: %d bytes are allocated, want %d to %d", tt.name, n, tt.at, tt.most)
		}
	}
	if got, err := os.ReadFile(path); err != nil || !bytes.Equal(got, content) {
		t.Errorf("the file has changed: %d bytes, %v", len(got), err)
	}
}

func allocated(t *testing.T, path string) int64 {
	t.Helper()
	info, err := os.Stat(path)
	if err != nil {
		t.Fatal(err)
	}
	stat, ok := info.Sys().(*syscall.Stat_t)
	if !ok {
		t.Fatalf("os.Stat gave %T", info.Sys())
	}
	return stat.Blocks * 512
}
