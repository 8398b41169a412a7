package bridge_test

import (
	"fmt"
	"os"
	"path/filepath"
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

// spent writes that one full sync began five minutes ago.
func (d *disk) spent() {
	d.must(os.MkdirAll(d.source(), 0o750))
	d.must(os.WriteFile(filepath.Join(d.source(), "fullsyncs.json"),
		fmt.Appendf(nil, `[{"began_ms":%d,"done":true}]`, time.Now().Add(-5*time.Minute).UnixMilli()), 0o600))
}

// TestBudgetAsksAgain: the source answers once as if nothing but a full sync would do, and the budget is spent. It goes on
// with the log at the next question, which comes long before the budget allows a full sync.
func TestBudgetAsksAgain(t *testing.T) {
	for _, noInfo := range []bool{false, true} {
		t.Run(fmt.Sprint("INFO permitted: ", !noInfo), func(t *testing.T) {
			runRow(t, &row{
				disk: disks(logOnly), break_: (*disk).spent, sink: after(gen1, 3), source: sources(stranger(), whole()), noInfo: noInfo,
				set:   func(c *bridge.Config) { c.FullSyncsPerHour = 1 },
				asked: map[bool]string{false: "a5", true: "a5 a5"}[noInfo], want: "k04 k05 k06 k07 k08 k09 k10 k11 k12",
			})
		})
	}
}

// TestAlwaysKeepsToTheBudget: a snapshot at every start, but none that the budget does not allow: the log goes on.
func TestAlwaysKeepsToTheBudget(t *testing.T) {
	always := func(c *bridge.Config) { c.FullSyncsPerHour, c.SnapshotMode = 1, bridge.SnapshotAlways }
	for _, tt := range []row{
		{id: "a log", disk: disks(logOnly), asked: "a5", want: "k04 k05 k06 k07 k08 k09 k10 k11 k12"},
		{id: "no log", asked: "a3", want: "k04 k05 k06 k07 k08 k09 k10 k11 k12"},
	} {
		t.Run(tt.id, func(t *testing.T) {
			tt.sink, tt.source, tt.set, tt.break_, tt.late = after(gen1, 3), sources(whole()), always, (*disk).spent, new("")
			if tt.disk != nil {
				tt.late = new("k04 k05")
			}
			runRow(t, &tt)
		})
	}
}
