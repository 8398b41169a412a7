package bridge_test

import (
	"testing"
	"time"

	"keyfeed/internal/bridge"
	"keyfeed/internal/testenv"
)

// TestFullSyncBudget: the budget is spent across restarts; then keyfeed waits, says so, and asks the source for nothing
// until an operator asks for a snapshot.
func TestFullSyncBudget(t *testing.T) {
	r := newRig(t)
	r.cfg.FullSyncsPerHour = 1
	r.start()
	r.set("a")
	r.await("a")
	if err := r.source.Client().Do(t.Context(), "DEBUG", "CHANGE-REPL-ID").Err(); err != nil {
		t.Fatal(err)
	}
	if err := r.source.Client().ClientKillByFilter(t.Context(), "TYPE", "replica").Err(); err != nil {
		t.Fatal(err)
	}
	for range 2 { // a restart does not forget
		testenv.Eventually(t, patience, "a wait for the budget", func() bool {
			return r.b.Status().FullSyncs.NextAt != nil && r.b.Status().Link.State == "blocked"
		})
		st := r.b.Status().FullSyncs
		if in := time.Until(*st.NextAt); st.LastHour != 1 || in < 50*time.Minute || in > time.Hour {
			t.Errorf("%d in the last hour, the next one in %v", st.LastHour, in)
		}
		if r.b.Ready() == nil {
			t.Error("ready while waiting")
		}
		r.stopClean()
		r.start()
	}
	r.stopClean()
	r.check(1, "initial")

	if err := bridge.RequestSnapshot(r.cfg.DataDir, "s"); err != nil {
		t.Fatal(err)
	}
	r.start()
	r.set("b")
	r.await("b")
	r.stopClean()
	r.check(2, "initial", "requested")
}
