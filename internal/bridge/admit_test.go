package bridge_test

import (
	"testing"

	"keyfeed/internal/testenv"
)

// TestOldDirectoryKeepsItsLog: the directory was put back as it was before its snapshot was published, and the source sends
// everything. What the log holds after the sink's position is published first, although nobody had noted that the snapshot
// before it was.
func TestOldDirectoryKeepsItsLog(t *testing.T) {
	r, _ := newFakeRig(t, &row{disk: disks(pending), sink: after(gen1, 3), source: sources(stranger()), set: patient})
	r.sink.take(1) // and is away while the snapshot arrives
	r.start()
	testenv.Eventually(t, patience, "the new snapshot", func() bool { return r.b.Status().Link.FullSyncs == 1 })
	r.sink.take(-1)
	const want = "k04 k05 begin:history_lost:after-5 s1 end z01"
	r.sink.until(t, want)
	r.stopClean()
	if got := r.sink.story(); got != want {
		t.Errorf("published\n%s\nwant\n%s", got, want)
	}
}
