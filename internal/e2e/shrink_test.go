//go:build e2e

package e2e

import (
	"fmt"
	"strings"
	"testing"

	"keyfeed/internal/testenv"
)

// A source that comes back empty must not erase the consumers before somebody has said so.
func TestShrunkenSourceIsApproved(t *testing.T) {
	s := natsSink(t)
	source := testenv.Redis(t)
	for i := range 20 {
		if err := source.Client().Set(t.Context(), fmt.Sprint("key", i), "v", 0).Err(); err != nil {
			t.Fatal(err)
		}
	}
	k := startKeyfeed(t, append(s.env, "KEYFEED_SOURCE_URL="+source.URL(), "KEYFEED_MAX_SHRINK=50", "KEYFEED_FULL_SYNCS_PER_HOUR=6")...)
	s.col.awaitKind(k, "snapshot_end", 1, patience)
	source.Kill()
	source.Restart()
	for _, when := range []string{"running", "started again"} {
		if code := k.now.Wait(patience); code != 3 {
			t.Fatalf("%s: exit code %d, want 3; output:\n%s", when, code, k.now.Output())
		}
		for _, text := range []string{"KEYFEED_MAX_SHRINK", "keyfeed position reset"} {
			if !strings.Contains(k.now.Output(), text) {
				t.Errorf("%s: the output does not name %s:\n%s", when, text, k.now.Output())
			}
		}
		k.start()
	}
	if code := k.now.Wait(patience); code != 3 {
		t.Fatalf("exit code %d, want 3; output:\n%s", code, k.now.Output())
	}
	if n := s.col.messages("snapshot_begin"); n != 1 {
		t.Errorf("%d snapshots begin in the sink before anybody approved, want 1", n)
	}
	k.ask("position", "reset")
	k.start()
	s.col.awaitKind(k, "snapshot_end", 2, patience)
	k.terminate()
}
