package bridge_test

import (
	"fmt"
	"testing"
	"time"

	"keyfeed/internal/bridge"
	"keyfeed/internal/testenv"
)

// TestFullSyncBudget: the budget is spent across restarts; then keyfeed waits, says so, and asks the source for nothing
// until an operator asks for a snapshot.
func TestFullSyncBudget(t *testing.T) {
	for _, informed := range []bool{true, false} {
		t.Run(fmt.Sprint("INFO permitted: ", informed), func(t *testing.T) { testFullSyncBudget(t, informed) })
	}
}

func testFullSyncBudget(t *testing.T, informed bool) {
	t.Helper()
	r := newRig(t)
	asked := int64(0) // full syncs that each start asks for in vain, at least: none where INFO tells
	if !informed {
		if err := r.source.Client().Do(t.Context(), "ACL", "SETUSER", "kf", "on", ">pw", "+psync", "+replconf", "+ping").Err(); err != nil {
			t.Fatal(err)
		}
		r.cfg.Source.Username, r.cfg.Source.Password = "kf", "pw"
		asked = 1
	}
	check := func(granted, starts int64, reasons ...string) {
		t.Helper()
		n := r.source.SyncFull()
		if least, most := granted+asked*starts, granted+20*asked*starts; n < least || n > most { // the pause doubles: 20 times are three hours
			t.Errorf("the source began %d full syncs, want %d to %d", n, least, most)
		}
		r.check(n, reasons...)
	}
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
		testenv.Eventually(t, patience, "a wait for the budget", func() bool { return r.b.Status().FullSyncs.NextAt != nil })
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
	testenv.Eventually(t, patience, "a wait for the budget", func() bool { return r.b.Status().FullSyncs.NextAt != nil })
	r.stopClean()
	check(1, 3, "initial")

	if err := bridge.RequestSnapshot(r.cfg.DataDir, "s"); err != nil {
		t.Fatal(err)
	}
	r.start()
	r.set("b")
	r.await("b")
	r.stopClean()
	check(2, 3, "initial", "requested")
}
