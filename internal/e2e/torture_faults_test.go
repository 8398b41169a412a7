//go:build e2e

package e2e

import (
	"math/rand/v2"
	"os"
	"regexp"
	"slices"
	"syscall"
	"time"

	"keyfeed/internal/testenv"
)

// allFaults lists every kind of fault.
func allFaults() []fault {
	return []fault{
		{"kill", true, (*torture).killKeyfeed},
		{"pause", true, (*torture).pauseKeyfeed},
		{"broker", false, (*torture).killBroker},
		{"source-cut", false, func(tt *torture, _ *rand.Rand) { tt.cut(tt.pair.front, testenv.FIN) }},
		{"source-reset", true, func(tt *torture, rng *rand.Rand) { tt.cutAt(tt.pair.front, testenv.Down, rng) }},
		{"source-stall", false, func(tt *torture, rng *rand.Rand) { tt.stall(tt.pair.front, rng) }},
		{"source-halfopen", false, func(tt *torture, _ *rand.Rand) { tt.cut(tt.pair.front, testenv.HalfOpen) }},
		{"sink-cut", false, func(tt *torture, _ *rand.Rand) { tt.cut(tt.sink.link, testenv.FIN) }},
		{"sink-reset", false, func(tt *torture, rng *rand.Rand) { tt.cutAt(tt.sink.link, testenv.Up, rng) }},
		{"sink-stall", false, func(tt *torture, rng *rand.Rand) { tt.stall(tt.sink.link, rng) }},
		{"sink-halfopen", false, func(tt *torture, _ *rand.Rand) { tt.cut(tt.sink.link, testenv.HalfOpen) }},
		{"sink-away", false, (*torture).sinkAway},
		{"client-kill", true, (*torture).killReplicas},
		{"failover", true, (*torture).failover},
		{"failover-behind", false, (*torture).failoverBehind},
		{"failover-lossy", false, (*torture).failoverLossy},
		{"rival", false, (*torture).startRival},
		{"disk-lost", false, (*torture).loseDisk},
		{"disk-full", false, (*torture).fillDisk},
	}
}

// killKeyfeed ends keyfeed with SIGKILL, and mostly again while it comes back.
func (tt *torture) killKeyfeed(rng *rand.Rand) {
	tt.k.kill()
	tt.k.start()
	for range rng.IntN(3) {
		tt.killAgain(rng, 400*time.Millisecond) // at any point of its start
	}
}

// killAgain ends keyfeed with SIGKILL within a time drawn from rng, and starts it.
func (tt *torture) killAgain(rng *rand.Rand, within time.Duration) {
	after := time.Duration(rng.Int64N(int64(within)))
	tt.note("keyfeed is killed again after %v", after.Round(time.Millisecond))
	<-time.After(after)
	tt.k.kill()
	tt.k.start()
}

// pauseKeyfeed stops keyfeed for 5 s with its connections open.
func (tt *torture) pauseKeyfeed(*rand.Rand) {
	tt.k.now.Signal(syscall.SIGSTOP)
	<-time.After(5 * time.Second)
	tt.k.now.Signal(syscall.SIGCONT)
}

// killBroker ends the broker with SIGKILL, and sometimes keyfeed while it is away.
func (tt *torture) killBroker(rng *rand.Rand) {
	tt.sink.kill()
	if rng.IntN(3) == 0 {
		tt.note("keyfeed is killed while the broker is away")
		tt.k.kill()
		tt.k.start()
	}
	tt.sink.restart()
}

// cut ends all connections of a link.
func (tt *torture) cut(link *testenv.TCPProxy, how testenv.Cut) { link.CloseAll(how) }

// cutAt resets connections of a link at bytes drawn from rng, counted from their start, and the ones that are open now.
func (tt *torture) cutAt(link *testenv.TCPProxy, dir testenv.Direction, rng *rand.Rand) {
	for range 2 { // before the connections end: one that came in between would already be past the bytes, and use no cut
		link.CutAfter(dir, 2_000+rng.Int64N(200_000), testenv.RST)
	}
	link.CloseAll(testenv.RST)
	tt.eventually("the cuts are used", func() bool { return link.Armed() == 0 })
}

// stall lets nothing pass through a link, for shorter or longer than the timeouts of 3 s to 5 s.
func (tt *torture) stall(link *testenv.TCPProxy, rng *rand.Rand) {
	long := time.Second + time.Duration(rng.IntN(6_000))*time.Millisecond
	tt.note("the link is stalled for %v", long)
	link.Stall()
	<-time.After(long)
	link.Resume()
}

// sinkAway refuses connections to the sink while the backlog grows, and kills keyfeed meanwhile or not.
func (tt *torture) sinkAway(rng *rand.Rand) {
	tt.sink.link.Down(testenv.RST)
	logged := tt.pair.master().Offset() + 1<<20
	tt.eventually("keyfeed logs what it cannot publish", func() bool { return acknowledgedBy(tt.pair) >= logged })
	if rng.IntN(2) == 0 {
		tt.note("keyfeed is killed while the sink is away")
		tt.k.kill()
		tt.k.start()
	}
	tt.sink.link.Accept()
}

// killReplicas makes the master drop keyfeed, the replica and the recorder.
func (tt *torture) killReplicas(*rand.Rand) {
	if err := tt.pair.master().Client().Do(tt.t.Context(), "CLIENT", "KILL", "TYPE", "replica").Err(); err != nil {
		tt.t.Fatalf("CLIENT KILL: %v", err)
	}
}

// loseDisk deletes everything that keyfeed has on disk while it is killed: the sink's position has to be enough.
func (tt *torture) loseDisk(*rand.Rand) {
	tt.k.kill()
	if err := os.RemoveAll(tt.dir); err != nil {
		tt.t.Fatal(err)
	}
	tt.k.start()
}

// fillDisk leaves no byte free on keyfeed's disk until it has dropped the link to the source.
func (tt *torture) fillDisk(*rand.Rand) {
	if !tt.disk.limited {
		tt.fillBacklog()
		return
	}
	tt.disk.fill(func() bool { tt.k.running(); return tt.pair.front.Open() == 0 })
}

// fillBacklog is fillDisk where keyfeed has no file system of its own: its backlog is allowed little, and fills up while
// the sink is away.
func (tt *torture) fillBacklog() {
	tt.k.kill()
	tt.sink.link.Down(testenv.RST)
	env := tt.k.env
	tt.k.env = append(slices.Clone(env), "KEYFEED_BACKLOG_MAX_BYTES=4MiB", "KEYFEED_BACKLOG_RETAIN_BYTES=1MiB")
	tt.k.start()
	tt.k.now.WaitLine(regexp.MustCompile("the backlog is full"), recovery)
	tt.sink.link.Accept()
	tt.awaitProgress("disk-full")
	tt.k.kill()
	tt.k.env = env
	tt.k.start()
}
