//go:build e2e

package e2e

import (
	"fmt"
	"math/rand/v2"
	"os"
	"slices"
	"strings"
	"time"

	"keyfeed/internal/testenv"
)

// recovery bounds how long nothing at all may come after a fault. How long keyfeed and the broker take to come back, and
// keyfeed to catch up then, depends on the machine.
const recovery = patience

// fault is a kind of fault. do brings one about, drawn from rng, and returns when keyfeed has to recover by itself; what
// shows the recovery is then awaited by run.
type fault struct {
	kind     string
	embedded bool // makes sense with the broker inside keyfeed, too
	do       func(tt *torture, rng *rand.Rand)
}

// run works off the schedule: rounds of every kind in an order drawn from the seed, one round, or until
// KEYFEED_TORTURE_DURATION is over. KEYFEED_TORTURE_FAULTS names the kinds to take, with commas between.
func (tt *torture) run() {
	tt.t.Helper()
	kinds := tt.kinds()
	duration := tt.duration()
	rng := newRand(tt.seed, 7)
	// A disk that is lost, or another keyfeed that takes over, while the first snapshot is on its way would rightly cost
	// another one.
	tt.awaitProgress("the start")
	started := time.Now()
	for number := 0; number < len(kinds) || time.Since(started) < duration; number++ {
		if number%len(kinds) == 0 {
			rng.Shuffle(len(kinds), func(i, j int) { kinds[i], kinds[j] = kinds[j], kinds[i] })
		}
		f := kinds[number%len(kinds)]
		at := time.Now()
		tt.note("fault %d: %s", number, f.kind)
		f.do(tt, newRand(tt.seed, 1000+uint64(number)))
		tt.counts[f.kind]++
		tt.awaitProgress(f.kind)
		tt.note("fault %d: %s, recovered after %v", number, f.kind, time.Since(at).Round(time.Millisecond))
	}
}

func (tt *torture) kinds() []fault {
	tt.t.Helper()
	all := allFaults()
	wanted := func(f fault) bool { return f.embedded || tt.sink.link != nil }
	if only := os.Getenv("KEYFEED_TORTURE_FAULTS"); only != "" {
		names := strings.Split(only, ",")
		for _, name := range names {
			if !slices.ContainsFunc(all, func(f fault) bool { return f.kind == name }) {
				tt.t.Fatalf("KEYFEED_TORTURE_FAULTS: there is no fault %q", name)
			}
		}
		chosen := wanted
		wanted = func(f fault) bool { return chosen(f) && slices.Contains(names, f.kind) }
	}
	all = slices.DeleteFunc(all, func(f fault) bool { return !wanted(f) })
	if len(all) == 0 {
		tt.t.Skip("none of KEYFEED_TORTURE_FAULTS is for this sink")
	}
	return all
}

func (tt *torture) duration() time.Duration {
	tt.t.Helper()
	text := os.Getenv("KEYFEED_TORTURE_DURATION")
	if text == "" {
		return 0
	}
	d, err := time.ParseDuration(text)
	if err != nil {
		tt.t.Fatalf("KEYFEED_TORTURE_DURATION: %v", err)
	}
	return d
}

// note writes a line of the schedule.
func (tt *torture) note(format string, args ...any) {
	text := time.Now().UTC().Format("15:04:05.000 ") + fmt.Sprintf(format, args...)
	tt.schedule = append(tt.schedule, text)
	fmt.Fprintln(os.Stderr, text) // at once: t.Log may come at the end only
}

// awaitProgress waits until every partition has brought what the source writes from now on, in the newest generation, whose
// snapshot has its end: what strikes next may not cost another one.
func (tt *torture) awaitProgress(what string) {
	tt.t.Helper()
	tt.pair.rec.check()
	written := tt.pair.master().Offset() + 200_000 // a part of a second later: what was on its way already proves nothing
	tt.await(fmt.Sprintf("recovery from %s: events behind offset %d", what, written), func() bool {
		want := fmt.Sprintf("%s:%020d", generationOf(tt.sink.col.newest()), written)
		return tt.sink.col.all(func(p *partition) bool { return !p.snapshot && p.last > want })
	})
}

// await waits until ok, and fails when keyfeed ends or nothing more comes.
func (tt *torture) await(what string, ok func() bool) {
	tt.t.Helper()
	tick := time.NewTicker(20 * time.Millisecond)
	defer tick.Stop()
	moved, last := time.Now(), ""
	for !ok() {
		tt.k.running()
		// Heartbeats at one offset are no progress.
		if now := fmt.Sprintf("%.31s", tt.sink.col.newest()); now != last {
			moved, last = time.Now(), now
		}
		if time.Since(moved) > recovery {
			tt.t.Fatalf("nothing has come for %v: %s; have %s", recovery, what, tt.sink.col)
		}
		<-tick.C
	}
}

// generationOf is the part of an id that names the generation.
func generationOf(id string) string {
	gen, _, _ := strings.Cut(id, ":")
	return gen
}

// newest is the highest id of all partitions.
func (c *collector) newest() string {
	c.mu.Lock()
	defer c.mu.Unlock()
	id := ""
	for _, p := range c.parts {
		id = max(id, p.last)
	}
	return id
}

// eventually is testenv.Eventually that fails when keyfeed ends meanwhile.
func (tt *torture) eventually(what string, ok func() bool) {
	tt.t.Helper()
	testenv.Eventually(tt.t, recovery, what, func() bool {
		tt.k.running()
		return ok()
	})
}

// printed is how often the keyfeed that runs has printed a text.
func (tt *torture) printed(text string) int { return strings.Count(tt.k.now.Output(), text) }
