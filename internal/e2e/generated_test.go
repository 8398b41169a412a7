//go:build e2e

package e2e

import (
	"os"
	"strconv"
	"strings"
	"testing"
	"time"

	"keyfeed/internal/testenv"
)

// generatedRun is how much TestGenerated does.
type generatedRun struct {
	servers     []string // "redis" is that of PATH
	calls       int      // to each, at least
	checkpoints int
}

// generatedDBs is how many databases generated commands use.
const generatedDBs = 3

func chosenRun(t *testing.T) generatedRun {
	t.Helper()
	run := generatedRun{servers: []string{"redis"}, calls: 3000, checkpoints: 2}
	if s := os.Getenv("KEYFEED_GENERATED_SERVERS"); s != "" {
		run.servers, run.calls, run.checkpoints = strings.Split(s, ","), 200_000, 20
	}
	for name, n := range map[string]*int{"KEYFEED_GENERATED_CALLS": &run.calls, "KEYFEED_GENERATED_CHECKPOINTS": &run.checkpoints} {
		if s := os.Getenv(name); s != "" {
			var err error
			if *n, err = strconv.Atoi(s); err != nil {
				t.Fatalf("%s: %v", name, err)
			}
		}
	}
	return run
}

// TestGenerated sends every command of the table that the server has, with random options, and holds at each checkpoint
// that a server into which keyfeed replay has put the events holds the same; between checkpoints keyfeed is ended and
// started again.
func TestGenerated(t *testing.T) {
	run := chosenRun(t)
	for _, server := range run.servers {
		t.Run(server, func(t *testing.T) { generated(t, server, run.calls, run.checkpoints) })
	}
}

func generated(t *testing.T, server string, calls, checkpoints int) {
	t.Helper()
	started := time.Now()
	seed := newSeed(t)
	start := func(opts ...testenv.Option) *testenv.Instance {
		if server == "redis" {
			return testenv.Redis(t, opts...)
		}
		return testenv.Server(t, server, opts...)
	}
	source := start(
		testenv.Set("repl-backlog-size", "512mb"), testenv.Set("client-output-buffer-limit", "replica 0 0 0"),
		testenv.Set("hz", "500"),                        // a client that waits for 1 ms waits for the next tick
		testenv.Set("repl-ping-replica-period", "3600"), // so that what moves the offset is the effect of a command
	)
	target, peer, replica := start(), start(), start()
	replica.ReplicaOf(source)
	if err := target.Client().Do(t.Context(), "DEBUG", "SET-ACTIVE-EXPIRE", "0").Err(); err != nil {
		t.Fatal(err)
	}
	w := newGeneratedWriter(t, seed, source, peer)
	w.send(calls / 20) // what the snapshot holds

	s := natsSink(t)
	k := startKeyfeed(t, append(s.env, "KEYFEED_SOURCE_URL="+source.URL())...)
	const fullSyncs = 2 // of keyfeed and of the replica
	testenv.Eventually(t, time.Minute, "the source serves a full sync", func() bool {
		k.running()
		return source.SyncFull() == fullSyncs
	})
	for i := range checkpoints {
		portion := calls / checkpoints
		w.send(portion / 2)
		if i > 0 {
			if i%2 == 0 {
				k.kill()
			} else {
				k.terminate()
			}
			k.start()
		}
		w.send(portion - portion/2)
		if i == checkpoints-1 {
			w.completeTally()
		}
		awaitDeadlines(t, source)
		quiesce(t, source)
		// Redis 6.2 replicates FLUSHDB only where there is something to flush.
		if err := source.DB(barrierDB).Set(t.Context(), "barrier", i, 0).Err(); err != nil {
			t.Fatal(err)
		}
		s.col.awaitBarrier(k, barrier(t, source), 5*time.Minute)
		replica.AwaitOffset(source)
		bringUpToDate(t, s, target, func() {
			if diffs := compare(t, replica, target, withoutCounters); len(diffs) > 0 {
				t.Errorf("the target differs from a replica of the source: %d differences\n%s", len(diffs), lines(diffs))
			}
			// Looking at its streams makes the source delete what has expired meanwhile: it comes last.
			if diffs := compare(t, source, target, withoutIdle); len(diffs) > 0 {
				t.Errorf("the target differs from the source: %d differences\n%s", len(diffs), lines(diffs))
			}
		})
		if t.Failed() {
			t.Logf("at checkpoint %d, after %d commands", i+1, w.total)
			s.col.finish()
			keep(t, s.col)
			t.FailNow()
		}
		t.Logf("checkpoint %d after %d commands and %v", i+1, w.total, time.Since(started).Round(time.Second))
		if err := source.Client().Do(t.Context(), "DEBUG", "SET-ACTIVE-EXPIRE", "1").Err(); err != nil {
			t.Fatal(err)
		}
		peer.Client().FlushAll(t.Context())
	}
	w.check()
	if err := source.DB(barrierDB).Set(t.Context(), "barrier", "last", 0).Err(); err != nil {
		t.Fatal(err)
	}
	settle(t, k, source, s, fullSyncs)
	validate(t, s.col)
}

// bringUpToDate replays what the sink has into the target with keyfeed replay and compares it. What the replay remembers in
// the target is set aside meanwhile.
func bringUpToDate(t *testing.T, s *sink, target *testenv.Instance, compare func()) {
	t.Helper()
	r := testenv.Child(t, binary, []string{"replay", "-from", "nats", "-to-end"}, append([]string{"KEYFEED_TARGET_URL=" + target.URL()}, s.env...))
	if code := r.Wait(5 * time.Minute); code != 0 {
		t.Fatalf("keyfeed replay ended with code %d:\n%s", code, r.Stderr())
	}
	const bookmark = "keyfeed:replay"
	c, ctx := target.Client(), t.Context()
	payload, err := c.Dump(ctx, bookmark).Result()
	if err != nil {
		t.Fatalf("reading what the replay remembers: %v", err)
	}
	if err := c.Del(ctx, bookmark).Err(); err != nil {
		t.Fatal(err)
	}
	compare()
	if err := c.Restore(ctx, bookmark, 0, payload).Err(); err != nil {
		t.Fatalf("putting back what the replay remembers: %v", err)
	}
}
