package crashfs_test

import (
	"bytes"
	"errors"
	"io"
	"io/fs"
	"path/filepath"
	"slices"
	"syscall"
	"testing"

	"keyfeed/backlog/internal/crashfs"
	"keyfeed/backlog/internal/vfs"
)

// TestContract holds all file systems behind the seam to the same behaviour.
func TestContract(t *testing.T) {
	systems := map[string]func(t *testing.T) (vfs.FS, string){
		"os":    func(t *testing.T) (vfs.FS, string) { t.Helper(); return vfs.OS{}, t.TempDir() },
		"mem":   func(*testing.T) (vfs.FS, string) { return new(vfs.Mem), "dir" },
		"crash": func(*testing.T) (vfs.FS, string) { return crashfs.New(), "dir" },
	}
	for name, open := range systems {
		t.Run(name, func(t *testing.T) {
			sys, dir := open(t)
			path := filepath.Join(dir, "a")
			_, err := sys.Open(path)
			_, rerr := sys.OpenRead(path)
			if !errors.Is(err, fs.ErrNotExist) || !errors.Is(rerr, fs.ErrNotExist) || !errors.Is(sys.Remove(path), fs.ErrNotExist) {
				t.Errorf("a missing file gives %v, %v", err, rerr)
			}
			f, err := sys.Create(path)
			if err != nil {
				t.Fatal(err)
			}
			want := bytes.Repeat([]byte("0123456789abcdef"), 20_000) // several blocks of Mem
			for at := 0; at < len(want); at += 70_001 {
				if _, err := f.WriteAt(want[at:min(at+70_001, len(want))], int64(at)); err != nil {
					t.Fatal(err)
				}
			}
			check := func(want []byte) {
				t.Helper()
				r, err := sys.OpenRead(path)
				if err != nil {
					t.Fatal(err)
				}
				defer r.Close()
				got := make([]byte, len(want)+1)
				n, err := r.ReadAt(got, 0)
				size, serr := r.Size()
				if !errors.Is(err, io.EOF) || serr != nil || size != int64(len(want)) || !bytes.Equal(got[:n], want) {
					t.Errorf("read %d bytes of %d, %v, size %d, %v", n, len(want), err, size, serr)
				}
				if n, err := r.ReadAt(got[:0], 0); n != 0 || err != nil {
					t.Errorf("reading nothing gives %d, %v", n, err)
				}
			}
			check(want)
			if err := errors.Join(f.Truncate(100_000), f.Truncate(150_000), f.Sync(), sys.SyncDir(dir)); err != nil {
				t.Fatal(err)
			}
			clear(want[100_000:])
			check(want[:150_000])
			if _, err := sys.Create(filepath.Join(dir, "b")); err != nil {
				t.Fatal(err)
			}
			names, err := sys.List(dir)
			if err != nil || !slices.Equal(names, []string{"a", "b"}) {
				t.Errorf("List gives %v, %v", names, err)
			}
			if err := sys.Remove(path); err != nil {
				t.Fatal(err)
			}
			if n, err := f.ReadAt(make([]byte, 10), 0); n != 10 || err != nil {
				t.Errorf("reading a removed file gives %d, %v", n, err)
			}
			if err := f.Close(); err != nil {
				t.Error(err)
			}
		})
	}
}

func nothingLost(n int) int { return n }
func allLost(int) int       { return 0 }

func TestCrash(t *testing.T) {
	c := crashfs.New()
	f, err := c.Create("d/a")
	if err != nil {
		t.Fatal(err)
	}
	write := func(s string, at int64) {
		t.Helper()
		if _, err := f.WriteAt([]byte(s), at); err != nil {
			t.Fatal(err)
		}
	}
	write("durable", 0)
	if err := errors.Join(f.Sync(), c.SyncDir("d")); err != nil {
		t.Fatal(err)
	}
	write("LOST", 0)
	if _, err := c.Create("d/b"); err != nil {
		t.Fatal(err)
	}
	if got := string(c.Crash(nothingLost).Bytes("d/a")); got != "LOSTble" {
		t.Errorf("with nothing lost the file holds %q", got)
	}
	after := c.Crash(allLost)
	if got := string(after.Bytes("d/a")); got != "durable" {
		t.Errorf("with all lost the file holds %q", got)
	}
	if names, err := after.List("d"); err != nil || !slices.Equal(names, []string{"a"}) {
		t.Errorf("with all lost there are %v, %v", names, err)
	}
}

func TestSpace(t *testing.T) {
	c := crashfs.New()
	f, err := c.Create("a")
	if err != nil {
		t.Fatal(err)
	}
	c.SetSpace(5)
	if n, err := f.WriteAt([]byte("12345678"), 0); n != 5 || !errors.Is(err, syscall.ENOSPC) {
		t.Errorf("WriteAt gives %d, %v", n, err)
	}
	if n, err := f.WriteAt([]byte("abcde"), 0); n != 5 || err != nil {
		t.Errorf("writing over what is there gives %d, %v", n, err)
	}
}
