//go:build e2e

package e2e

import (
	"context"
	"sync"
	"testing"
	"time"

	"github.com/redis/go-redis/v9"

	"keyfeed/internal/testenv"
)

// loadRate is how many commands a second are written. More than the 5,000 that are wanted, since a failover stops the
// writers for a moment.
const loadRate = 5_600

// load writes random commands of every family to whatever node of a pair is the master.
type load struct {
	ws      *writers
	started time.Time
	cancel  context.CancelFunc
	group   sync.WaitGroup
}

// startLoad starts two writers and a client that waits for pushes.
func startLoad(t *testing.T, p *pair, seed uint64) *load {
	t.Helper()
	ctx, cancel := context.WithCancel(context.Background())
	l := &load{ws: &writers{t: t, done: map[string]int{}}, started: time.Now(), cancel: cancel}
	const n = 2
	for i := range uint64(n) {
		w := &writer{ws: l.ws, rng: newRand(seed, 100+i), gen: &generator{t: t, rng: newRand(seed, 200+i)}}
		w.ops, w.total = w.weights()
		l.group.Go(func() { l.write(ctx, p, w, loadRate/n) })
	}
	l.group.Go(func() { l.block(ctx, p) })
	t.Cleanup(l.stop)
	return l
}

// write sends rate commands a second, and what a failover has delayed a little faster.
func (l *load) write(ctx context.Context, p *pair, w *writer, rate int) {
	const ticks = 50
	tick := time.NewTicker(time.Second / ticks)
	defer tick.Stop()
	conns := map[*testenv.Instance]*redis.Conn{}
	defer func() {
		for _, c := range conns {
			c.Close()
		}
	}()
	sent, started := 0, time.Now()
	for {
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
		}
		owed := int(time.Since(started).Seconds()*float64(rate)) - sent
		var cmds [][]any
		for len(cmds) < min(owed, 4*rate/ticks) {
			cmds = append(cmds, w.next()...)
		}
		if len(cmds) == 0 {
			continue
		}
		sent += len(cmds)
		var err error
		p.writing(func(master *testenv.Instance) {
			if conns[master] == nil {
				conns[master] = master.Client().Conn()
			}
			err = w.send(conns[master], cmds)
		})
		if err != nil {
			l.ws.t.Errorf("writer: %v", err)
			return
		}
	}
}

// block pops from lists and sorted sets that are empty most of the time; see writers.blocked.
func (l *load) block(ctx context.Context, p *pair) {
	const wait = 50 * time.Millisecond
	for ctx.Err() == nil {
		for _, args := range [][]any{
			{"BLPOP", "blist:1", "blist:2", wait.Seconds()},
			{"BLMOVE", "blist:2", "list:1", "LEFT", "RIGHT", wait.Seconds()},
			{"BRPOPLPUSH", "blist:1", "list:2", wait.Seconds()},
			{"BZMPOP", wait.Seconds(), 2, "bzset:1", "bzset:2", "MAX"},
		} {
			p.writing(func(master *testenv.Instance) { master.Client().Do(context.Background(), args...) })
		}
	}
}

// stop ends the writers; it may be called several times.
func (l *load) stop() {
	l.cancel()
	l.group.Wait()
}

// sent is how many commands were sent so far.
func (l *load) sent() int {
	l.ws.mu.Lock()
	defer l.ws.mu.Unlock()
	return l.ws.sent
}
