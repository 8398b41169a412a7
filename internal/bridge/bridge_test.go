package bridge_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/redis/go-redis/v9"

	"keyfeed/backlog"
	"keyfeed/ingest"
	"keyfeed/internal/bridge"
	"keyfeed/internal/pump"
	"keyfeed/internal/testenv"
	"keyfeed/sinks"
	"keyfeed/snapshot"
)

func TestMain(m *testing.M) {
	if dir := os.Getenv(childDir); dir != "" { // this process was started to be killed: see kill_test.go
		os.Exit(runChild(dir))
	}
	testenv.RunWithoutLeaks(m)
}

const patience = 30 * time.Second

// rig is a source, a sink and a data directory; bridges come and go.
type rig struct {
	t      *testing.T
	source *testenv.Instance
	sink   *memorySink
	cfg    bridge.Config
	noLog  bool        // there is nothing on disk to ask the source from
	waits  func() bool // a full sync waits for the sink's position

	b    *bridge.Bridge
	stop context.CancelFunc
	done chan error
}

func newRig(t *testing.T) *rig {
	t.Helper()
	src := testenv.Redis(t, testenv.Set("repl-diskless-sync-delay", "0"), testenv.Set("repl-ping-replica-period", "1"))
	c, err := ingest.ParseURL(src.URL())
	if err != nil {
		t.Fatal(err)
	}
	log := slog.New(slog.NewTextHandler(t.Output(), nil))
	c.Logger = log
	c.BackoffMin, c.BackoffMax = 10*time.Millisecond, 50*time.Millisecond
	c.FullSyncBackoffMin, c.FullSyncBackoffMax = 10*time.Millisecond, 50*time.Millisecond
	return &rig{t: t, source: src, sink: newMemorySink(t), cfg: bridge.Config{
		Name: "s", DataDir: t.TempDir(), Source: c, Logger: log, MaxBytes: 64 << 10,
		Backlog:      backlog.Config{MaxBytes: 64 << 20, Sync: time.Millisecond},
		Spool:        snapshot.Config{MaxBytes: 1 << 30},
		Pump:         pump.Config{HeartbeatInterval: 50 * time.Millisecond, BackoffMin: time.Millisecond, BackoffMax: 10 * time.Millisecond, FlushTimeout: patience},
		SnapshotMode: bridge.SnapshotWhenNeeded, OnHistoryLoss: bridge.PolicyResync, OnSinkLoss: bridge.PolicyFail,
		OnBacklogFull: bridge.PolicyBlock,
	}}
}

func (r *rig) start() {
	r.t.Helper()
	r.startOn(r.sink)
}

func (r *rig) startOn(sink sinks.Sink) {
	r.t.Helper()
	ctx, cancel := context.WithCancel(context.Background())
	r.b, r.stop, r.done = bridge.New(r.cfg, sink), cancel, make(chan error, 1)
	go func(b *bridge.Bridge, done chan error) { done <- b.Run(ctx) }(r.b, r.done)
	r.t.Cleanup(func() { // for tests that fail in between
		cancel()
		if r.done != nil {
			_ = r.end(false)
		}
	})
}

// end waits for Run's error, after a stop if wanted.
func (r *rig) end(stop bool) error {
	r.t.Helper()
	if stop {
		r.stop()
	}
	select {
	case err := <-r.done:
		r.done = nil
		return err
	case <-time.After(patience):
		r.t.Fatal("Run does not end")
		return nil
	}
}

func (r *rig) stopClean() {
	r.t.Helper()
	if err := r.end(true); err != nil {
		r.t.Fatalf("Run: %v", err)
	}
}

func (r *rig) set(key string) {
	r.t.Helper()
	if err := r.source.Client().Set(r.t.Context(), key, "v", 0).Err(); err != nil {
		r.t.Fatal(err)
	}
}

func (r *rig) await(key string) {
	r.t.Helper()
	testenv.Eventually(r.t, patience, "the key "+key+" in the sink", func() bool { return r.sink.has(key) })
}

// syncs checks the source's count of full syncs and that each generation in the sink is well formed and in order.
func (r *rig) check(full int64, reasons ...string) {
	r.t.Helper()
	if n := r.source.SyncFull(); n != full {
		r.t.Errorf("%d full syncs, want %d", n, full)
	}
	var got []string
	for _, e := range r.sink.kinds("snapshot_begin") {
		got = append(got, e.Reason)
	}
	if strings.Join(got, " ") != strings.Join(reasons, " ") {
		r.t.Errorf("snapshots began with reasons %q, want %q", got, reasons)
	}
	last := ""
	for _, e := range r.sink.stored() {
		if e.Kind == "history" {
			continue
		}
		if e.ID <= last {
			r.t.Errorf("event %s after %s", e.ID, last)
		}
		last = e.ID
	}
}

func TestSnapshotThenStreamThenResume(t *testing.T) {
	r := newRig(t)
	r.set("before")
	r.start()
	r.await("before")
	r.set("live")
	r.await("live")
	r.stopClean()
	r.set("while away")
	r.start()
	r.await("while away")
	r.stopClean()
	r.check(1, "initial")
	if n := len(r.sink.kinds("snapshot_end")); n != 1 {
		t.Errorf("%d ends of a snapshot", n)
	}
	entries, err := filepath.Glob(filepath.Join(r.cfg.DataDir, "sources", "s", "gen-*", "spool.rdb"))
	if err != nil || len(entries) != 0 {
		t.Errorf("the published spool is still there: %v %v", entries, err)
	}
}

// TestALostDiskCostsNoFullSync is P6: the sink's position is enough.
func TestALostDiskCostsNoFullSync(t *testing.T) {
	r := newRig(t)
	r.set("a")
	r.start()
	r.await("a")
	r.set("b")
	r.await("b")
	r.stopClean()
	r.cfg.DataDir = t.TempDir()
	r.set("c")
	r.start()
	r.await("c")
	r.stopClean()
	r.check(1, "initial")
}

// TestSnapshotIsContinued: the process ends, and the sink fails, in the middle of publishing a snapshot.
func TestSnapshotIsContinued(t *testing.T) {
	r := newRig(t)
	for i := range 200 {
		r.set(fmt.Sprintf("k%03d", i))
	}
	r.sink.take(50)
	r.start()
	testenv.Eventually(t, patience, "a sink that takes no more", r.sink.full)
	r.set("live")
	_ = r.end(true) // the sink is away: what is in flight cannot be delivered, and Run says so
	r.sink.take(70)
	r.start()
	testenv.Eventually(t, patience, "a sink that takes no more", r.sink.full)
	r.sink.take(-1)
	r.await("live")
	r.stopClean()
	r.check(1, "initial")
	if n := len(r.sink.stored()); n != 203 {
		t.Errorf("%d events, want begin, 200 reads, end and one change", n)
	}
}

func TestSnapshotWithoutItsSpoolStartsAnew(t *testing.T) {
	r := newRig(t)
	for i := range 20 {
		r.set(fmt.Sprintf("k%03d", i))
	}
	r.sink.take(10)
	r.start()
	testenv.Eventually(t, patience, "a sink that takes no more", r.sink.full)
	_ = r.end(true) // as above
	r.cfg.DataDir = t.TempDir()
	r.sink.take(-1)
	r.start()
	r.set("live")
	r.await("live")
	r.stopClean()
	r.check(2, "initial", "snapshot_lost")
	if b := r.sink.kinds("snapshot_begin")[1]; b.Prev == "" {
		t.Error("the second snapshot does not say what was known before")
	}
}

// TestHistoryLost: the source forgets its history while the sink is away. What the log holds is published first.
func TestHistoryLost(t *testing.T) {
	r := newRig(t)
	r.set("a")
	r.start()
	r.await("a")
	r.sink.take(0)
	r.set("unpublished")
	testenv.Eventually(t, patience, "the change on disk", func() bool { return r.b.Status().Log.Tail >= r.source.Offset() })
	if err := r.source.Client().Do(t.Context(), "DEBUG", "CHANGE-REPL-ID").Err(); err != nil {
		t.Fatal(err)
	}
	if err := r.source.Client().ClientKillByFilter(t.Context(), "TYPE", "replica").Err(); err != nil {
		t.Fatal(err)
	}
	testenv.Eventually(t, patience, "a second full sync", func() bool { return r.b.Status().Link.FullSyncs == 2 })
	r.sink.take(-1)
	r.set("after")
	r.await("after")
	r.stopClean()
	r.check(2, "initial", "history_lost")
	var order []string
	for _, e := range r.sink.stored() {
		if e.Key == "unpublished" || e.Kind == "snapshot_begin" {
			order = append(order, e.Op+e.Kind)
		}
	}
	if got := strings.Join(order, " "); got != "msnapshot_begin u msnapshot_begin r" {
		t.Errorf("order %q: the old log was not published before the new generation", got)
	}
	gens, err := filepath.Glob(filepath.Join(r.cfg.DataDir, "sources", "s", "gen-*"))
	if err != nil || len(gens) != 1 {
		t.Errorf("generations left on disk: %v %v", gens, err)
	}
}

func TestHistoryLossIsRefusedByPolicy(t *testing.T) {
	r := newRig(t)
	r.cfg.OnHistoryLoss = bridge.PolicyFail
	r.start()
	r.set("a")
	r.await("a")
	r.stopClean()
	if err := r.source.Client().Do(t.Context(), "DEBUG", "CHANGE-REPL-ID").Err(); err != nil {
		t.Fatal(err)
	}
	r.start()
	if err := r.end(false); !errors.Is(err, bridge.ErrOperator) || !strings.Contains(err.Error(), "KEYFEED_ON_HISTORY_LOSS") {
		t.Errorf("Run returned %v, want an error for an operator that names the setting", err)
	}
	r.check(2, "initial")
}

func TestSinkLoss(t *testing.T) {
	for _, policy := range []string{bridge.PolicyFail, bridge.PolicyResync} {
		t.Run(policy, func(t *testing.T) {
			r := newRig(t)
			r.cfg.OnSinkLoss = policy
			r.start()
			r.set("a")
			r.await("a")
			r.stopClean()
			r.sink.empty()
			r.start()
			if policy == bridge.PolicyFail {
				if err := r.end(false); !errors.Is(err, bridge.ErrOperator) || !strings.Contains(err.Error(), "KEYFEED_ON_SINK_LOSS") {
					t.Errorf("Run returned %v, want an error for an operator that names the setting", err)
				}
				return
			}
			r.await("a")
			r.stopClean()
			r.check(2, "requested")
		})
	}
}

// TestSinkLostWhatItConfirmed: a topic made anew, say, while the position is kept elsewhere.
func TestSinkLostWhatItConfirmed(t *testing.T) {
	for _, tt := range []struct {
		policy, reason string
		diskLost       bool
	}{{bridge.PolicyFail, "", false}, {bridge.PolicyResync, "requested", false}, {bridge.PolicyResync, "initial", true}} {
		t.Run(fmt.Sprint(tt.policy, " disk lost: ", tt.diskLost), func(t *testing.T) {
			r := newRig(t)
			r.cfg.OnSinkLoss = tt.policy
			r.start()
			r.set("a")
			r.await("a")
			r.stopClean()
			r.sink.lose()
			if tt.diskLost {
				r.cfg.DataDir = t.TempDir()
			}
			r.start()
			if tt.policy == bridge.PolicyFail {
				if err := r.end(false); !errors.Is(err, sinks.ErrLost) || !errors.Is(err, sinks.ErrConfig) {
					t.Errorf("Run returned %v, want the sink's loss", err)
				}
				r.check(1)
				return
			}
			r.await("a")
			r.stopClean()
			r.check(2, tt.reason)
		})
	}
}

// TestSinkBehindTheDisk: the broker lost its last seconds. They are still in the log.
func TestSinkBehindTheDisk(t *testing.T) {
	r := newRig(t)
	r.start()
	r.set("a")
	r.await("a")
	before := r.sink.Confirmed()
	kept := r.sink.stored()
	r.set("b")
	r.await("b")
	r.stopClean()
	r.sink.mu.Lock()
	r.sink.pos, r.sink.events = before, kept
	r.sink.mu.Unlock()
	r.start()
	r.await("b")
	r.stopClean()
	r.check(1, "initial")
}

// TestSinkAheadOfTheDisk: the data directory is an old copy. The disk is dropped, the sink's position wins.
func TestSinkAheadOfTheDisk(t *testing.T) {
	r := newRig(t)
	r.start()
	r.set("a")
	r.await("a")
	r.stopClean()
	old := t.TempDir()
	if err := os.CopyFS(old, os.DirFS(r.cfg.DataDir)); err != nil {
		t.Fatal(err)
	}
	r.start()
	r.set("b")
	r.await("b")
	r.stopClean()
	r.cfg.DataDir = old
	r.set("c")
	r.start()
	r.await("c")
	r.stopClean()
	r.check(1, "initial")
}

// TestPromotedSource: a failover changes the replication id and nothing else.
func TestPromotedSource(t *testing.T) {
	r := newRig(t)
	top := testenv.Redis(t, testenv.Set("repl-diskless-sync-delay", "0"))
	r.source.ReplicaOf(top)
	if err := top.Client().Set(t.Context(), "a", "v", 0).Err(); err != nil {
		t.Fatal(err)
	}
	r.start()
	r.await("a")
	r.source.Promote()
	r.set("b")
	r.await("b")
	r.stopClean()
	r.check(1, "initial")
	if n := len(r.sink.kinds("history")); n != 1 {
		t.Errorf("%d history events, want 1", n)
	}
	r.set("c")
	r.start()
	r.await("c")
	r.stopClean()
	r.check(1, "initial")
}

func TestSnapshotModes(t *testing.T) {
	t.Run("initial_only", func(t *testing.T) {
		r := newRig(t)
		r.cfg.SnapshotMode = bridge.SnapshotInitialOnly
		r.set("a")
		r.start()
		if err := r.end(false); err != nil {
			t.Fatalf("Run: %v", err)
		}
		if n := len(r.sink.kinds("snapshot_end")); n != 1 || !r.sink.has("a") {
			t.Errorf("%d ends of a snapshot, key stored %v", n, r.sink.has("a"))
		}
		r.start()
		if err := r.end(false); err != nil {
			t.Fatalf("second Run: %v", err)
		}
		r.check(1, "initial")
	})
	t.Run("always", func(t *testing.T) {
		r := newRig(t)
		r.cfg.SnapshotMode = bridge.SnapshotAlways
		r.set("a")
		r.start()
		r.await("a")
		testenv.Eventually(t, patience, "an end", func() bool { return len(r.sink.kinds("snapshot_end")) == 1 })
		r.stopClean()
		r.start()
		testenv.Eventually(t, patience, "a second end", func() bool { return len(r.sink.kinds("snapshot_end")) == 2 })
		r.stopClean()
		r.check(2, "initial", "requested")
	})
	t.Run("never", func(t *testing.T) {
		r := newRig(t)
		r.cfg.SnapshotMode = bridge.SnapshotNever
		r.set("a")
		r.start()
		testenv.Eventually(t, patience, "a gap", func() bool { return len(r.sink.kinds("gap")) == 1 })
		r.set("b")
		r.await("b")
		r.stopClean()
		r.check(1)
		if r.sink.has("a") {
			t.Error("a key of the snapshot was published")
		}
	})
}

func TestRequestedSnapshot(t *testing.T) {
	r := newRig(t)
	r.start()
	r.set("a")
	r.await("a")
	r.stopClean()
	if err := bridge.RequestSnapshot(r.cfg.DataDir, "s"); err != nil {
		t.Fatal(err)
	}
	for range 2 { // the second start must not ask again
		r.start()
		testenv.Eventually(t, patience, "a second snapshot", func() bool { return len(r.sink.kinds("snapshot_end")) == 2 })
		r.stopClean()
	}
	r.check(2, "initial", "requested")
}

// TestMemory: nothing on disk; a restart resumes from the sink's position.
func TestMemory(t *testing.T) {
	r := newRig(t)
	r.cfg.Memory, r.cfg.AckPublished, r.cfg.DataDir = true, true, filepath.Join(t.TempDir(), "absent")
	r.set("a")
	r.start()
	r.await("a")
	r.set("b")
	r.await("b")
	r.stopClean()
	r.set("c")
	r.start()
	r.await("c")
	r.stopClean()
	r.check(1, "initial")
	if _, err := os.Stat(r.cfg.DataDir); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("something was made on disk: %v", err)
	}
}

// TestWait: WAIT 1 means durable here, or published, as the policy says.
func TestWait(t *testing.T) {
	for _, published := range []bool{false, true} {
		t.Run(fmt.Sprintf("published=%v", published), func(t *testing.T) {
			r := newRig(t)
			r.cfg.AckPublished = published
			r.start()
			r.set("a")
			r.await("a")
			wait := func(most time.Duration) int64 {
				t.Helper()
				c := r.source.Client().Conn()
				defer func() { _ = c.Close() }()
				if err := c.Set(t.Context(), "w", "v", 0).Err(); err != nil {
					t.Fatal(err)
				}
				n, err := c.Wait(t.Context(), 1, most).Result()
				if err != nil {
					t.Fatal(err)
				}
				return n
			}
			if n := wait(patience); n != 1 {
				t.Errorf("WAIT gave %d while all works", n)
			}
			r.sink.take(0)
			want, most := int64(1), patience
			if published {
				want, most = 0, 1500*time.Millisecond
			}
			if n := wait(most); n != want {
				t.Errorf("WAIT gave %d while the sink is away, want %d", n, want)
			}
			r.sink.take(-1)
			r.set("end")
			r.await("end")
			r.stopClean()
		})
	}
}

// TestBlockedBacklog: the disk limit is reached while the sink is away; the source waits, also for a process that finds it
// reached, and either says so; then all arrives.
func TestBlockedBacklog(t *testing.T) {
	r := newRig(t)
	out := &logged{}
	r.cfg.Logger = slog.New(slog.NewTextHandler(io.MultiWriter(out, t.Output()), nil))
	r.cfg.Backlog.MaxBytes = 1 << 20
	if err := r.source.Client().ConfigSet(t.Context(), "repl-backlog-size", "64mb").Err(); err != nil {
		t.Fatal(err)
	}
	r.start()
	r.set("a")
	r.await("a")
	r.sink.take(0)
	value := strings.Repeat("x", 10_000)
	for i := range 300 {
		if err := r.source.Client().Set(t.Context(), fmt.Sprintf("big%03d", i), value, 0).Err(); err != nil {
			t.Fatal(err)
		}
	}
	for start := 1; ; start++ {
		testenv.Eventually(t, patience, "a link that is blocked, and a line that says so", func() bool {
			return r.b.Status().Link.State == string(ingest.StateBlocked) && out.count("the backlog is full") == start
		})
		if start == 2 {
			break
		}
		_ = r.end(true) // what the sink does not take cannot be delivered
		r.start()
	}
	r.sink.take(-1)
	r.await("big299")
	r.stopClean()
	r.check(1, "initial")
	for i := range 300 {
		if key := fmt.Sprintf("big%03d", i); !r.sink.has(key) {
			t.Errorf("%s is missing", key)
		}
	}
}

// TestUnknownCommands: every policy counts them; emit publishes, skip does not, fail ends the run.
func TestUnknownCommands(t *testing.T) {
	for _, policy := range []string{"emit", "skip", "fail"} {
		t.Run(policy, func(t *testing.T) {
			r := newRig(t)
			r.cfg.Filter.DropUnknown, r.cfg.FailUnknown = policy == "skip", policy == "fail"
			r.start()
			r.set("a")
			r.await("a")
			for range 3 {
				if err := r.source.Client().Do(t.Context(), "DEBUG", "REPLICATE", "frobnicate", "k", "secret").Err(); err != nil {
					t.Fatal(err)
				}
			}
			if policy == "fail" {
				if err := r.end(false); !errors.Is(err, bridge.ErrOperator) || !strings.Contains(err.Error(), "KEYFEED_ON_UNKNOWN") ||
					strings.Contains(err.Error(), "secret") {
					t.Errorf("Run returned %v, want an error for an operator that names the setting and no argument", err)
				}
				return
			}
			r.set("b")
			r.await("b")
			r.stopClean()
			if n := r.b.Status().Counts.Unknown["FROBNICATE"]; n != 3 {
				t.Errorf("%d counted, want 3", n)
			}
			if n := len(r.sink.kinds("unknown")); (n == 3) != (policy == "emit") {
				t.Errorf("%d published", n)
			}
		})
	}
}

func TestOversizeIsCounted(t *testing.T) {
	r := newRig(t)
	r.start()
	r.set("a")
	r.await("a")
	if err := r.source.Client().XAdd(t.Context(), &redis.XAddArgs{Stream: "x", Values: []string{"f", strings.Repeat("y", 100_000)}}).Err(); err != nil {
		t.Fatal(err)
	}
	r.await("x")
	r.stopClean()
	if n := r.b.Status().Counts.Oversize; n != 1 {
		t.Errorf("%d counted, want 1", n)
	}
}

func TestLock(t *testing.T) {
	dir := t.TempDir()
	l, err := bridge.LockDir(dir)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := bridge.LockDir(dir); !errors.Is(err, bridge.ErrLocked) {
		t.Errorf("second lock: %v, want ErrLocked", err)
	}
	if err := l.Unlock(); err != nil {
		t.Fatal(err)
	}
	l, err = bridge.LockDir(dir)
	if err != nil {
		t.Fatalf("after the unlock: %v", err)
	}
	if err := l.Unlock(); err != nil {
		t.Fatal(err)
	}
}

// TestDeathInARemoval: what is left of a generation that was being removed is no damage, and goes.
func TestDeathInARemoval(t *testing.T) {
	r := newRig(t)
	left := filepath.Join(r.cfg.DataDir, "sources", "s", "gen-0000000005.removed")
	if err := os.MkdirAll(left, 0o750); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(left, "00000000000000000000.log"), []byte("x"), 0o600); err != nil {
		t.Fatal(err)
	}
	r.start()
	r.set("a")
	r.await("a")
	r.stopClean()
	r.check(1, "initial")
	if _, err := os.Stat(left); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("the rest is there: %v", err)
	}
}
