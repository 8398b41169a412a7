//go:build e2e

package e2e

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/redis/go-redis/v9"

	"keyfeed/internal/testenv"
)

// writers send random commands of every family to a source until they are stopped.
type writers struct {
	t      *testing.T
	source *testenv.Instance
	cancel context.CancelFunc
	group  sync.WaitGroup

	mu   sync.Mutex
	done map[string]int // by name: commands that the source accepted
	sent int
}

// startWriters starts n writers that together send rate commands a second.
func startWriters(t *testing.T, source *testenv.Instance, seed uint64, n, rate int) *writers {
	t.Helper()
	ctx, cancel := context.WithCancel(context.Background())
	ws := &writers{t: t, source: source, cancel: cancel, done: map[string]int{}}
	for i := range n {
		w := &writer{ws: ws, rng: newRand(seed, uint64(100+i)), gen: &generator{t: t, rng: newRand(seed, uint64(200+i))}}
		w.ops, w.total = w.weights()
		ws.group.Go(func() { w.run(ctx, rate/n) })
	}
	ws.group.Go(func() { ws.blocked(ctx) })
	t.Cleanup(func() { ws.cancel(); ws.group.Wait() })
	return ws
}

// stop ends the writers as soon as the source has accepted a command of every family, and returns how many they sent. In
// how much time the rare ones come up depends on the machine.
func (ws *writers) stop() int {
	ws.t.Helper()
	deadline := time.Now().Add(patience)
	tick := time.NewTicker(20 * time.Millisecond)
	defer tick.Stop()
	for missing := ws.missing(); len(missing) > 0; missing = ws.missing() {
		if ws.t.Failed() || time.Now().After(deadline) {
			ws.t.Fatalf("the writers never sent one of %s that the source accepted", strings.Join(missing, ", "))
		}
		<-tick.C
	}
	ws.stopAnyhow()
	return ws.sent
}

// missing are the families of which the source has accepted nothing yet.
func (ws *writers) missing() []string {
	ws.mu.Lock()
	defer ws.mu.Unlock()
	return slices.DeleteFunc(families(), func(name string) bool { return ws.done[name] > 0 })
}

// stopAnyhow is stop for runs that are too short for every family to come up.
func (ws *writers) stopAnyhow() {
	ws.cancel()
	ws.group.Wait()
}

// blocked pops from lists and sorted sets that are empty most of the time, so that pushes are served to a client that
// waits: the stream then carries the pop after the push.
func (ws *writers) blocked(ctx context.Context) {
	c := ws.source.Client()
	for ctx.Err() == nil {
		const wait = 50 * time.Millisecond
		c.Do(ctx, "BLPOP", "blist:1", "blist:2", wait.Seconds())
		c.Do(ctx, "BLMOVE", "blist:2", "list:1", "LEFT", "RIGHT", wait.Seconds())
		c.Do(ctx, "BRPOPLPUSH", "blist:1", "list:2", wait.Seconds())
		c.Do(ctx, "BZPOPMIN", "bzset:1", wait.Seconds())
		c.Do(ctx, "BZMPOP", wait.Seconds(), 2, "bzset:1", "bzset:2", "MAX")
		c.Do(ctx, "BLMPOP", wait.Seconds(), 1, "blist:2", "LEFT", "COUNT", 3)
		c.Do(ctx, "XREADGROUP", "GROUP", "group0", "blocked", "BLOCK", 50, "COUNT", 5, "STREAMS", keyName("stream", 1), ">")
	}
}

// writer is one connection that writes.
type writer struct {
	ws    *writers
	rng   *rand.Rand
	gen   *generator
	ops   []op
	total int
	n     int // running number for unique values
}

// op makes one or more commands, so often as its weight says.
type op struct {
	weight int
	make   func() [][]any
}

func (w *writer) run(ctx context.Context, rate int) {
	const ticks = 50
	tick := time.NewTicker(time.Second / ticks)
	defer tick.Stop()
	conn := w.ws.source.Client().Conn()
	defer conn.Close()
	for {
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
		}
		var cmds [][]any
		for len(cmds) < max(1, rate/ticks) {
			cmds = append(cmds, w.next()...)
		}
		if err := w.send(conn, cmds); err != nil {
			w.ws.t.Errorf("writer: %v", err)
			return
		}
	}
}

// send pipelines the commands; refusals (a key of another type, say) are part of the game.
func (w *writer) send(conn *redis.Conn, cmds [][]any) error {
	ctx := context.Background() // what was begun is finished: a MULTI must not stay open
	p := conn.Pipeline()
	for _, args := range cmds {
		p.Do(ctx, args...)
	}
	answers, err := p.Exec(ctx)
	if err != nil && !isReplyError(err) && !errors.Is(err, redis.Nil) {
		return err
	}
	w.ws.mu.Lock()
	defer w.ws.mu.Unlock()
	for _, a := range answers {
		w.ws.sent++
		if err := a.Err(); err == nil || errors.Is(err, redis.Nil) {
			w.ws.done[strings.ToUpper(fmt.Sprint(a.Args()[0]))]++
		}
	}
	return nil
}

// next is one random operation: plain, in another database, or a transaction of several.
func (w *writer) next() [][]any {
	switch w.rng.IntN(20) {
	case 0:
		return append([][]any{{"SELECT", w.rng.IntN(dataDBs)}}, w.plain()...)
	case 1, 2:
		cmds := [][]any{{"MULTI"}}
		for range 1 + w.rng.IntN(6) {
			if w.rng.IntN(5) == 0 {
				cmds = append(cmds, []any{"SELECT", w.rng.IntN(dataDBs)})
			}
			cmds = append(cmds, w.plain()...)
		}
		return append(cmds, []any{"EXEC"})
	}
	return w.plain()
}

func (w *writer) plain() [][]any {
	at := w.rng.IntN(w.total)
	for _, o := range w.ops {
		if at -= o.weight; at < 0 {
			return o.make()
		}
	}
	panic("unreachable")
}

// one picks an element.
func one[T any](w *writer, from ...T) T { return from[w.rng.IntN(len(from))] }

// key is the name of a random key of a kind; a hundred of them are used much more than the others.
func (w *writer) key(kind string) string {
	if w.rng.IntN(3) == 0 {
		return keyName(kind, w.rng.IntN(3000))
	}
	return keyName(kind, w.rng.IntN(100))
}

// anyKey is the name of a random key of any kind.
func (w *writer) anyKey() string { return w.key(one(w, kinds()...)) }

func (w *writer) value() string { return w.gen.text() }

func (w *writer) member() any { return w.gen.elements(1)[0] }

func (w *writer) seconds() int { return one(w, 1, 2, 5, 20, 20_000, 100_000) }

// unique is a number that no other command of this writer has.
func (w *writer) unique() int { w.n++; return w.n }

// families are the names that must have been accepted at least once in a run.
func families() []string {
	names := strings.Fields(`
		SET SETNX SETEX PSETEX GETSET GETEX GETDEL MSET MSETNX APPEND SETRANGE INCR DECR INCRBY DECRBY INCRBYFLOAT
		SETBIT BITFIELD BITOP PFADD PFMERGE PFCOUNT DEL UNLINK RENAME RENAMENX MOVE COPY RESTORE
		EXPIRE PEXPIRE EXPIREAT PEXPIREAT PERSIST
		LPUSH RPUSH LPUSHX RPUSHX LPOP RPOP LINSERT LREM LSET LTRIM LMOVE RPOPLPUSH LMPOP
		SADD SREM SPOP SMOVE SINTERSTORE SUNIONSTORE SDIFFSTORE
		HSET HMSET HSETNX HDEL HINCRBY HINCRBYFLOAT
		ZADD ZINCRBY ZREM ZPOPMIN ZPOPMAX ZMPOP ZREMRANGEBYSCORE ZREMRANGEBYRANK ZREMRANGEBYLEX
		ZUNIONSTORE ZINTERSTORE ZDIFFSTORE ZRANGESTORE
		GEOADD GEOSEARCHSTORE GEORADIUS GEORADIUSBYMEMBER SORT
		XADD XTRIM XDEL XGROUP XREADGROUP XCLAIM XAUTOCLAIM XACK XSETID
		EVAL FCALL FUNCTION SWAPDB FLUSHDB PUBLISH MULTI EXEC SELECT`)
	slices.Sort(names)
	return names
}
