//go:build e2e

package e2e

import (
	"fmt"
	"testing"
	"time"

	"keyfeed/internal/testenv"
	"keyfeed/internal/testenv/kafkaenv"
)

// sink is a broker, the settings that point keyfeed to it, and ways to cut it off and back again.
type sink struct {
	env       []string
	col       *collector
	cut, mend func()
}

const partitions = 3

// natsSink is a nats-server behind a proxy that is cut; the collector reads past the proxy.
func natsSink(t *testing.T) *sink {
	t.Helper()
	server := testenv.NATSServer(t)
	proxy := testenv.Proxy(t, server.Addr())
	s := &sink{
		env:  []string{"KEYFEED_SINK=nats", "KEYFEED_NATS_URL=nats://" + proxy.Addr()},
		col:  newCollector(t, 1),
		cut:  func() { proxy.Down(testenv.RST) },
		mend: proxy.Accept,
	}
	readJetStream(t, server.URL(), s.col)
	return s
}

// kafkaSink is a real Kafka that is killed with SIGKILL and restarted, as the addresses it announces know no proxy.
func kafkaSink(t *testing.T) *sink {
	t.Helper()
	server := kafkaenv.Start(t)
	s := &sink{
		env:  []string{"KEYFEED_SINK=kafka", "KEYFEED_KAFKA_BROKERS=" + server.Addr(), fmt.Sprint("KEYFEED_KAFKA_PARTITIONS=", partitions)},
		col:  newCollector(t, partitions),
		cut:  server.Kill,
		mend: server.Restart,
	}
	readKafka(t, server.Addr(), s.col)
	return s
}

func TestAcceptanceJetStream(t *testing.T) { acceptance(t, natsSink(t)) }

func TestAcceptanceKafka(t *testing.T) { acceptance(t, kafkaSink(t)) }

// acceptance rebuilds a source from the events of a sink after everything that may happen has happened.
func acceptance(t *testing.T, s *sink) {
	t.Helper()
	size := chosenSize()
	seed := newSeed(t)
	source := startSource(t)
	generate(t, source, seed, size.keys, size.big)
	k := startKeyfeed(t, append(s.env, "KEYFEED_SOURCE_URL="+source.URL())...)
	awaitFullSync(t, k, source)
	ws := startWriters(t, source, seed, 2, size.rate)

	// Ended while the source sends its snapshot, keyfeed can only ask for another one: see
	// TestEndedWhileTheSnapshotArrives. From its first event on, one has to be enough.
	s.col.awaitKind(k, "snapshot_begin", 1, patience)
	// Restarts at odd sixteenths, cuts in between; the first restarts find the snapshot still on its way to the sink.
	slot := size.writing / 16
	restart := func() { k.terminate(); k.start() }
	timeline(t, slot, map[int]func(){
		1: restart, 3: restart, 4: s.cut, 6: s.mend, 8: restart, 9: s.cut, 11: s.mend, 13: restart, 15: restart,
	}, 16)
	t.Logf("writers sent %d commands, keyfeed was restarted %d times, the sink was cut twice", ws.stop(), size.restarts)
	settle(t, k, source, s, 1)
	k.checkMemory()
	verify(t, source, s, withoutCounters)
}

// timeline does the actions at their slots.
func timeline(t *testing.T, slot time.Duration, actions map[int]func(), slots int) {
	t.Helper()
	started := time.Now()
	for i := range slots + 1 {
		if wait := time.Until(started.Add(time.Duration(i) * slot)); wait > 0 {
			<-time.After(wait)
		}
		if action := actions[i]; action != nil {
			action()
		}
	}
}

// awaitFullSync waits until the source has forked for keyfeed: what is written from now on comes through the stream.
func awaitFullSync(t *testing.T, k *keyfeed, source *testenv.Instance) {
	t.Helper()
	testenv.Eventually(t, patience, "the source serves a full sync", func() bool {
		k.running()
		return source.SyncFull() == 1
	})
}

// settle lets everything that was written come out of the sink, ends keyfeed, and holds that so many full syncs, one
// mostly, were enough.
func settle(t *testing.T, k *keyfeed, source *testenv.Instance, s *sink, fullSyncs int64) {
	t.Helper()
	quiesce(t, source)
	s.col.awaitBarrier(k, barrier(t, source), 10*time.Minute)
	k.terminate()
	if n := source.SyncFull(); n != fullSyncs {
		t.Errorf("the source served %d full syncs, want %d", n, fullSyncs)
	}
	t.Log(s.col)
	s.col.finish()
}

// barrier writes what comes out in every partition behind everything written before, and returns an offset that is
// below that of the barrier and not below that of anything before it.
func barrier(t *testing.T, source *testenv.Instance) int64 {
	t.Helper()
	before := source.Offset()
	if err := source.DB(barrierDB).FlushDB(t.Context()).Err(); err != nil {
		t.Fatal(err)
	}
	return before
}

// verify checks the events of a sink and what can be rebuilt from them.
func verify(t *testing.T, source *testenv.Instance, s *sink, groups counters) {
	t.Helper()
	defer keep(t, s.col)
	target := rebuild(t, s.col)
	if diffs := compare(t, source, target, groups); len(diffs) > 0 {
		t.Errorf("the rebuilt server differs from the source: %d differences\n%s", len(diffs), lines(diffs))
	}
	validate(t, s.col)
}
