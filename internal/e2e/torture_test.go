//go:build e2e

package e2e

import (
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"keyfeed/internal/testenv"
	"keyfeed/internal/testenv/kafkaenv"
)

// torture breaks everything around a running keyfeed, one fault after the other, while a source is written to, and
// holds at the end that the sink has each event once, in order, with nothing missing.
type torture struct {
	t        *testing.T
	seed     uint64
	sink     *tortured
	pair     *pair
	disk     *disk
	env      []string   // of every keyfeed, without its data directory
	k        *keyfeed   // the one that publishes
	dir      string     // its data directory
	keyfeeds []*keyfeed // all that ever ran
	load     *load
	allowed  int64 // full syncs that the schedule has forced
	schedule []string
	counts   map[string]int
}

// tortured is a broker that can be killed, behind a link that can be cut.
type tortured struct {
	env           []string
	col           *collector
	link          *testenv.TCPProxy // nil when the broker is part of keyfeed
	kill, restart func()
}

func TestTortureJetStream(t *testing.T) {
	server := testenv.NATSServer(t)
	link := testenv.Proxy(t, server.Addr())
	s := &tortured{
		env:  []string{"KEYFEED_SINK=nats", "KEYFEED_NATS_URL=nats://" + link.Addr(), "KEYFEED_NATS_TIMEOUT=3s"},
		col:  newLedger(t, 1),
		link: link,
		kill: server.Kill, restart: server.Start,
	}
	readJetStream(t, server.URL(), s.col)
	runTorture(t, s)
}

func TestTortureKafka(t *testing.T) {
	var link *testenv.TCPProxy
	server := kafkaenv.Start(t, kafkaenv.WithProxied(func(addr string) string {
		link = testenv.Proxy(t, addr)
		return link.Addr()
	}))
	s := &tortured{
		env: []string{
			"KEYFEED_SINK=kafka", "KEYFEED_KAFKA_BROKERS=" + link.Addr(), "KEYFEED_KAFKA_TIMEOUT=5s",
			fmt.Sprint("KEYFEED_KAFKA_PARTITIONS=", partitions),
		},
		col:  newLedger(t, partitions),
		link: link,
		kill: server.Kill, restart: server.Restart,
	}
	readKafka(t, server.Addr(), s.col)
	runTorture(t, s)
}

// The broker inside keyfeed dies and comes back with it.
func TestTortureEmbedded(t *testing.T) {
	addr := testenv.FreeAddr(t)
	s := &tortured{
		env: []string{"KEYFEED_SINK=nats", "KEYFEED_NATS_URL=embedded", "KEYFEED_NATS_EMBEDDED_ADDR=" + addr},
		col: newLedger(t, 1),
	}
	readJetStream(t, "nats://"+addr, s.col)
	runTorture(t, s)
}

func runTorture(t *testing.T, s *tortured) {
	t.Helper()
	tt := &torture{t: t, seed: newSeed(t), sink: s, counts: map[string]int{}}
	tt.pair = startPair(t, tt.seed, 10_000, 5_000)
	tt.disk = newDisk(t, s.link != nil)
	tt.env = append([]string{
		"KEYFEED_SOURCE_URL=redis://" + tt.pair.front.Addr(),
		"KEYFEED_SOURCE_IDLE_TIMEOUT=3s",
		"KEYFEED_SOURCE_WRITE_TIMEOUT=3s",
		"KEYFEED_BACKLOG_RETAIN_BYTES=32MiB",
		"KEYFEED_LOG_LEVEL=info",
		"KEYFEED_FULL_SYNCS_PER_HOUR=0",
	}, s.env...)
	defer tt.keep()
	tt.dir = filepath.Join(tt.disk.dir, "a")
	tt.k = tt.newKeyfeed(tt.dir)
	tt.k.start()
	tt.allowed = 1
	s.col.awaitKind(tt.k, "snapshot_begin", 1, patience)
	tt.load = startLoad(t, tt.pair, tt.seed)
	started := time.Now()
	tt.run()
	writing := time.Since(started)
	tt.load.stop()
	t.Logf("writers sent %d commands in %v, %.0f a second", tt.load.sent(), writing.Round(time.Second), float64(tt.load.sent())/writing.Seconds())

	master := tt.pair.master()
	quiesce(t, master)
	end := barrier(t, master)
	tt.await(fmt.Sprintf("the barrier above offset %d", end), func() bool {
		return s.col.all(func(p *partition) bool { return p.barrier > end })
	})
	tt.pair.awaitRecorded()
	tt.k.terminate()
	s.col.finish()
	tt.judge(end)
	if t.Failed() {
		return // what follows would only repeat it
	}
	if diffs := compare(t, master, rebuild(t, s.col), withoutCounters); len(diffs) > 0 {
		t.Errorf("the rebuilt server differs from the source: %d differences\n%s", len(diffs), lines(diffs))
	}
}

// newKeyfeed is a keyfeed with its own data directory that does not run yet.
func (tt *torture) newKeyfeed(dir string) *keyfeed {
	tt.t.Helper()
	k := newKeyfeed(tt.t, append(slices.Clone(tt.env), "KEYFEED_DATA_DIR="+dir)...)
	tt.keyfeeds = append(tt.keyfeeds, k)
	return k
}

// judge checks what the sink holds and how many full syncs it took.
func (tt *torture) judge(end int64) {
	tt.t.Helper()
	started := time.Now()
	var files []string
	for _, p := range tt.sink.col.parts {
		files = append(files, p.file.Name())
	}
	v, err := judge(files, tt.pair.rec.rec, end)
	if err != nil {
		tt.t.Fatal(err)
	}
	faults := 0
	for _, n := range tt.counts {
		faults += n
	}
	syncs := tt.pair.keyfeedSyncs()
	tt.t.Logf("seed %d, %d faults: %v\n%v\nfull syncs %d of %d allowed; checked in %v",
		tt.seed, faults, tt.counts, v, syncs, tt.allowed, time.Since(started).Round(time.Millisecond))
	if !v.ok() {
		tt.t.Errorf("the sink is not exact: lost %d, duplicated %d, reordered %d, wrong %d, torn %d:\n%v",
			v.Lost, v.Duplicated, v.Reordered, v.Wrong, v.Torn, &v.problems)
	}
	if syncs > tt.allowed {
		tt.t.Errorf("the source served %d full syncs, the schedule forced %d", syncs, tt.allowed)
	}
	if n := int64(len(v.Generations)); n > syncs {
		tt.t.Errorf("the sink has %d generations after %d full syncs", n, syncs)
	}
}

// keep copies events, recording and schedule of a failed test into KEYFEED_E2E_KEEP, or else the artifacts of the test.
func (tt *torture) keep() {
	if !tt.t.Failed() {
		return
	}
	dir := tt.t.ArtifactDir()
	if to := os.Getenv("KEYFEED_E2E_KEEP"); to != "" {
		dir = filepath.Join(to, tt.t.Name())
	}
	if err := os.MkdirAll(dir, 0o750); err != nil {
		tt.t.Errorf("keeping the evidence: %v", err)
		return
	}
	files := map[string]string{"recording": tt.pair.rec.rec.file.Name()}
	for _, p := range tt.sink.col.parts {
		_ = p.w.Flush() // after a failure it may not be finished
		files[filepath.Base(p.file.Name())] = p.file.Name()
	}
	for name, from := range files {
		if err := copyFile(filepath.Join(dir, name), from); err != nil {
			tt.t.Errorf("keeping the evidence: %v", err)
		}
	}
	logs := map[string]string{"schedule": fmt.Sprintf("seed %d\n%s\n", tt.seed, strings.Join(tt.schedule, "\n"))}
	for i, k := range tt.keyfeeds {
		for _, run := range k.all {
			logs[fmt.Sprint("keyfeed-", i)] += fmt.Sprintf("pid %d\n%s\n", run.PID(), run.Output())
		}
	}
	for name, text := range logs {
		if err := os.WriteFile(filepath.Join(dir, name), []byte(text), 0o600); err != nil {
			tt.t.Errorf("keeping the evidence: %v", err)
		}
	}
	tt.t.Logf("the evidence is in %s", dir)
}

func copyFile(to, from string) error {
	b, err := os.ReadFile(from)
	if err != nil {
		return err
	}
	return os.WriteFile(to, b, 0o600)
}
