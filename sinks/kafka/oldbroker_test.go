package kafka_test

import (
	"testing"

	"github.com/twmb/franz-go/pkg/kfake"
	"github.com/twmb/franz-go/pkg/kversion"
)

// TestABrokerThatTellsOfNoTransactions: before 2.8 nobody can be asked which transactions are open.
func TestABrokerThatTellsOfNoTransactions(t *testing.T) {
	c := cluster(t, kfake.MaxVersions(kversion.V2_7_0()))
	cfg := config("redis", c.ListenAddrs()...)
	s := opened(t, cfg)
	mustWrite(t, s, events(0, 100))
	mustFlush(t, s)
	wantOnce(t, cfg, 100)
}
