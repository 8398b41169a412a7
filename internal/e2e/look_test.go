//go:build e2e

package e2e

import (
	"strings"
	"testing"

	"keyfeed/internal/testenv"
)

// ask runs a command of keyfeed with the settings of k and returns what it prints; it must succeed.
func (k *keyfeed) ask(args ...string) string {
	k.t.Helper()
	c := testenv.Child(k.t, binary, args, k.env)
	if code := c.Wait(patience); code != 0 {
		k.t.Fatalf("keyfeed %s ended with exit code %d:\n%s", strings.Join(args, " "), code, c.Output())
	}
	return c.Stdout()
}

// An operator looks before the first start, when nothing exists yet, and beside a keyfeed that runs, which must not be
// fenced by it.
func TestLookingDisturbsNobody(t *testing.T) {
	for name, sinkOf := range map[string]func(*testing.T) *sink{"jetstream": natsSink, "kafka": kafkaSink} {
		t.Run(name, func(t *testing.T) {
			s := sinkOf(t)
			source := startSource(t)
			k := newKeyfeed(t, append(s.env, "KEYFEED_SOURCE_URL="+source.URL())...)
			if out := k.ask("check"); !strings.Contains(out, "does not exist yet") {
				t.Errorf("check before the first start says:\n%s", out)
			}
			k.start()
			s.col.awaitKind(k, "snapshot_end", 1, patience)
			for range 3 {
				if out := k.ask("check"); !strings.Contains(out, "position 0") && !strings.Contains(out, "position 1") {
					t.Errorf("check beside a running keyfeed says:\n%s", out)
				}
				if out := k.ask("position", "show"); !strings.Contains(out, ":") {
					t.Errorf("position show says %q", out)
				}
			}
			k.running()
			settle(t, k, source, s, 1)
		})
	}
}
