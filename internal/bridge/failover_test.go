package bridge_test

import (
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"keyfeed/ingest"
	"keyfeed/internal/bridge"
	"keyfeed/internal/testenv"
)

// pair is two servers, the second a replica of the first, that a rig follows one after the other as a name that moves.
type pair struct {
	*rig
	top, next *testenv.Instance
}

// newPair starts a rig on the first of two servers.
func newPair(t *testing.T) *pair {
	t.Helper()
	r := newRig(t)
	// A PING between the parting of the two and the end of a bridge would put its sink ahead of the second one.
	if err := r.source.Client().ConfigSet(t.Context(), "repl-ping-replica-period", "3600").Err(); err != nil {
		t.Fatal(err)
	}
	next := testenv.Redis(t, testenv.Set("repl-diskless-sync-delay", "0"))
	next.ReplicaOf(r.source)
	return &pair{rig: r, top: r.source, next: next}
}

// follow points the rig's next start at a server.
func (p *pair) follow(in *testenv.Instance) {
	p.t.Helper()
	c, err := ingest.ParseURL(in.URL())
	if err != nil {
		p.t.Fatal(err)
	}
	p.source, p.cfg.Source.Address = in, c.Address
}

// logged waits until the log holds all that the source has.
func (r *rig) logged() {
	r.t.Helper()
	want := r.source.Offset()
	testenv.Eventually(r.t, patience, "the stream in the log", func() bool { return r.b.Status().Log.Tail >= want })
}

// part cuts the replica off, so that the first server goes on alone.
func (p *pair) part() {
	p.t.Helper()
	p.next.AwaitOffset(p.top)
	p.next.Promote()
}

// TestFailoverToASibling: the sibling has all that we have, and a partial resync goes on under its id.
func TestFailoverToASibling(t *testing.T) {
	p := newPair(t)
	p.set("a")
	p.start()
	p.await("a")
	p.logged()
	p.part()
	p.stopClean()
	p.follow(p.next)
	p.set("b")
	p.start()
	p.await("b")
	p.stopClean()
	p.check(0, "initial") // the sibling itself gave none
	if n := len(p.sink.kinds("history")); n != 1 {
		t.Errorf("%d history events, want 1", n)
	}
}

// TestFailoverCutsTheLog: the log has what the promoted sibling does not, the sink has not. The log is cut to where the
// histories part, and a partial resync goes on there.
func TestFailoverCutsTheLog(t *testing.T) {
	p := newPair(t)
	p.start()
	p.set("a")
	p.await("a")
	p.sink.take(0)
	p.set("common")
	p.part()
	p.set("lost")
	p.logged()
	_ = p.end(true) // the sink is away, and Run says so
	p.follow(p.next)
	p.set("b")
	p.start()
	testenv.Eventually(t, patience, "a partial resync", func() bool { return p.b.Status().Link.PartialSyncs == 1 })
	p.sink.take(-1) // later than the source: what is published before cannot be taken back
	p.await("b")
	p.stopClean()
	p.check(0, "initial")
	if !p.sink.has("common") || p.sink.has("lost") {
		t.Errorf("the common change is there: %v; the lost one is there: %v", p.sink.has("common"), p.sink.has("lost"))
	}
}

// TestFailoverBehindTheSink: the sink has what the promoted sibling does not. That cannot be taken back, so a new
// generation says that history was rewritten, and after which position.
func TestFailoverBehindTheSink(t *testing.T) {
	for _, tt := range []struct {
		name     string
		diskLost bool
		policy   string
	}{{"log", false, bridge.PolicyResync}, {"disk lost", true, bridge.PolicyResync}, {"refused", false, bridge.PolicyFail}, {"disk lost, refused", true, bridge.PolicyFail}} {
		t.Run(tt.name, func(t *testing.T) {
			p := newPair(t)
			p.cfg.OnHistoryLoss = tt.policy
			p.set("a")
			p.start()
			p.await("a")
			p.logged()
			p.part()
			p.set("lost")
			p.await("lost")
			p.stopClean()
			before := p.sink.Confirmed()
			if tt.diskLost {
				p.cfg.DataDir = t.TempDir()
			}
			p.follow(p.next)
			p.set("b")
			p.start()
			if tt.policy == bridge.PolicyFail {
				if err := p.end(false); !errors.Is(err, bridge.ErrOperator) || !strings.Contains(err.Error(), "KEYFEED_ON_HISTORY_LOSS") {
					t.Errorf("Run returned %v, want an error for an operator that names the setting", err)
				}
				return
			}
			p.await("b")
			p.stopClean()
			p.check(1, "initial", "history_rewritten")
			if b := p.sink.kinds("snapshot_begin")[1]; b.Prev != before.String() {
				t.Errorf("the new generation comes after %q, want %q", b.Prev, before)
			}
		})
	}
}

// TestChainedSource: from a master to its replica, which lags, and on to the replica's replica.
func TestChainedSource(t *testing.T) {
	p := newPair(t)
	chained := testenv.Redis(t, testenv.Set("repl-diskless-sync-delay", "0"))
	chained.ReplicaOf(p.next)
	p.start()
	p.set("a")
	p.await("a")
	p.logged()
	p.next.Pause()
	p.set("b")
	p.await("b")
	p.stopClean()
	p.follow(chained) // which does not have b yet
	p.start()
	testenv.Eventually(t, patience, "a refusal to fall back to a full sync", func() bool {
		return strings.Contains(p.b.Status().Link.LastError, "still behind")
	})
	p.next.Resume()
	testenv.Eventually(t, patience, "a partial resync", func() bool { return p.b.Status().Link.PartialSyncs == 1 })
	p.source = p.top
	p.set("c")
	p.await("c")
	p.stopClean()
	p.source = chained
	p.check(0, "initial")
}

// TestSourceRestarts: with an RDB written at the end the stream goes on; with an older one, or none, the gap is declared.
func TestSourceRestarts(t *testing.T) {
	for _, tt := range []struct {
		name    string
		away    bool // the sink does not have the last change
		stop    func(r *rig)
		reasons []string
	}{
		{"with its RDB", false, func(r *rig) { r.source.Stop("SAVE") }, []string{"initial"}},
		{"killed, with an older RDB", false, func(r *rig) { r.source.Kill() }, []string{"initial", "history_rewritten"}},
		{"killed, with an older RDB, the sink away", true, func(r *rig) { r.source.Kill() }, []string{"initial"}},
		{"without an RDB", false, func(r *rig) {
			r.source.Kill()
			if err := removeRDB(r.source); err != nil {
				r.t.Fatal(err)
			}
		}, []string{"initial", "history_lost"}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			r := newRig(t)
			r.start()
			r.set("a")
			r.await("a")
			if tt.away { // before the RDB is written: a PING behind it is more than the source will have then
				r.sink.take(0)
			}
			// Refused while the child of the full sync has not been waited for.
			testenv.Eventually(t, patience, "an RDB", func() bool { return r.source.Client().Save(t.Context()).Err() == nil })
			r.set("b")
			r.logged()
			if !tt.away {
				r.await("b")
			}
			tt.stop(r)
			r.source.Restart()
			if tt.away { // what the sink does not have yet can still be left out
				testenv.Eventually(t, patience, "a partial resync", func() bool { return r.b.Status().Link.PartialSyncs == 1 })
				r.sink.take(-1)
			}
			r.set("c")
			r.await("c")
			r.stopClean()
			r.check(int64(len(tt.reasons)-1), tt.reasons...)
		})
	}
}

// TestBacklogOverrun: what the source wrote while keyfeed was away has left its backlog.
func TestBacklogOverrun(t *testing.T) {
	r := newRig(t)
	if err := r.source.Client().ConfigSet(t.Context(), "repl-backlog-size", "16kb").Err(); err != nil {
		t.Fatal(err)
	}
	r.start()
	r.set("a")
	r.await("a")
	r.sink.take(0)
	r.set("unpublished")
	r.logged()
	_ = r.end(true) // the sink is away, and Run says so
	for range 10 {
		if err := r.source.Client().Set(t.Context(), "big", strings.Repeat("x", 10_000), 0).Err(); err != nil {
			t.Fatal(err)
		}
	}
	r.sink.take(-1)
	r.start()
	testenv.Eventually(t, patience, "a second snapshot", func() bool { return len(r.sink.kinds("snapshot_end")) == 2 })
	r.stopClean()
	r.check(2, "initial", "history_lost")
	if !r.sink.has("unpublished") {
		t.Error("what the log held was not published")
	}
}

func removeRDB(in *testenv.Instance) error { return os.Remove(filepath.Join(in.Dir, "dump.rdb")) }
