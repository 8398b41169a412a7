package nats_test

import (
	"testing"

	"go.uber.org/goleak"

	"keyfeed/internal/testenv"
)

// TestMain looks for goroutines that the sink leaves. Some of a nats-server that is shut down in this process linger in
// their own time; the sink starts none of these.
func TestMain(m *testing.M) {
	const server = "github.com/nats-io/nats-server/v2/server"
	testenv.RunWithoutLeaks(
		m,
		goleak.IgnoreAnyFunction(server+".(*msgBlock).flushLoop"),
		goleak.IgnoreAnyFunction(server+".(*fileStore).flushStreamStateLoop"),
		goleak.IgnoreAnyFunction(server+"/ats.Register.func1"),
	)
}
