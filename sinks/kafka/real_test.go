package kafka_test

import (
	"testing"

	"keyfeed/internal/testenv/kafkaenv"
)

// TestReal runs what kfake cannot vouch for against Apache Kafka: one server for all, since each takes seconds to start,
// and a source of its own for each test.
func TestReal(t *testing.T) {
	srv := kafkaenv.Start(t, kafkaenv.WithSASL("alice", "sesame"), kafkaenv.WithTLS())
	t.Run("Contract", func(t *testing.T) { testContractReal(t, srv) })
	t.Run("Security", func(t *testing.T) { testSecurityReal(t, srv) })
	t.Run("Progress", func(t *testing.T) { testProgressIsFound(t, config("progress", srv.Addr()), nil) })
	t.Run("Limit", func(t *testing.T) { testLimitIsExact(t, srv) })
	t.Run("Remnants", func(t *testing.T) { testRemnants(t, srv) })
	t.Run("KilledWriters", func(t *testing.T) { testKilledWriters(t, config("killed", srv.Addr()), 8) })
	t.Run("Pause", func(t *testing.T) { testPauseWhileWriting(t, srv) })
	t.Run("Kill", func(t *testing.T) { testKillWhileWriting(t, srv) })
}
