package verify_test

import (
	"context"
	"fmt"
	"math/rand/v2"
	"strings"
	"sync"
	"testing"
	"time"

	"keyfeed/internal/testenv"
	"keyfeed/internal/verify"
)

// Every key that is late is looked at again, and is not reported when it has come.
func TestLateKeysAreNotReported(t *testing.T) {
	t.Parallel()
	source, target := server(t, ""), server(t, "")
	fill := func(in *testenv.Instance, db int) *filler {
		f := &filler{t: t, in: in, db: db}
		f.pipeline(700, func(i int) []any { return []any{"SET", fmt.Sprint("key:", i), "v"} })
		return f
	}
	fill(source, 0)
	fill(source, 2)
	(&filler{t: t, in: source}).do("HSET never f v") // does not come
	v := verify.New(verify.Options{
		Source: reach(source), Target: reach(target), Rounds: 8, Pause: 20 * time.Millisecond, // 5 s in all
		Report: func(f verify.Finding) error {
			if f.Key != "never" {
				t.Errorf("reported: %v", f)
			}
			return nil
		},
	})
	var late sync.WaitGroup
	late.Go(func() {
		testenv.Eventually(t, time.Minute, "all keys wait for another look", func() bool { return v.Progress().Waiting == 1401 })
		fill(target, 0)
		fill(target, 2)
	})
	sum, err := v.Run(t.Context())
	late.Wait()
	if err != nil {
		t.Fatal(err)
	}
	if sum.Different != 1 || sum.Healed != 1400 || sum.Waiting != 0 {
		t.Errorf("%+v, want one key that differs and 1400 that came", sum)
	}
}

// A source that is written to all the time, and a replica that follows it, are equal.
func TestMovingSourceConverges(t *testing.T) {
	t.Parallel()
	source, target := server(t, ""), server(t, "")
	every(&filler{t: t, in: source})
	target.ReplicaOf(source)
	ctx, stop := context.WithCancel(t.Context())
	var writers sync.WaitGroup
	defer writers.Wait()
	defer stop()
	seed := uint64(time.Now().UnixNano())
	t.Logf("seed %d", seed)
	for n := range 2 {
		writers.Go(func() { scribble(ctx, t, source, n, rand.New(rand.NewPCG(seed, uint64(n)))) })
	}
	healed := int64(0)
	for run := 0; run < 20 && healed == 0; run++ {
		lines, sum := compare(t, source, target, func(o *verify.Options) { o.Rounds, o.Pause = 9, 10*time.Millisecond })
		if len(lines) > 0 {
			t.Fatalf("run %d: a replica that follows differs:\n%s", run, strings.Join(lines, "\n"))
		}
		healed += sum.Healed
	}
	if healed == 0 {
		t.Error("no key ever differed at first: the source did not move enough for this test to show anything")
	}
}

// scribble changes keys of all types until ctx ends. Keys whose type changes belong to one writer.
func scribble(ctx context.Context, t *testing.T, in *testenv.Instance, writer int, rnd *rand.Rand) {
	t.Helper()
	c := in.Client()
	for ctx.Err() == nil {
		p := c.Pipeline()
		for range 50 {
			k := rnd.IntN(300)
			switch rnd.IntN(11) {
			case 0:
				p.Do(ctx, "SET", fmt.Sprint("moving:string:", k), rnd.Uint64())
			case 1:
				p.Do(ctx, "RPUSH", fmt.Sprint("moving:list:", k), rnd.Uint64())
			case 2:
				p.Do(ctx, "LPOP", fmt.Sprint("moving:list:", k))
			case 3:
				p.Do(ctx, "SADD", fmt.Sprint("moving:set:", k), rnd.IntN(50))
			case 4:
				p.Do(ctx, "HSET", fmt.Sprint("moving:hash:", k), rnd.IntN(50), rnd.Uint64())
			case 5:
				p.Do(ctx, "ZADD", fmt.Sprint("moving:zset:", k), rnd.Float64(), rnd.IntN(50))
			case 6:
				p.Do(ctx, "XADD", fmt.Sprint("moving:stream:", k%20), "MAXLEN", "100", "*", "f", rnd.Uint64())
			case 7:
				p.Do(ctx, "PEXPIREAT", fmt.Sprint("moving:set:", k), deadline+rnd.Int64N(1000))
			case 8:
				p.Do(ctx, "DEL", fmt.Sprint("moving:string:", k), fmt.Sprint("moving:zset:", k))
			case 9:
				p.Do(ctx, "HSET", "hash:large", fmt.Sprint("field ", rnd.IntN(1500)), rnd.Uint64()) // a hot key
			case 10:
				changing := fmt.Sprint("moving:any:", writer, k)
				p.Do(ctx, "DEL", changing)
				switch rnd.IntN(3) {
				case 0:
					p.Do(ctx, "XADD", changing, "1-1", "f", "v")
				case 1:
					p.Do(ctx, "SADD", changing, "m")
				case 2:
					p.Do(ctx, "SET", changing, "v")
				}
			}
		}
		if _, err := p.Exec(ctx); err != nil && !isNil(err) && ctx.Err() == nil {
			t.Errorf("writing: %v", err)
			return
		}
		select { // some thousand writes a second
		case <-time.After(10 * time.Millisecond):
		case <-ctx.Done():
		}
	}
}
