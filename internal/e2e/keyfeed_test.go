//go:build e2e

package e2e

import (
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"keyfeed/internal/testenv"
)

// maxRSS is how much memory keyfeed may have resident, whatever it does.
const maxRSS = 200 << 20

// patience bounds how long a test waits for what it expects. It claims nothing about speed: a machine that builds may be
// slow, and busy with other things.
const patience = 5 * time.Minute

// endTimeout bounds how long keyfeed may take to end after SIGTERM: its own timeout and some time to spare.
const endTimeout = 60 * time.Second

// keyfeed is the program under test with its settings. It may run or not.
type keyfeed struct {
	t   *testing.T
	env []string
	now *testenv.ChildProcess
	all []*testenv.ChildProcess // every run, the last one included

	mu     sync.Mutex // guards what follows
	peak   int64      // most bytes resident of any run
	peakAt time.Time  // when it was seen, to be found in the log
}

// startKeyfeed starts `keyfeed run` on a data directory of its own; env comes after the settings that all tests share.
func startKeyfeed(t *testing.T, env ...string) *keyfeed {
	t.Helper()
	k := newKeyfeed(t, env...)
	k.start()
	return k
}

func newKeyfeed(t *testing.T, env ...string) *keyfeed {
	t.Helper()
	return &keyfeed{t: t, env: append([]string{
		"KEYFEED_DATA_DIR=" + t.TempDir(),
		"KEYFEED_HTTP_ADDR=127.0.0.1:0",
		"KEYFEED_HEARTBEAT_INTERVAL=1s",
		"KEYFEED_FULL_SYNCS_PER_HOUR=0", // tests that are about it set it
		"KEYFEED_LOG_LEVEL=debug",
		"KEYFEED_SOURCE_RECONNECT_MIN=100ms",
		"KEYFEED_SOURCE_RECONNECT_MAX=1s",
	}, env...)}
}

func (k *keyfeed) start() {
	k.t.Helper()
	k.now = testenv.Child(k.t, binary, []string{"run"}, k.env)
	k.all = append(k.all, k.now)
	go k.watchMemory(k.now)
}

// watchMemory looks at the peak every 100 ms while the process runs.
func (k *keyfeed) watchMemory(c *testenv.ChildProcess) {
	tick := time.NewTicker(100 * time.Millisecond)
	defer tick.Stop()
	for {
		select {
		case <-c.Done():
			return
		case <-tick.C:
			k.sawMemory(c.PeakRSS())
		}
	}
}

func (k *keyfeed) sawMemory(bytes int64) {
	k.mu.Lock()
	defer k.mu.Unlock()
	if bytes > k.peak {
		k.peak, k.peakAt = bytes, time.Now()
	}
}

// terminate ends keyfeed with SIGTERM and holds that it ends with code 0.
func (k *keyfeed) terminate() {
	k.t.Helper()
	// Before it runs its own code nothing handles the signal.
	testenv.Eventually(k.t, patience, "keyfeed starts", func() bool { return strings.Contains(k.now.Output(), "keyfeed is starting") })
	k.now.Signal(syscall.SIGTERM)
	if code := k.now.Wait(endTimeout); code != 0 {
		k.t.Fatalf("keyfeed ended with code %d after SIGTERM, want 0", code)
	}
}

// kill ends keyfeed with SIGKILL.
func (k *keyfeed) kill() { k.now.Kill() }

// running holds that keyfeed has not ended.
func (k *keyfeed) running() {
	k.t.Helper()
	select {
	case <-k.now.Done():
		k.t.Fatalf("keyfeed has ended with code %d", k.now.Wait(time.Second))
	default:
	}
}

// checkMemory holds that no run of keyfeed has had more resident than it may.
func (k *keyfeed) checkMemory() {
	k.t.Helper()
	k.mu.Lock()
	defer k.mu.Unlock()
	k.t.Logf("keyfeed had at most %d MiB resident, first at %s", k.peak>>20, k.peakAt.UTC().Format(time.RFC3339Nano))
	if k.peak == 0 || k.peak > maxRSS {
		k.t.Errorf("keyfeed had %d MiB resident, want at most %d MiB (and more than 0)", k.peak>>20, maxRSS>>20)
	}
}
