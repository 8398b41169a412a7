//go:build e2e

package e2e

import (
	"math/rand/v2"
	"os"
	"path/filepath"
	"regexp"
	"time"

	"keyfeed/internal/testenv"
)

// startRival starts a second keyfeed on the same sink. One of them is fenced and ends with 75; started again, it stands by
// and leaves the other one alone. Then it is ended, or the other one is killed and it takes over.
func (tt *torture) startRival(rng *rand.Rand) {
	dir := filepath.Join(tt.disk.dir, "a")
	if dir == tt.dir {
		dir = filepath.Join(tt.disk.dir, "b")
	}
	if err := os.RemoveAll(dir); err != nil {
		tt.t.Fatal(err)
	}
	winner, loser, loserDir := tt.newKeyfeed(dir), tt.k, tt.dir
	winner.start()
	testenv.Eventually(tt.t, recovery, "one of two keyfeeds ends", func() bool {
		select {
		case <-tt.k.now.Done():
			return true
		case <-winner.now.Done():
			winner, loser, loserDir, dir = tt.k, winner, dir, tt.dir
			return true
		default:
			return false
		}
	})
	if code := loser.now.Wait(time.Second); code != 75 {
		tt.t.Fatalf("one of two keyfeeds ended with %d, want 75:\n%s", code, loser.now.Output())
	}
	tt.note("%s was fenced", filepath.Base(loserDir))
	tt.k, tt.dir = winner, dir
	loser.start()
	loser.now.WaitLine(regexp.MustCompile("standing by"), recovery)
	tt.awaitProgress("a rival that stands by")
	loser.running()
	if rng.IntN(2) == 0 {
		loser.terminate()
		return
	}
	tt.note("the one that stands by takes over")
	winner.kill()
	tt.k, tt.dir = loser, loserDir
	loser.now.WaitLine(regexp.MustCompile("taking it over"), recovery)
}
