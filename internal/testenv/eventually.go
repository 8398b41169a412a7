package testenv

import (
	"testing"
	"time"
)

// Eventually looks every 10 ms whether ok has become true and fails the test after timeout; what says what was
// expected. It is for states that only polling shows: of other processes, mostly.
func Eventually(tb testing.TB, timeout time.Duration, what string, ok func() bool) {
	tb.Helper()
	deadline := time.Now().Add(timeout)
	tick := time.NewTicker(10 * time.Millisecond)
	defer tick.Stop()
	for !ok() {
		if time.Now().After(deadline) {
			tb.Fatalf("not within %v: %s", timeout, what)
		}
		<-tick.C
	}
}
