package bridge_test

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"math/rand/v2"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"keyfeed/backlog"
	"keyfeed/ingest"
	"keyfeed/internal/bridge"
	"keyfeed/internal/pump"
	"keyfeed/internal/testenv"
)

// What a child process is told by its environment.
const (
	childDir    = "KEYFEED_TEST_CHILD_DIR"    // holds data/ and events
	childSource = "KEYFEED_TEST_CHILD_SOURCE" // URL
)

// runChild is the process that gets killed: a bridge from a source to a file.
func runChild(dir string) int {
	c, err := ingest.ParseURL(os.Getenv(childSource))
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	log := slog.New(slog.NewTextHandler(os.Stderr, nil))
	c.Logger = log
	err = bridge.New(bridge.Config{
		Name: "s", DataDir: filepath.Join(dir, "data"), Source: c, Logger: log, MaxBytes: 64 << 10,
		Backlog:      backlog.Config{MaxBytes: 64 << 20, Sync: time.Millisecond},
		Pump:         pump.Config{HeartbeatInterval: time.Second},
		SnapshotMode: bridge.SnapshotWhenNeeded, OnHistoryLoss: bridge.PolicyFail, OnSinkLoss: bridge.PolicyFail,
		OnBacklogFull: bridge.PolicyBlock,
	}, newFileSink(filepath.Join(dir, "events"))).Run(context.Background())
	fmt.Fprintln(os.Stderr, "Run returned", err)
	return 1
}

// victim is that process, seen from the test.
type victim struct {
	t      *testing.T
	dir    string
	source *testenv.Instance
	now    *testenv.ChildProcess
}

func (v *victim) start() {
	v.t.Helper()
	exe, err := os.Executable()
	if err != nil {
		v.t.Fatal(err)
	}
	v.now = testenv.Child(v.t, exe, nil, []string{childDir + "=" + v.dir, childSource + "=" + v.source.URL()})
}

// until waits for what, while the process must live.
func (v *victim) until(what string, ok func() bool) {
	v.t.Helper()
	testenv.Eventually(v.t, patience, what, func() bool {
		select {
		case <-v.now.Done():
			v.t.Fatalf("the process ended by itself:\n%s", v.now.Output())
		default:
		}
		return ok()
	})
}

// size is the length of a file that matches, 0 when there is none.
func (v *victim) size(pattern string) int64 {
	names, err := filepath.Glob(filepath.Join(v.dir, pattern))
	if err != nil || len(names) == 0 {
		return 0
	}
	info, err := os.Stat(names[0])
	if err != nil {
		return 0
	}
	return info.Size()
}

const spoolPattern = "data/sources/s/gen-*/spool."

// TestKilledInASnapshot kills the process while an RDB arrives, when it has just arrived, and again and again while it is
// published. Before the spool is complete a kill costs a full sync, which no one can avoid: the source will not send the
// rest. After that none does, and every event of the snapshot is there once.
func TestKilledInASnapshot(t *testing.T) {
	const keys = 10_000
	seed := rand.Uint64()
	t.Logf("seed %d", seed)
	rng := rand.New(rand.NewPCG(seed, 0))
	v := &victim{t: t, dir: t.TempDir(), source: testenv.Redis(t, testenv.Set("repl-diskless-sync-delay", "0"), testenv.Set("rdbcompression", "no"))}
	c := v.source.Client()
	if err := c.Do(t.Context(), "DEBUG", "POPULATE", keys, "key", 1000).Err(); err != nil {
		t.Fatal(err)
	}

	// While it arrives: the source is made slow.
	if err := c.ConfigSet(t.Context(), "rdb-key-save-delay", "500").Err(); err != nil {
		t.Fatal(err)
	}
	v.start()
	v.until("a part of the RDB", func() bool { return v.size(spoolPattern+"rdb") > 0 })
	v.now.Kill()
	if v.size(spoolPattern+"json") != 0 || v.size("events") != 0 {
		t.Fatal("the spool was complete already: the source is too fast for this test")
	}
	if err := c.ConfigSet(t.Context(), "rdb-key-save-delay", "0").Err(); err != nil {
		t.Fatal(err)
	}

	// When it is complete, and before.
	v.start()
	v.until("a complete spool", func() bool { return v.size(spoolPattern+"json") > 0 })
	v.now.Kill()
	full := v.source.SyncFull()
	if full != 2 {
		t.Errorf("%d full syncs, want one that was cut and one that was not", full)
	}

	// While it is published.
	kills := 0
	for goal := v.size("events"); v.size(spoolPattern+"json") > 0; kills++ {
		goal = v.size("events") + rng.Int64N(4<<20)
		v.start()
		v.until("more events", func() bool { return v.size("events") > goal || v.size(spoolPattern+"json") == 0 })
		v.now.Kill()
	}
	if err := c.Set(t.Context(), "last", "v", 0).Err(); err != nil {
		t.Fatal(err)
	}
	v.start()
	events := func() []byte {
		raw, err := os.ReadFile(filepath.Join(v.dir, "events"))
		if err != nil && !errors.Is(err, os.ErrNotExist) {
			t.Fatal(err)
		}
		return raw
	}
	v.until("the change after the snapshot", func() bool { return bytes.Contains(events(), []byte(`"key":"last"`)) })
	v.now.Kill()
	t.Logf("%d kills while the snapshot was published", kills)
	if n := v.source.SyncFull(); n != full {
		t.Errorf("%d full syncs, want %d: the spool was complete", n, full)
	}
	checkSnapshot(t, events(), keys)
}

// checkSnapshot holds that the events are one whole snapshot of so many keys, each event once and in order.
func checkSnapshot(t *testing.T, raw []byte, keys int) {
	t.Helper()
	last, reads := "", map[string]int{}
	kinds := map[string]int{}
	whole, _, err := lastLine(raw)
	if err != nil {
		t.Fatal(err)
	}
	for line := range bytes.Lines(raw[:whole]) {
		_, text, _ := bytes.Cut(line, []byte("\t"))
		var e event
		if err := json.Unmarshal(text, &e); err != nil {
			t.Fatalf("what is stored is no event: %v", err)
		}
		if strings.Contains(e.ID, ":heartbeat:") {
			continue
		}
		if e.ID <= last {
			t.Errorf("event %s after %s", e.ID, last)
		}
		last = e.ID
		kinds[e.Kind]++
		if e.Op == "r" {
			reads[e.Key]++
		}
	}
	if kinds["snapshot_begin"] != 1 || kinds["snapshot_end"] != 1 {
		t.Errorf("%d begins and %d ends of a snapshot", kinds["snapshot_begin"], kinds["snapshot_end"])
	}
	for key, n := range reads {
		if n != 1 {
			t.Errorf("%s was read %d times", key, n)
		}
	}
	if len(reads) != keys {
		t.Errorf("%d keys, want %d", len(reads), keys)
	}
}
