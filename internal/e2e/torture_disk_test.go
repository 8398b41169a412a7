//go:build e2e

package e2e

import (
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"syscall"
	"testing"
	"time"
)

// disk is where keyfeed stores: a small file system of its own where the test may mount one, so that it can be full.
type disk struct {
	t       *testing.T
	dir     string
	limited bool
}

const diskSize = 256 << 20

// newDisk makes a directory; a small file system when that is wanted.
func newDisk(t *testing.T, small bool) *disk {
	t.Helper()
	d := &disk{t: t, dir: t.TempDir()}
	if !small {
		return d
	}
	out, err := exec.CommandContext(t.Context(), "mount", "-t", "tmpfs", "-o", fmt.Sprint("size=", diskSize), "keyfeed-torture", d.dir).CombinedOutput()
	if err != nil {
		t.Logf("no file system of its own for keyfeed (%v: %s): disk-full is made by KEYFEED_BACKLOG_MAX_BYTES", err, out)
		return d
	}
	d.limited = true
	t.Cleanup(func() {
		if out, err := exec.Command("umount", "-l", d.dir).CombinedOutput(); err != nil {
			t.Errorf("umount: %v: %s", err, out)
		}
	})
	return d
}

// fill takes all room, also what keyfeed frees meanwhile, until felt, and gives it back.
func (d *disk) fill(felt func() bool) {
	d.t.Helper()
	name := filepath.Join(d.dir, "filler")
	f, err := os.Create(name)
	if err != nil {
		d.t.Fatal(err)
	}
	defer f.Close()
	defer os.Remove(name)
	block := make([]byte, 1<<20)
	deadline := time.Now().Add(recovery)
	for !felt() {
		if time.Now().After(deadline) {
			d.t.Fatalf("not within %v: keyfeed drops the link because the disk is full", recovery)
		}
		n := len(block)
		for n > 0 {
			switch _, err := f.Write(block[:n]); {
			case errors.Is(err, syscall.ENOSPC):
				n /= 2
			case err != nil:
				d.t.Fatalf("filling the disk: %v", err)
			}
		}
		<-time.After(5 * time.Millisecond)
	}
}
