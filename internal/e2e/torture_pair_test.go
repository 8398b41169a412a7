//go:build e2e

package e2e

import (
	"fmt"
	"strings"
	"sync"
	"testing"

	"keyfeed/internal/testenv"
)

// pair is a source that fails over: a master and its replica. keyfeed reaches the master through front.
type pair struct {
	t     *testing.T
	nodes [2]*testenv.Instance
	links [2]*testenv.TCPProxy // links[i] leads to nodes[i]; the other node replicates through it
	front *testenv.TCPProxy
	rec   *recorder

	// keyfeed's own full syncs are those of both nodes without these: of the replica and of the recorder.
	foreignSyncs int64

	mu sync.RWMutex // held for reading while something is written, so that a failover finds the writers idle
	at int          // index of the master; guarded by mu
}

// startPair starts both nodes with generated data, and the recorder.
func startPair(t *testing.T, seed uint64, keys, big int) *pair {
	t.Helper()
	p := &pair{t: t}
	for i := range p.nodes {
		p.nodes[i] = testenv.Redis(
			t, testenv.Set("repl-backlog-size", "512mb"), // of minutes: a machine may be slow to bring keyfeed back
			testenv.Set("client-output-buffer-limit", "replica 0 0 0"),
			testenv.Set("list-compress-depth", "1"),
			testenv.Set("repl-ping-replica-period", "1"),
			testenv.Set("repl-diskless-sync", "yes"),
		)
		p.links[i] = testenv.Proxy(t, p.nodes[i].Addr())
	}
	generate(t, p.nodes[0], seed, keys, big)
	p.nodes[1].ReplicaOfAddr(p.links[0].Addr())
	p.awaitReplica(1)
	p.rec = startRecorder(t, p.nodes[0].Addr())
	p.foreignSyncs = p.nodes[0].SyncFull()
	p.front = testenv.Proxy(t, p.nodes[0].Addr())
	return p
}

// writing calls f with the master, which stays the master meanwhile.
func (p *pair) writing(f func(master *testenv.Instance)) {
	p.mu.RLock()
	defer p.mu.RUnlock()
	f(p.nodes[p.at])
}

// master is for the goroutine of the test, the only one that fails over.
func (p *pair) master() *testenv.Instance { return p.nodes[p.at] }

func (p *pair) replica() *testenv.Instance { return p.nodes[1-p.at] }

// keyfeedSyncs is how many full syncs the nodes have served to keyfeed.
func (p *pair) keyfeedSyncs() int64 {
	p.t.Helper()
	return p.nodes[0].SyncFull() + p.nodes[1].SyncFull() - p.foreignSyncs
}

func (p *pair) awaitReplica(i int) {
	p.t.Helper()
	testenv.Eventually(p.t, patience, "the replica's link is up", func() bool {
		return p.nodes[i].Info("replication")["master_link_status"] == "up"
	})
}

// promote makes the replica the master and the old master its replica, and sends keyfeed there. The front must be
// down, so that full syncs of the old master are told from those of keyfeed. p.mu is held.
func (p *pair) promote() {
	p.t.Helper()
	old, now := p.master(), p.replica()
	now.Promote()
	p.rec.follow(now.Addr()) // before the old master has another history
	p.links[p.at].Resume()
	before := now.SyncFull()
	old.ReplicaOfAddr(p.links[1-p.at].Addr())
	p.awaitReplica(p.at)
	p.foreignSyncs += now.SyncFull() - before
	p.at = 1 - p.at
	p.front.Retarget(now.Addr())
}

// awaitRecorded waits until the recording holds everything that the master has sent up to now.
func (p *pair) awaitRecorded() {
	p.t.Helper()
	want := p.master().Offset()
	testenv.Eventually(p.t, patience, "the recorder has everything", func() bool {
		p.rec.check()
		return p.rec.offset() >= want
	})
}

// acknowledgedBy is the highest offset that keyfeed has acknowledged to the master, 0 while it is not attached. It is the
// one replica that announces no port.
func acknowledgedBy(p *pair) int64 {
	p.t.Helper()
	var highest int64
	for name, value := range p.master().Info("replication") {
		var n, port int
		var ip, state string
		var offset, lag int64
		if _, err := fmt.Sscanf(name, "slave%d", &n); err != nil {
			continue
		}
		value = strings.ReplaceAll(value, ",", " ")
		_, err := fmt.Sscanf(value, "ip=%s port=%d state=%s offset=%d lag=%d", &ip, &port, &state, &offset, &lag)
		if err == nil && port == 0 {
			highest = max(highest, offset)
		}
	}
	return highest
}
