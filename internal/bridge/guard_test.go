package bridge_test

import (
	"context"
	"errors"
	"fmt"
	"net"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"keyfeed/internal/bridge"
	"keyfeed/internal/testenv"
)

// TestShrunkenSourceWaitsForAnOperator: the source comes back empty. Nothing of it is published before somebody approves,
// whether INFO is permitted and tells beforehand or not, and what the older log still held is.
func TestShrunkenSourceWaitsForAnOperator(t *testing.T) {
	for _, informed := range []bool{true, false} {
		t.Run(fmt.Sprint("INFO permitted: ", informed), func(t *testing.T) {
			r := newRig(t)
			r.cfg.MaxShrink = 50
			for i := range 10 {
				r.set(fmt.Sprint("k", i))
			}
			r.start()
			r.await("k9")
			testenv.Eventually(t, patience, "a published snapshot", func() bool { return len(r.sink.kinds("snapshot_end")) == 1 })
			r.sink.take(0)
			r.set("pending")
			testenv.Eventually(t, patience, "the change on disk", func() bool { return r.b.Status().Log.Tail >= r.source.Offset() })
			_ = r.end(true) // the sink is away, and Run says so
			r.sink.take(-1)

			r.source = testenv.Redis(t, testenv.Set("repl-diskless-sync-delay", "0"))
			r.set("the only one")
			c := r.source.Client()
			r.cfg.Source.Address = r.source.Addr()
			if !informed {
				if err := c.Do(t.Context(), "ACL", "SETUSER", "kf", "on", ">pw", "+psync", "+replconf", "+ping").Err(); err != nil {
					t.Fatal(err)
				}
				r.cfg.Source.Username, r.cfg.Source.Password = "kf", "pw"
			}
			for range 2 { // a restart is no approval
				r.start()
				err := r.end(false)
				if !errors.Is(err, bridge.ErrOperator) || !strings.Contains(err.Error(), "KEYFEED_MAX_SHRINK") ||
					!strings.Contains(err.Error(), "from 10 keys to 1,") {
					t.Fatalf("Run returned %v, want an error for an operator that names the setting and the counts", err)
				}
			}
			if n := r.source.SyncFull(); informed && n != 0 {
				t.Errorf("%d full syncs although INFO told", n)
			}
			if n := len(r.sink.kinds("snapshot_begin")); n != 1 {
				t.Errorf("%d snapshots were begun", n)
			}
			if !informed && !r.sink.has("pending") {
				t.Error("what the older log held was not published")
			}

			if err := bridge.RequestSnapshot(r.cfg.DataDir, "s"); err != nil {
				t.Fatal(err)
			}
			r.start()
			r.await("the only one")
			r.set("live")
			r.await("live")
			r.stopClean()
			if !r.sink.has("pending") {
				t.Error("what the older log held was not published before the new snapshot")
			}
			r.check(map[bool]int64{true: 1, false: 2}[informed], "initial", "requested")
			r.start() // and it is the new measure
			r.set("again")
			r.await("again")
			r.stopClean()
		})
	}
}

// becomes replaces the source by an empty server with so many keys.
func (r *rig) becomes(keys int, informed bool) {
	r.t.Helper()
	r.source = testenv.Redis(r.t, testenv.Set("repl-diskless-sync-delay", "0"))
	for i := range keys {
		r.set(fmt.Sprint("k", i))
	}
	r.cfg.Source.Address = r.source.Addr()
	if informed {
		return
	}
	if err := r.source.Client().Do(r.t.Context(), "ACL", "SETUSER", "kf", "on", ">pw", "+psync", "+replconf", "+ping").Err(); err != nil {
		r.t.Fatal(err)
	}
	r.cfg.Source.Username, r.cfg.Source.Password = "kf", "pw"
}

// TestShrinkingAddsUp: two full syncs while the sink is away, neither of which takes away too much of what the one before it
// had. But of that nothing was published, and together they do.
func TestShrinkingAddsUp(t *testing.T) {
	for _, informed := range []bool{true, false} {
		t.Run(fmt.Sprint("INFO permitted: ", informed), func(t *testing.T) {
			r := newRig(t)
			r.cfg.MaxShrink, r.cfg.SinkPatience = 50, -1
			r.becomes(10, informed)
			r.start()
			testenv.Eventually(t, patience, "a published snapshot", func() bool { return len(r.sink.kinds("snapshot_end")) == 1 })
			r.stopClean()
			r.sink.take(0)
			spooled := func() {
				r.start()
				testenv.Eventually(t, patience, "a snapshot", func() bool { return r.b.Status().Link.FullSyncs == 1 })
				_ = r.end(true) // the sink is away, and Run says so
			}
			r.becomes(6, informed)
			spooled()
			r.becomes(3, informed)
			if !informed {
				spooled()
				r.sink.take(-1)
			}
			r.start()
			err := r.end(false)
			if !errors.Is(err, bridge.ErrOperator) || !strings.Contains(err.Error(), "from 10 keys to 3,") {
				t.Errorf("Run returned %v, want an error for an operator that names what was published and what is left", err)
			}
			if n := len(r.sink.kinds("snapshot_begin")); n != 1 {
				t.Errorf("%d snapshots were begun", n)
			}
		})
	}
}

// TestApprovedOnce: a snapshot that an operator approved is the measure from then on, published or not: the next one with as
// few keys needs no other approval.
func TestApprovedOnce(t *testing.T) {
	r := newRig(t)
	r.cfg.MaxShrink, r.cfg.Pump.HeartbeatInterval = 50, time.Minute // the sink takes one record, and that is no heartbeat
	r.becomes(10, true)
	r.start()
	testenv.Eventually(t, patience, "a published snapshot", func() bool { return len(r.sink.kinds("snapshot_end")) == 1 })
	r.stopClean()
	r.becomes(1, true)
	if err := bridge.RequestSnapshot(r.cfg.DataDir, "s"); err != nil {
		t.Fatal(err)
	}
	r.sink.take(1) // its begin
	r.start()
	testenv.Eventually(t, patience, "the approved snapshot begun", func() bool { return len(r.sink.kinds("snapshot_begin")) == 2 })
	_ = r.end(true) // the sink is away, and Run says so
	if err := r.source.Client().Do(t.Context(), "DEBUG", "CHANGE-REPL-ID").Err(); err != nil {
		t.Fatal(err)
	}
	r.sink.take(-1)
	r.start()
	r.set("last")
	r.await("last")
	r.stopClean()
	if n := r.source.SyncFull(); n != 2 {
		t.Errorf("%d full syncs, want another one", n)
	}
}

// TestKeysAreCounted: what FLUSHALL takes away is no shrinking of a full sync.
func TestKeysAreCounted(t *testing.T) {
	r := newRig(t)
	r.cfg.MaxShrink, r.cfg.CountEvery = 50, 10*time.Millisecond
	for i := range 10 {
		r.set(fmt.Sprint("k", i))
	}
	r.start()
	r.await("k9")
	keys := func(n int64) {
		t.Helper()
		testenv.Eventually(t, patience, fmt.Sprint(n, " keys"), func() bool {
			k := r.b.Status().Keys
			return k != nil && *k == n
		})
	}
	keys(10)
	if err := r.source.Client().FlushAll(t.Context()).Err(); err != nil {
		t.Fatal(err)
	}
	r.set("last")
	r.await("last")
	keys(1)
	r.stopClean()
	if err := r.source.Client().Do(t.Context(), "DEBUG", "CHANGE-REPL-ID").Err(); err != nil {
		t.Fatal(err)
	}
	r.start()
	r.set("after")
	r.await("after")
	r.stopClean()
	r.check(2, "initial", "history_lost")
}

// TestAnotherServerIsNotCounted: the address leads to an empty server while the link still follows the one with the data.
func TestAnotherServerIsNotCounted(t *testing.T) {
	r := newRig(t)
	r.cfg.MaxShrink, r.cfg.CountEvery = 50, 10*time.Millisecond
	other := testenv.Redis(t)
	var moved atomic.Bool
	var looks atomic.Int64
	r.cfg.Source.Dial = func(ctx context.Context) (net.Conn, error) {
		addr := r.source.Addr()
		if moved.Load() {
			addr = other.Addr()
			looks.Add(1)
		}
		var d net.Dialer
		return d.DialContext(ctx, "tcp", addr)
	}
	r.set("a")
	r.start()
	r.await("a")
	testenv.Eventually(t, patience, "a count", func() bool { k := r.b.Status().Keys; return k != nil && *k == 1 })
	moved.Store(true)
	testenv.Eventually(t, patience, "three looks at the other server", func() bool { return looks.Load() >= 3 })
	if k := r.b.Status().Keys; *k != 1 {
		t.Errorf("%d keys, want those of the server that is followed", *k)
	}
	r.stopClean()
}
