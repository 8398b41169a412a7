package app

import (
	"os"
	"runtime/debug"
)

// memoryGoal is what the garbage collector works harder to stay below, in bytes. Buffers that grow with a large command
// leave copies behind, which would otherwise stay until the heap has doubled. It is a goal, not a cap: nothing fails
// above it.
const memoryGoal = 120 << 20

// limitMemory sets the goal unless the operator has set GOMEMLIMIT.
func limitMemory() {
	if _, set := os.LookupEnv("GOMEMLIMIT"); !set {
		debug.SetMemoryLimit(memoryGoal)
	}
}
