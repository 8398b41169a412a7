//go:build e2e

package e2e

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"strconv"
	"strings"
	"testing"
	"time"

	"keyfeed/internal/replay"
	"keyfeed/internal/testenv"
)

// A snapshot alone gives everything, the counters of consumer groups included.
func TestSnapshotIsExact(t *testing.T) {
	s := natsSink(t)
	source := startSource(t)
	seed := newSeed(t)
	generate(t, source, seed, 10_000, 20_000)
	k := startKeyfeed(t, append(s.env, "KEYFEED_SOURCE_URL="+source.URL())...)
	s.col.awaitKind(k, "snapshot_end", 1, patience)
	settle(t, k, source, s, 1)
	verify(t, source, s, withCounters)
}

// Ended while the source sends its snapshot, keyfeed asks for another one at the next start, and only the events of that
// one come out: nothing of a snapshot is published before all of it is there.
func TestEndedWhileTheSnapshotArrives(t *testing.T) {
	for name, end := range map[string]func(*keyfeed){"SIGTERM": (*keyfeed).terminate, "SIGKILL": (*keyfeed).kill} {
		t.Run(name, func(t *testing.T) {
			s := natsSink(t)
			source := startSource(t)
			generate(t, source, newSeed(t), 5_000, 20_000)
			proxy := testenv.Proxy(t, source.Addr())
			proxy.StallAfter(testenv.Down, 1<<20)
			k := startKeyfeed(t, append(s.env, "KEYFEED_SOURCE_URL=redis://"+proxy.Addr(), "KEYFEED_SHUTDOWN_TIMEOUT=1s")...)
			proxy.AwaitBytes(testenv.Down, 1<<20, patience)
			end(k)
			proxy.Resume()
			k.start()
			s.col.awaitKind(k, "snapshot_end", 1, patience)
			settle(t, k, source, s, 2)
			if n := s.col.messages("snapshot_begin"); n != 1 {
				t.Errorf("%d snapshots came out, want 1", n)
			}
			verify(t, source, s, withCounters)
		})
	}
}

// kill -9 in the middle of anything costs no event and no second full sync.
func TestKilledTimeAndAgain(t *testing.T) {
	s := natsSink(t)
	source := startSource(t)
	seed := newSeed(t)
	generate(t, source, seed, 10_000, 20_000)
	k := startKeyfeed(t, append(s.env, "KEYFEED_SOURCE_URL="+source.URL())...)
	s.col.awaitKind(k, "snapshot_begin", 1, patience) // killed before, it would rightly sync once more
	ws := startWriters(t, source, seed, 2, 3000)
	kill := func() { k.kill(); k.start() }
	actions := map[int]func(){}
	for i := range 10 {
		actions[i] = kill
	}
	timeline(t, 1300*time.Millisecond, actions, 11)
	ws.stopAnyhow()
	settle(t, k, source, s, 1)
	verify(t, source, s, withoutCounters)
}

// The link to the source is cut in every way while it carries much; partial resyncs mend it.
func TestSourceLinkIsCut(t *testing.T) {
	s := natsSink(t)
	source := startSource(t)
	seed := newSeed(t)
	generate(t, source, seed, 5_000, 5_000)
	proxy := testenv.Proxy(t, source.Addr())
	k := startKeyfeed(t, append(s.env, "KEYFEED_SOURCE_URL=redis://"+proxy.Addr(), "KEYFEED_SOURCE_IDLE_TIMEOUT=3s")...)
	s.col.awaitKind(k, "snapshot_end", 1, patience)
	ws := startWriters(t, source, seed, 2, 3000)
	cut := func(how testenv.Cut) func() { return func() { proxy.CloseAll(how) } }
	for i := range int64(5) { // at bytes that split commands
		proxy.CutAfter(testenv.Down, 30_000+7_777*i, testenv.FIN)
	}
	timeline(t, time.Second, map[int]func(){
		1: cut(testenv.RST), 3: cut(testenv.FIN), 5: cut(testenv.HalfOpen), 10: proxy.Stall, 11: proxy.Resume,
		12: func() { proxy.Down(testenv.RST) }, 14: proxy.Accept,
	}, 15)
	ws.stopAnyhow()
	settle(t, k, source, s, 1)
	if n := proxy.Connections(); n < 5 {
		t.Errorf("keyfeed has connected %d times, want at least 5", n)
	}
	verify(t, source, s, withoutCounters)
}

// The sink is away for long under load: the backlog grows, nothing is lost, the source is not asked for a second copy.
func TestSinkIsAway(t *testing.T) {
	size := chosenSize()
	s := natsSink(t)
	source := startSource(t)
	seed := newSeed(t)
	generate(t, source, seed, 5_000, 5_000)
	k := startKeyfeed(t, append(s.env, "KEYFEED_SOURCE_URL="+source.URL())...)
	s.col.awaitKind(k, "snapshot_end", 1, patience)
	ws := startWriters(t, source, seed, 2, size.rate)
	s.cut()
	before := source.Offset()
	<-time.After(size.outage)
	k.running()
	written := source.Offset()
	// The source does not wait for the sink: what it wrote meanwhile is acknowledged (repl offset of the replica).
	testenv.Eventually(t, patience, "keyfeed acknowledges what was written during the outage", func() bool {
		return acknowledged(source) >= written
	})
	events := s.col.count()
	s.mend()
	ws.stopAnyhow()
	settle(t, k, source, s, 1)
	t.Logf("%d bytes of stream in an outage of %v, %d events after it", written-before, size.outage, s.col.count()-events)
	k.checkMemory()
	verify(t, source, s, withoutCounters)
}

// acknowledged is the offset that the source's first replica has acknowledged, 0 when there is none.
func acknowledged(source *testenv.Instance) int64 {
	for field := range strings.SplitSeq(source.Info("replication")["slave0"], ",") {
		if text, ok := strings.CutPrefix(field, "offset="); ok {
			n, err := strconv.ParseInt(text, 10, 64)
			if err != nil {
				return 0
			}
			return n
		}
	}
	return 0
}

// The embedded server keeps what it has over restarts of keyfeed.
func TestEmbeddedJetStream(t *testing.T) {
	source := startSource(t)
	seed := newSeed(t)
	generate(t, source, seed, 5_000, 5_000)
	addr := testenv.FreeAddr(t)
	s := &sink{col: newCollector(t, 1)}
	k := startKeyfeed(
		t, "KEYFEED_SINK=nats", "KEYFEED_NATS_URL=embedded", "KEYFEED_NATS_EMBEDDED_ADDR="+addr, "KEYFEED_SOURCE_URL="+source.URL(),
	)
	readJetStream(t, "nats://"+addr, s.col)
	s.col.awaitKind(k, "snapshot_begin", 1, patience) // ended before, it would rightly sync once more
	ws := startWriters(t, source, seed, 2, 2000)
	timeline(t, time.Second, map[int]func(){2: func() { k.terminate(); k.start() }, 4: func() { k.kill(); k.start() }}, 6)
	ws.stopAnyhow()
	settle(t, k, source, s, 1)
	verify(t, source, s, withoutCounters)
}

// A hash of millions of fields costs no more memory than a small one.
func TestHugeHash(t *testing.T) {
	size := chosenSize()
	s := natsSink(t)
	source := startSource(t)
	g := &generator{t: t, rng: newRand(newSeed(t), 1)}
	g.bigCollection(t.Context(), source.Client(), 0, size.hugeHash)
	k := startKeyfeed(t, append(s.env, "KEYFEED_SOURCE_URL="+source.URL())...)
	s.col.awaitKind(k, "snapshot_end", 1, patience)
	settle(t, k, source, s, 1)
	k.checkMemory()
	verify(t, source, s, withCounters)
}

// Commands larger than the broker takes are cut where their type allows it, and otherwise leave an event that says what
// is missing; nothing stalls.
func TestCommandsLargerThanTheBrokerTakes(t *testing.T) {
	s := natsSink(t)
	source := startSource(t)
	ctx := context.Background()
	c := source.Client()
	c.RPush(ctx, "list", "a")
	k := startKeyfeed(t, append(s.env, "KEYFEED_SOURCE_URL="+source.URL())...)
	s.col.awaitKind(k, "snapshot_end", 1, patience)
	big := strings.Repeat("0123456789abcdef", 3<<20/16)
	var elements []any
	for i := range 50_000 {
		elements = append(elements, fmt.Sprintf("element %040d", i))
	}
	for _, args := range [][]any{
		{"SET", "set", big, "PX", 50_000_000},
		{"APPEND", "append", big},
		{"SETRANGE", "range", 5, big},
		append([]any{"RPUSH", "pushed"}, elements...),
		append([]any{"SADD", "members"}, elements...),
		append([]any{"HSET", "fields"}, elements...),
	} {
		if err := c.Do(ctx, args...).Err(); err != nil {
			t.Fatal(err)
		}
	}
	cut := barrier(t, source)
	s.col.awaitBarrier(k, cut, patience)
	if err := c.LSet(ctx, "list", 0, big).Err(); err != nil { // no way to cut it
		t.Fatal(err)
	}
	end := barrier(t, source)
	s.col.awaitBarrier(k, end, patience)
	k.terminate()
	s.col.finish()
	validate(t, s.col)

	var oversize []*replay.Event
	err := s.col.each(0, func(line []byte) error {
		if len(line) > 1<<20 {
			t.Errorf("an event of %d bytes", len(line))
		}
		if !bytes.Contains(line, []byte(`"cause":"oversize"`)) {
			return nil
		}
		e, err := replay.Parse(line)
		oversize = append(oversize, e)
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	if len(oversize) != 1 || oversize[0].Key == nil || *oversize[0].Key != "list" || oversize[0].Omitted == nil || oversize[0].Args != nil {
		t.Fatalf("events with cause oversize: %+v, want one, for the key list, without args", oversize)
	}
	// Omitted are the arguments: index and value.
	sum := sha256.Sum256([]byte("0" + big))
	if o := oversize[0].Omitted; o.Bytes != int64(len(big)+1) || o.SHA256 != hex.EncodeToString(sum[:]) {
		t.Errorf("omitted is %+v, want %d bytes with SHA-256 %x", o, len(big)+1, sum)
	}
	// All the others replay to what the source has, but for the one element.
	if err := c.LSet(ctx, "list", 0, "a").Err(); err != nil {
		t.Fatal(err)
	}
	target := testenv.Redis(t)
	r := replay.New(dial(t, target.Addr()), replay.Options{Report: func(p replay.InexactError) error {
		if p.What != "oversize" {
			t.Error(p)
		}
		return nil
	}})
	if err := replayAll(s.col, r); err != nil {
		t.Fatal(err)
	}
	if diffs := compare(t, source, target, withCounters); len(diffs) > 0 {
		t.Errorf("the rebuilt server differs from the source:\n%s", lines(diffs))
	}
}
