//go:build e2e

package e2e

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"strings"
	"testing"
	"time"

	"github.com/redis/go-redis/v9"

	"keyfeed/internal/testenv"
)

// dataDBs are the databases that hold data; barrierDB holds nothing ever, scratchDB is flushed now and then.
const (
	dataDBs   = 4
	scratchDB = 4
	barrierDB = 15
)

// startSource starts a server whose settings bring out the encodings that defaults hide, and keep a backlog that
// holds a whole run, so that every full sync beyond the first is keyfeed's fault.
func startSource(t *testing.T) *testenv.Instance {
	t.Helper()
	return testenv.Redis(
		t, testenv.Set("repl-backlog-size", "512mb"),
		testenv.Set("client-output-buffer-limit", "replica 0 0 0"),
		testenv.Set("list-compress-depth", "1"),
		testenv.Set("repl-ping-replica-period", "1"),
		testenv.Set("repl-diskless-sync", "yes"),
	)
}

// keyName is the name of key number i of a type: all writers know it. Some names are binary, some are long.
func keyName(kind string, i int) string {
	switch i % 37 {
	case 5:
		return kind + ":\xff\xfe\x00\r\n" + fmt.Sprint(i)
	case 11:
		return kind + ":" + strings.Repeat("long", 100) + fmt.Sprint(i)
	case 17:
		return fmt.Sprintf("%s:{ключ \"%d\"}", kind, i)
	}
	return fmt.Sprintf("%s:%d", kind, i)
}

// generator fills a source.
type generator struct {
	t   *testing.T
	rng *rand.Rand
}

// generate fills databases 0 to 3 of the source with n keys and the four big collections.
func generate(t *testing.T, source *testenv.Instance, seed uint64, n, big int) {
	t.Helper()
	started := time.Now()
	g := &generator{t: t, rng: newRand(seed, 1)}
	ctx := t.Context()
	// Elements above this size become plain quicklist nodes, which by default only elements of 1 GiB do.
	if err := source.Client().Do(ctx, "DEBUG", "QUICKLIST-PACKED-THRESHOLD", "2000b").Err(); err != nil {
		t.Fatal(err)
	}
	for db := range dataDBs {
		g.fill(ctx, source.DB(db), n/dataDBs)
		g.bigCollection(ctx, source.DB(db), db, big)
		g.exec(ctx, source.DB(db), func(p redis.Pipeliner) { p.Set(ctx, "", "the empty key", 0) })
	}
	g.exec(ctx, source.Client(), func(p redis.Pipeliner) {
		p.Do(ctx, "FUNCTION", "LOAD", library(0))
		p.Do(ctx, "FUNCTION", "LOAD", library(1))
	})
	t.Logf("generated %d keys and 4 collections of %d elements in %v", n, big, time.Since(started).Round(time.Millisecond))
}

// library is a function library whose functions write.
func library(i int) string {
	return fmt.Sprintf(`#!lua name=lib%d
redis.register_function('put%d', function(keys, args) redis.call('SET', keys[1], args[1]); return redis.call('INCR', keys[2]) end)
`, i, i)
}

func (g *generator) exec(ctx context.Context, c *redis.Client, fill func(redis.Pipeliner)) {
	g.t.Helper()
	p := c.Pipeline()
	fill(p)
	cmds, err := p.Exec(ctx)
	if err != nil {
		for _, cmd := range cmds {
			if cmd.Err() != nil && !errors.Is(cmd.Err(), redis.Nil) { // nothing to read is fine
				g.t.Fatalf("generating: %.200q: %v", fmt.Sprint(cmd.Args()), cmd.Err())
			}
		}
	}
}

func (g *generator) fill(ctx context.Context, c *redis.Client, n int) {
	const batch = 500
	for from := 0; from < n; from += batch {
		g.exec(ctx, c, func(p redis.Pipeliner) {
			for i := from; i < min(n, from+batch); i++ {
				g.key(ctx, p, i)
			}
		})
	}
}

// kinds are the types of generated keys, each as often as it stands here. A key's name begins with its kind.
func kinds() []string {
	return []string{
		"str", "str", "str", "str", "str", "str", "num", "num", "bits", "hll", "list", "list", "biglist", "set", "intset",
		"hash", "hash", "bighash", "zset", "zset", "bigzset", "geo", "stream", "stream",
	}
}

// key makes key number i of a database.
func (g *generator) key(ctx context.Context, p redis.Pipeliner, i int) {
	all := kinds()
	kind := all[i%len(all)]
	same, before := 0, 0 // how often the kind stands in the list, and before this place
	for j, k := range all {
		if k == kind {
			same++
			if j < i%len(all) {
				before++
			}
		}
	}
	key := keyName(kind, i/len(all)*same+before)
	switch kind {
	case "str":
		p.Set(ctx, key, g.text(), 0)
	case "num":
		p.Set(ctx, key, []any{0, -1, 12345, 1 << 40, "9223372036854775807", "-9223372036854775808", "0012", "3.0e10", "1.5"}[g.rng.IntN(9)], 0)
	case "bits":
		p.SetBit(ctx, key, int64(g.rng.IntN(5000)), 1)
	case "hll":
		for range 1 + g.rng.IntN(3) {
			p.PFAdd(ctx, key, g.elements(1+g.rng.IntN(300))...)
		}
	case "list":
		p.RPush(ctx, key, g.elements(1+g.rng.IntN(20))...)
	case "biglist":
		p.RPush(ctx, key, g.elements(200)...)
		p.RPush(ctx, key, strings.Repeat("x", 3000), g.text(), g.text())
		p.LPush(ctx, key, randomBytes(g.rng, 2500))
	case "set":
		p.SAdd(ctx, key, g.elements(1+g.rng.IntN(g.bigOrSmall(20, 300)))...)
	case "intset":
		width := []int64{100, 100_000, 1 << 40}[g.rng.IntN(3)]
		for range 1 + g.rng.IntN(30) {
			p.SAdd(ctx, key, g.rng.Int64N(width)-width/2)
		}
	case "hash":
		p.HSet(ctx, key, g.elements(2*(1+g.rng.IntN(20)))...)
	case "bighash":
		p.HSet(ctx, key, g.elements(2*300)...)
		p.HSet(ctx, key, "long field", strings.Repeat("y", 500))
	case "zset", "bigzset":
		n := 1 + g.rng.IntN(20)
		if kind == "bigzset" {
			n = 300
		}
		for _, e := range g.elements(n) {
			p.Do(ctx, "ZADD", key, g.score(), e)
		}
		if kind == "bigzset" {
			p.Do(ctx, "ZADD", key, "-0", "minus zero", "5e-324", "smallest")
		}
	case "geo":
		for j := range 1 + g.rng.IntN(10) {
			p.GeoAdd(ctx, key, &redis.GeoLocation{
				Name: fmt.Sprint("place", j), Longitude: g.rng.Float64()*360 - 180, Latitude: g.rng.Float64()*170 - 85,
			})
		}
	case "stream":
		g.stream(ctx, p, key)
	}
	switch g.rng.IntN(10) {
	case 0:
		p.PExpire(ctx, key, time.Duration(3000+g.rng.IntN(40_000))*time.Millisecond)
	case 1, 2:
		p.PExpire(ctx, key, 3*time.Hour+time.Duration(g.rng.IntN(1e9)))
	}
}

func (g *generator) bigOrSmall(small, big int) int {
	if g.rng.IntN(8) == 0 {
		return big
	}
	return small
}

// stream makes a stream with groups, consumers and pending entries, some of which lose their entry.
func (g *generator) stream(ctx context.Context, p redis.Pipeliner, key string) {
	n := 1 + g.rng.IntN(g.bigOrSmall(20, 250))
	id := func(j int) string { return fmt.Sprintf("%d-%d", 1000+j, j%3) }
	for j := range n {
		args := []any{"XADD", key, id(j), "f", fmt.Sprint(j)}
		if j%5 == 0 { // other fields than the entry before, one of them twice
			args = append(args, "g", randomBytes(g.rng, 5), "f", "again")
		}
		p.Do(ctx, args...)
	}
	for gi := range g.rng.IntN(3) {
		group := fmt.Sprint("group", gi)
		p.Do(ctx, "XGROUP", "CREATE", key, group, []string{"0", "$", id(n / 2)}[g.rng.IntN(3)])
		p.Do(ctx, "XREADGROUP", "GROUP", group, "alice", "COUNT", 1+g.rng.IntN(n), "STREAMS", key, ">")
		p.Do(ctx, "XREADGROUP", "GROUP", group, "b\xffb", "COUNT", 2, "STREAMS", key, ">")
		p.Do(ctx, "XGROUP", "CREATECONSUMER", key, group, "idle")
		if g.rng.IntN(2) == 0 {
			p.XAck(ctx, key, group, id(g.rng.IntN(n)))
		}
	}
	switch g.rng.IntN(5) {
	case 0:
		p.XDel(ctx, key, id(g.rng.IntN(n)), id(g.rng.IntN(n)))
	case 1:
		p.XTrimMaxLen(ctx, key, int64(g.rng.IntN(n+1)))
	case 2:
		p.XDel(ctx, key, id(n-1))
		p.XTrimMinID(ctx, key, id(g.rng.IntN(n)))
	}
}

// bigCollection makes one collection of n elements: another type in each database.
func (g *generator) bigCollection(ctx context.Context, c *redis.Client, db, n int) {
	const batch = 2000
	for from := 0; from < n; from += 10 * batch {
		g.exec(ctx, c, func(p redis.Pipeliner) {
			for at := from; at < min(n, from+10*batch); at += batch {
				var args []any
				for i := at; i < min(n, at+batch); i++ {
					e := fmt.Sprintf("element-%09d", i)
					switch db {
					case 0:
						args = append(args, e, i)
					case 3:
						args = append(args, float64(i)/7, e)
					default:
						args = append(args, e)
					}
				}
				cmd := []string{"HSET", "RPUSH", "SADD", "ZADD"}[db]
				p.Do(ctx, append([]any{cmd, "big"}, args...)...)
			}
		})
	}
}

// text is a string value of any of the encodings: embstr, raw, compressible, long and not compressible.
func (g *generator) text() string {
	switch g.rng.IntN(12) {
	case 0:
		return strings.Repeat("abc", 200+g.rng.IntN(1000))
	case 1:
		return randomBytes(g.rng, 1+g.rng.IntN(3000))
	case 2:
		return ""
	case 3:
		return strings.Repeat("ü\"\\\x01\u2028", 1+g.rng.IntN(20))
	}
	return fmt.Sprintf("value %d", g.rng.Uint32())
}

func (g *generator) elements(n int) []any {
	out := make([]any, n)
	for i := range out {
		switch g.rng.IntN(10) {
		case 0:
			out[i] = g.rng.IntN(1000)
		case 1:
			out[i] = randomBytes(g.rng, 1+g.rng.IntN(90))
		default:
			out[i] = fmt.Sprintf("e%d-%d", i, g.rng.IntN(1_000_000))
		}
	}
	return out
}

// score is odd often enough. Two scores stand in snapshots only, see key. A sorted set keeps the sign of -0 or loses it by
// the encoding that it happens to have, and replicas need not have the same one. And after reading a number below the
// smallest normal one, such as 5e-324, Redis 7.0 refuses a SORT by numbers that comes soon after (errno is left at
// ERANGE), which a replica, or a rebuilt server, need not do at the same commands.
func (g *generator) score() string {
	odd := []string{
		"inf", "-inf", "0", "0.1", "1e308", "-1e308", "3.141592653589793", "9007199254740993",
		"1.7976931348623157e308", "100", "1e21", "123456789012345678",
	}
	if g.rng.IntN(3) == 0 {
		return odd[g.rng.IntN(len(odd))]
	}
	return fmt.Sprint(g.rng.NormFloat64() * 1000)
}

func randomBytes(rng *rand.Rand, n int) string {
	b := make([]byte, n)
	for i := range b {
		b[i] = byte(rng.Uint32())
	}
	return string(b)
}
