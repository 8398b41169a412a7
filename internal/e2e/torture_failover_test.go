//go:build e2e

package e2e

import (
	"math/rand/v2"
	"time"

	"keyfeed/internal/testenv"
)

// failover hands the source over in good order: nothing that keyfeed has seen is missing in the new master. keyfeed may
// be dead meanwhile.
func (tt *torture) failover(rng *rand.Rand) {
	p := tt.pair
	dead := rng.IntN(3) == 0
	if dead {
		tt.note("keyfeed is dead meanwhile")
		tt.k.kill()
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	p.front.Down(testenv.RST)
	p.awaitRecorded()
	p.replica().AwaitOffset(p.master())
	p.promote()
	p.front.Accept()
	if dead {
		tt.k.start()
	}
}

// failoverBehind promotes a replica that lacks bytes which keyfeed has logged, but not published: cutting the log spares
// the full sync. The sink is away from before the replica falls behind until keyfeed follows the new master. Where keyfeed
// has not noticed that yet, some of those bytes are on their way to the sink, and what arrives there is published.
func (tt *torture) failoverBehind(rng *rand.Rand) {
	p := tt.pair
	failures := tt.printed("sink failed")
	tt.sink.link.Down(testenv.RST)
	if rng.IntN(2) == 0 {
		tt.eventually("keyfeed notices that the sink is away", func() bool { return tt.printed("sink failed") > failures })
	} else {
		tt.note("keyfeed may have changes on their way to the sink")
		tt.allowed++
	}
	p.replica().AwaitOffset(p.master()) // more than anything that was published
	p.links[p.at].Stall()
	logged := p.master().Offset() + 300_000
	tt.eventually("keyfeed has logged what the replica does not have", func() bool { return acknowledgedBy(p) >= logged })
	tt.promoteShort()
	tt.eventually("keyfeed follows the new master", func() bool { return acknowledgedBy(p) > 0 })
	tt.sink.link.Accept()
}

// failoverLossy promotes a replica that lacks bytes which keyfeed has published: there is no way round a full sync. Then
// keyfeed may be killed while it receives the snapshot, which costs another one, or while it publishes it, which does not.
func (tt *torture) failoverLossy(rng *rand.Rand) {
	p := tt.pair
	p.links[p.at].Stall()
	tt.awaitProgress("nothing: published is what the replica does not have")
	before := generationOf(tt.sink.col.newest())
	tt.allowed++
	tt.promoteShort()
	kill := rng.IntN(3)
	if kill == 0 {
		tt.allowed++
		tt.killAgain(rng, time.Second)
	}
	tt.eventually("a new generation", func() bool { return generationOf(tt.sink.col.newest()) > before })
	if kill == 1 {
		tt.killAgain(rng, 300*time.Millisecond)
	}
}

// promoteShort promotes the replica with what it has.
func (tt *torture) promoteShort() {
	p := tt.pair
	p.mu.Lock()
	defer p.mu.Unlock()
	p.front.Down(testenv.RST)
	p.awaitRecorded()
	p.promote()
	p.front.Accept()
}
