package bridge_test

import (
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"keyfeed/internal/bridge"
	"keyfeed/internal/fakeprimary"
)

// TestDirectoryOfAnotherSource: one that was renamed or copied under another name is refused, and nothing is changed.
func TestDirectoryOfAnotherSource(t *testing.T) {
	r, _ := newFakeRig(t, &row{sink: none, source: sources(whole())})
	r.start()
	r.sink.until(t, "k12")
	r.stopClean()
	old := filepath.Join(r.cfg.DataDir, "sources")
	if err := os.Rename(filepath.Join(old, "s"), filepath.Join(old, "other")); err != nil {
		t.Fatal(err)
	}
	before := listing(t, filepath.Join(old, "other"))
	r.cfg.Name = "other"
	r.start()
	if err := r.end(false); !errors.Is(err, bridge.ErrOperator) || !strings.Contains(err.Error(), "KEYFEED_SOURCE_NAME") {
		t.Errorf("Run returned %v, want an error for an operator that names the setting", err)
	}
	if now := listing(t, filepath.Join(old, "other")); now != before {
		t.Errorf("the disk holds %s, want %s", now, before)
	}
}

// TestStrangerToTheSinkIsNamed: with nothing on disk the sink's position tells that the server may be another one.
func TestStrangerToTheSinkIsNamed(t *testing.T) {
	for name, tt := range map[string]struct {
		source fakeprimary.History
		last   string
		named  bool
	}{
		"a stranger":       {stranger(), "z01", true},
		"failed over":      {promoted(2), "x12", false},
		"the same, behind": {overrun(), "z01", false},
	} {
		t.Run(name, func(t *testing.T) {
			r, src := newFakeRig(t, &row{sink: after(gen1, 3), source: sources(tt.source)})
			r.start()
			r.sink.until(t, tt.last)
			r.stopClean()
			if got := src.logged.has("another deployment uses the same KEYFEED_SOURCE_NAME"); got != tt.named {
				t.Errorf("the log warns of another source: %v, want %v", got, tt.named)
			}
		})
	}
}

// TestStrangerIsNamed: a server with another run id and no common history may be another one; the log says so. One that was
// failed over is not.
func TestStrangerIsNamed(t *testing.T) {
	const says = "no common history"
	r, src := newFakeRig(t, &row{sink: none, source: sources(whole(), promoted(12), stranger())})
	src.runIDs = []string{idA, idB, idC}
	for i, want := range []string{"k12", "history", "z01"} {
		r.start()
		r.sink.until(t, want)
		r.stopClean()
		if got := src.logged.has(says); got != (i == 2) {
			t.Errorf("connection %d: the log says %q: %v", i, says, got)
		}
	}
}
