//go:build e2e

package e2e

import (
	"testing"
	"time"

	"keyfeed/internal/testenv"
)

func TestReplayCommandJetStream(t *testing.T) { replayCommand(t, natsSink(t)) }

func TestReplayCommandKafka(t *testing.T) { replayCommand(t, kafkaSink(t)) }

// keyfeed replay follows a source that is written to with everything there is, is killed again and again, the sink is cut,
// and in the end the target is the same.
func replayCommand(t *testing.T, s *sink) {
	t.Helper()
	seed := newSeed(t)
	source, target := startSource(t), testenv.Redis(t)
	if err := target.Client().Do(t.Context(), "DEBUG", "SET-ACTIVE-EXPIRE", "0").Err(); err != nil {
		t.Fatal(err)
	}
	generate(t, source, seed, 5_000, 10_000)
	k := startKeyfeed(t, append(s.env, "KEYFEED_SOURCE_URL="+source.URL())...)
	awaitFullSync(t, k, source)
	env := append([]string{"KEYFEED_TARGET_URL=" + target.URL()}, s.env...)
	from := "nats"
	if len(s.col.parts) > 1 {
		from = "kafka"
	}
	replay := func(args ...string) *testenv.ChildProcess {
		return testenv.Child(t, binary, append([]string{"replay"}, args...), env)
	}
	ws := startWriters(t, source, seed, 2, 2000)
	r := replay("-from", from)
	actions := map[int]func(){4: s.cut, 6: s.mend}
	for _, slot := range []int{1, 2, 3, 5, 7, 8, 9} {
		actions[slot] = func() { r.Kill(); r = replay("-from", from) }
	}
	timeline(t, 1300*time.Millisecond, actions, 10)
	ws.stopAnyhow()
	settle(t, k, source, s, 1)
	r.Kill()
	for _, args := range [][]string{{"-from", from, "-to-end"}, {"-from", from, "-to-end"}, {"-forget"}} {
		r := replay(args...)
		if code := r.Wait(patience); code != 0 {
			t.Fatalf("keyfeed replay %v: code %d\n%s", args, code, r.Output())
		}
		t.Log(r.Stderr())
	}
	if diffs := compare(t, source, target, withoutCounters); len(diffs) > 0 {
		t.Errorf("the target differs from the source: %d differences\n%s", len(diffs), lines(diffs))
	}
}
