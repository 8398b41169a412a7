//go:build e2e

package e2e

import (
	"math/rand/v2"
	"os"
	"strconv"
	"testing"
	"time"
)

// size is how big a run is.
type size struct {
	keys     int           // of the generated data, over all databases
	big      int           // elements of the four big collections
	writing  time.Duration // how long the writers run
	restarts int
	rate     int // commands a second, all writers together
	hugeHash int // fields of the hash of the memory test
	outage   time.Duration
}

func chosenSize() size {
	if os.Getenv("KEYFEED_E2E") == "long" {
		return size{
			keys: 200_000, big: 1_000_000, writing: 60 * time.Second, restarts: 5, rate: 5000, hugeHash: 5_000_000,
			outage: 60 * time.Second,
		}
	}
	return size{
		keys: 30_000, big: 50_000, writing: 15 * time.Second, restarts: 5, rate: 3000, hugeHash: 1_000_000,
		outage: 10 * time.Second,
	}
}

// newSeed returns the seed of this test and prints it.
func newSeed(t *testing.T) uint64 {
	t.Helper()
	seed := rand.Uint64()
	if s := os.Getenv("KEYFEED_E2E_SEED"); s != "" {
		n, err := strconv.ParseUint(s, 10, 64)
		if err != nil {
			t.Fatalf("KEYFEED_E2E_SEED: %v", err)
		}
		seed = n
	}
	t.Logf("seed: KEYFEED_E2E_SEED=%d", seed)
	return seed
}

func newRand(seed, stream uint64) *rand.Rand { return rand.New(rand.NewPCG(seed, stream)) }
