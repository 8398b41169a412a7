package rdb_test

import (
	"bytes"
	"context"
	"fmt"
	"math"
	"math/rand/v2"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/redis/go-redis/v9"

	"keyfeed/internal/testenv"
	"keyfeed/snapshot/rdb"
)

// Every type and encoding that a server of today writes: the file it saves, decoded, must say what the server answers.
func TestDecodeEqualsLiveServer(t *testing.T) {
	t.Run("redis-7.0", func(t *testing.T) { compareLive(t, testenv.Redis(t), rdb.Redis, 10) })
	t.Run("redis-6.2", func(t *testing.T) { compareLive(t, testenv.Server(t, "redis-6.2"), rdb.Redis, 9) })
	t.Run("redis-7.4", func(t *testing.T) { compareLive(t, testenv.Server(t, "redis-7.4"), rdb.Redis, 12) })
	t.Run("valkey-9", func(t *testing.T) { compareLive(t, testenv.Server(t, "valkey-9"), rdb.Valkey, 80) })
	t.Run("redis-7.0 no checksum, no compression", func(t *testing.T) {
		compareLive(t, testenv.Redis(t, testenv.Set("rdbchecksum", "no"), testenv.Set("rdbcompression", "no")),
			rdb.Redis, 10)
	})
	t.Run("redis-7.0 compressed list nodes", func(t *testing.T) {
		compareLive(t, testenv.Redis(t, testenv.Set("list-compress-depth", "1")), rdb.Redis, 10)
	})
	t.Run("redis-7.0 lfu", func(t *testing.T) {
		compareLive(t, testenv.Redis(t, testenv.Set("maxmemory-policy", "allkeys-lfu")), rdb.Redis, 10)
	})
	t.Run("redis-7.0 lru, large packed values", func(t *testing.T) {
		compareLive(t, testenv.Redis(t, testenv.Set("maxmemory-policy", "allkeys-lru"),
			testenv.Set("hash-max-listpack-entries", "100000"), testenv.Set("zset-max-listpack-entries", "100000"),
			testenv.Set("hash-max-listpack-value", "100000"), testenv.Set("zset-max-listpack-value", "100000"),
			testenv.Set("set-max-intset-entries", "100000"), testenv.Set("list-max-listpack-size", "100000"),
			testenv.Set("stream-node-max-bytes", "0"), testenv.Set("stream-node-max-entries", "100000"),
		), rdb.Redis, 10)
	})
}

func compareLive(t *testing.T, server *testenv.Instance, family rdb.Family, version int) {
	t.Helper()
	t.Parallel()
	// The settings in the names of some servers change nothing about pending entries, and what they change about strings
	// shows on short ones.
	plain := !strings.Contains(t.Name(), "_")
	l := &live{t: t, c: server.Client(), ctx: t.Context(), big: plain}
	l.fill(server)
	l.do("SAVE")
	file, err := os.ReadFile(filepath.Join(server.Dir, "dump.rdb"))
	if err != nil {
		t.Fatal(err)
	}
	f, v := versionOf(t, file)
	if f != family || v != version {
		t.Errorf("the file has version %v %d, want %v %d", f, v, family, version)
	}
	want := map[string]string{}
	for db := range 4 {
		for name, text := range (&live{t: t, c: server.DB(db), ctx: t.Context()}).read(version) {
			want[fmt.Sprintf("%d/%q", db, name)] = text
		}
	}
	if len(want) < 150 {
		t.Fatalf("only %d keys to compare", len(want))
	}
	// Small bounds take the same file through the paths for large values.
	configs := map[string]rdb.Config{"large elements": {}, "small pieces": {Piece: 7}}
	if plain {
		configs["one pending entry held"] = rdb.Config{PendingHeld: 1}
	}
	for name, cfg := range configs {
		cfg.MaxElement = 4 << 20
		got := decodeBytes(t, file, cfg)
		if diff := differences(got.keys, want); diff != "" {
			t.Errorf("%s: %s", name, diff)
		}
		if got.dups != 0 || len(got.skipped) != 0 {
			t.Errorf("%s: %d keys came twice; skipped: %v", name, got.dups, got.skipped)
		}
		if version != 9 && !slices.Equal(got.funcs, l.functions()) {
			t.Errorf("functions are %q, want %q", got.funcs, l.functions())
		}
		if got.aux["redis-bits"] != "64" {
			t.Errorf("aux fields are %q", got.aux)
		}
		for _, code := range newestCodes(version) {
			if got.codes[code] == 0 {
				t.Errorf("no value of type %d is in the file", code)
			}
		}
		sizes := len(got.sizes)
		if sizes != 4 {
			t.Errorf("%d databases have a size, want 4", sizes)
		}
	}
}

// newestCodes are value types that a server must have written for the comparison to mean something.
func newestCodes(version int) []byte {
	switch version {
	case 9:
		return []byte{0, 2, 4, 5, 11, 12, 13, 14, 15}
	case 10:
		return []byte{0, 2, 5, 11, 16, 17, 18, 19}
	case 12:
		return []byte{0, 2, 4, 5, 11, 16, 17, 18, 20, 21, 24, 25}
	default:
		return []byte{0, 2, 4, 5, 11, 16, 17, 18, 20, 21, 22}
	}
}

// In cluster mode the file has the sizes of slots between the keys (opcode 244).
func TestClusterMode(t *testing.T) {
	for _, name := range []string{"redis-7.4", "valkey-9"} {
		t.Run(name, func(t *testing.T) {
			server := testenv.Server(t, name, testenv.Set("cluster-enabled", "yes"))
			l := &live{t: t, c: server.Client(), ctx: t.Context()}
			l.do("CLUSTER", "ADDSLOTSRANGE", 0, 16383)
			testenv.Eventually(t, 2*time.Minute, "the cluster serves its slots", func() bool {
				_, err := l.try("SET", "k0", 0)
				return err == nil
			})
			for i := range 200 {
				l.do("SET", fmt.Sprint("k", i), i)
			}
			l.do("SAVE")
			file, err := os.ReadFile(filepath.Join(server.Dir, "dump.rdb"))
			if err != nil {
				t.Fatal(err)
			}
			got := decodeBytes(t, file, rdb.Config{})
			for i := range 200 {
				if text := got.keys[fmt.Sprintf(`0/"k%d"`, i)]; text != fmt.Sprintf(`string - "%d"`, i) {
					t.Errorf("k%d is %q", i, text)
				}
			}
		})
	}
}

func versionOf(t *testing.T, file []byte) (rdb.Family, int) {
	t.Helper()
	d := rdb.NewDecoder(bytes.NewReader(file), rdb.Config{Again: bytes.NewReader(file)})
	if err := d.Decode(rdb.Discard{}); err != nil {
		t.Fatal(err)
	}
	return d.Version()
}

// live fills a server and reads it back in the recorder's form.
type live struct {
	t   *testing.T
	c   *redis.Client
	ctx context.Context
	big bool // strings of megabytes, too
}

func (l *live) try(args ...any) (any, error) { return l.c.Do(l.ctx, args...).Result() }

func (l *live) do(args ...any) any {
	l.t.Helper()
	v, err := l.try(args...)
	if err != nil {
		l.t.Fatalf("%.200v: %v", args, err)
	}
	return v
}

func (l *live) functions() []string {
	var code []string
	list, ok := l.do("FUNCTION", "LIST", "WITHCODE").([]any)
	if !ok {
		l.t.Fatal("FUNCTION LIST gives no list")
	}
	for _, lib := range list {
		code = append(code, fmt.Sprint(dict(lib)["library_code"]))
	}
	return code
}

// dict makes a map of what RESP2 gives as a flat list and RESP3 as a map.
func dict(v any) map[string]any {
	m := map[string]any{}
	switch v := v.(type) {
	case map[any]any:
		for k, x := range v {
			m[fmt.Sprint(k)] = x
		}
	case []any:
		for i := 0; i+1 < len(v); i += 2 {
			m[fmt.Sprint(v[i])] = v[i+1]
		}
	}
	return m
}

func texts(v any) []string {
	list, _ := v.([]any)
	out := make([]string, len(list))
	for i, x := range list {
		out[i] = fmt.Sprint(x)
	}
	return out
}

func (l *live) fill(server *testenv.Instance) {
	rng := rand.New(rand.NewPCG(1, 2))
	random := func(n int) string {
		b := make([]byte, n)
		for i := range b {
			b[i] = byte(rng.Uint32())
		}
		return string(b)
	}
	l.fillStrings(random)
	l.fillCollections(random)
	l.fillStreams()
	l.fillFieldDeadlines()
	l.fillDeadlines()
	if _, err := l.try("FUNCTION", "LOAD", "#!lua name=one\nredis.register_function('f1', function() return 1 end)"); err == nil {
		l.do("FUNCTION", "LOAD", "#!lua name=two\n"+strings.Repeat("-- comment\n", 50)+
			"redis.register_function('f2', function() return 2 end)")
	}
	for db := 1; db < 4; db++ {
		other := &live{t: l.t, c: server.DB(db), ctx: l.ctx}
		other.do("SET", "same", db)
		other.do("RPUSH", "list", "a", db)
	}
}

func (l *live) fillStrings(random func(int) string) {
	for i, v := range []any{
		0, 1, -1, 127, 128, -128, -129, 32767, 32768, -32768, 2147483647, 2147483648, -2147483648, -2147483649,
		int64(math.MaxInt64), int64(math.MinInt64), "", "text", "007", " 1", "1 ", "+1", "\x00\xff\xfe", "1e5",
	} {
		l.do("SET", fmt.Sprintf("s:%d", i), v)
	}
	for _, n := range []int{1, 63, 64, 65, 16383, 16384, 65535, 65536, 65537, 300000, 1 << 20, 1<<20 + 1, 3<<20 + 17} {
		if n > 65537 && !l.big {
			break
		}
		l.do("SET", fmt.Sprintf("random:%d", n), random(n))
		l.do("SET", fmt.Sprintf("same:%d", n), strings.Repeat("x", n))
		l.do("SET", fmt.Sprintf("period:%d", n), strings.Repeat("abcdefghijklmnopqrstuvwxyz0123456789", n/36+1)[:n])
		l.do("SET", fmt.Sprintf("mixed:%d", n), (random(n/3) + strings.Repeat("y", n/3) + random(n))[:n])
	}
	l.do("SET", "", "the empty key")
	l.do("SET", "\x00\xff\n\r binary", "v")
	l.do("SET", "12345", "an integer as key")
	l.do("SET", strings.Repeat("long key ", 100), "v")
	l.do("SETRANGE", "zeros", 70000, "end")
	l.do("SETBIT", "bits", 100, 1)
	l.do("PFADD", "hll", "a", "b", "c")
}

func (l *live) fillCollections(random func(int) string) {
	// Every form of integer and of string length in a listpack.
	items := []any{
		0, 1, 127, 128, -1, 4095, -4096, 4096, -4097, 32767, 32768, -32768, -32769, 8388607, 8388608, -8388608, -8388609,
		2147483647, 2147483648, -2147483648, -2147483649, int64(math.MaxInt64), int64(math.MinInt64), "", "a", "-", "-0",
		"00", strings.Repeat("m", 63), strings.Repeat("n", 64), "\xff\x00",
	}
	long := []any{
		random(65), random(126), random(127), random(128), random(4095), random(4096), random(5000), random(16379),
		random(16380), random(16384), strings.Repeat("z", 70000), random(1 << 21),
	}
	for name, list := range map[string][]any{"small": items, "long": append(slices.Clone(items), long...)} {
		l.do(append([]any{"RPUSH", "list:" + name}, list...)...)
		l.do(append([]any{"SADD", "set:" + name}, list...)...)
		hash, zset := []any{"HSET", "hash:" + name}, []any{"ZADD", "zset:" + name}
		for i, v := range list {
			hash = append(hash, v, list[len(list)-1-i])
			zset = append(zset, fmt.Sprint(i), v)
		}
		l.do(hash...)
		l.do(zset...)
	}
	for i, v := range long {
		l.do("RPUSH", fmt.Sprintf("list:plain:%d", i), v, "a", "b", v, "c", v) // plain and packed nodes in any order
		l.do("RPUSH", fmt.Sprintf("list:one:%d", i), v)
		l.do("HSET", fmt.Sprintf("hash:one:%d", i), v, v)
		l.do("SADD", fmt.Sprintf("set:one:%d", i), v)
	}
	scores := []any{
		"inf", "-inf", 0, "-0", "5e-324", "1.7976931348623157e308", 0.1, 1.0 / 3, -1.5, 1e100, 123456789012345680,
		3, "3.0000000000000004", -7, 1e15, 1e17, 1 << 53,
	}
	for _, n := range []int{1, 17, 300} {
		for i := range n {
			l.do("ZADD", fmt.Sprintf("scores:%d", n), scores[i%len(scores)], fmt.Sprintf("m%d", i))
		}
	}
	l.do("GEOADD", "geo", 13.361389, 38.115556, "Palermo")
	l.bulk("SADD", "intset:16", 300, 1, func(i int) []any { return []any{i - 150} })
	l.bulk("SADD", "intset:32", 300, 1, func(i int) []any { return []any{i * 7_000_000} })
	l.bulk("SADD", "intset:64", 300, 1, func(i int) []any { return []any{int64(i) * 30_000_000_000_000_000} })
	packed := l.do("CONFIG", "GET", "hash-max-listpack-entries")
	slow := strings.Contains(fmt.Sprint(packed), "100000") // adding to a packed hash searches it
	for _, n := range []int{5, 127, 128, 129, 600, 5000, 70000} {
		l.bulk("RPUSH", fmt.Sprintf("l:%d", n), n, 500, func(i int) []any { return []any{fmt.Sprintf("element %d", i)} })
		l.bulk("SADD", fmt.Sprintf("int:%d", n), n, 500, func(i int) []any { return []any{i * 3} })
		if slow && n > 5000 {
			continue
		}
		l.bulk("HSET", fmt.Sprintf("h:%d", n), n, 500, func(i int) []any { return []any{fmt.Sprintf("field%d", i), i} })
		l.bulk("SADD", fmt.Sprintf("set:%d", n), n, 500, func(i int) []any { return []any{fmt.Sprintf("x%d", i)} })
		l.bulk("ZADD", fmt.Sprintf("z:%d", n), n, 500, func(i int) []any {
			return []any{strconv.FormatFloat(float64(i)/3, 'g', -1, 64), fmt.Sprintf("m%d", i)}
		})
	}
}

func (l *live) bulk(cmd, key string, n, step int, item func(i int) []any) {
	for i := 0; i < n; i += step {
		args := []any{cmd, key}
		for k := i; k < min(n, i+step); k++ {
			args = append(args, item(k)...)
		}
		l.do(args...)
	}
}

func (l *live) fillStreams() {
	l.do("XADD", "x:one", "*", "f", "v")
	l.do("XADD", "x:repeated", "1-1", "a", "1", "a", "2", "b", "3", "a", "4")
	l.do("XADD", "x:repeated", "1-2", "b", "3", "a", "4", "b", "\xff")
	l.do("XADD", "x:wide", "18446744073709551614-18446744073709551614", "f", "1")
	l.do("XADD", "x:wide", "18446744073709551615-1", "f", "2")
	for i := 1; i <= 3000; i++ {
		l.do("XADD", "x:many", fmt.Sprintf("%d-%d", 1000+i/3, i), "temperature", i, "place", fmt.Sprintf("p%d", i%7))
		if i%5 == 0 {
			l.do("XADD", "x:shapes", fmt.Sprintf("%d-1", i), fmt.Sprintf("f%d", i%4), i*1000000, "same", -i)
		}
	}
	for i := 1; i <= 3000; i += 7 {
		l.do("XDEL", "x:many", fmt.Sprintf("%d-%d", 1000+i/3, i))
	}
	l.do("XADD", "x:trimmed", "1-1", "a", "b")
	for i := 2; i < 500; i++ {
		l.do("XADD", "x:trimmed", "MAXLEN", 100, fmt.Sprintf("%d-1", i), "a", i)
	}
	l.do("XADD", "x:empty", "5-5", "a", "b")
	l.do("XDEL", "x:empty", "5-5")
	l.do("XGROUP", "CREATE", "x:made", "g", "$", "MKSTREAM")
	l.do("XADD", "x:big", "1-1", "f", strings.Repeat("v", 100_000), "g", strings.Repeat("abc", 50_000))

	l.do("XGROUP", "CREATE", "x:many", "g1", "0")
	l.do("XGROUP", "CREATE", "x:many", "g2", "$")
	l.do("XGROUP", "CREATE", "x:many", "g3", "1100-0")
	l.do("XGROUP", "CREATECONSUMER", "x:many", "g1", "idle")
	l.do("XREADGROUP", "GROUP", "g1", "alice", "COUNT", 200, "STREAMS", "x:many", ">")
	l.do("XREADGROUP", "GROUP", "g1", "bob", "COUNT", 100, "STREAMS", "x:many", ">")
	l.do("XREADGROUP", "GROUP", "g1", "alice", "COUNT", 50, "STREAMS", "x:many", ">")
	l.do("XREADGROUP", "GROUP", "g3", "c\x00d", "COUNT", 10, "NOACK", "STREAMS", "x:many", ">")
	l.do("XREADGROUP", "GROUP", "g3", "c\x00d", "COUNT", 10, "STREAMS", "x:many", ">")
	l.do("XACK", "x:many", "g1", "1001-3", "1001-4")
	l.do("XCLAIM", "x:many", "g1", "carol", 0, "1001-5", "TIME", 1234567890123, "RETRYCOUNT", 77)
	l.do("XDEL", "x:many", "1002-6") // stays pending
}

// fillFieldDeadlines writes hashes with field deadlines where the server knows them.
func (l *live) fillFieldDeadlines() {
	l.do("HSET", "ttl:packed", "a", 1, "b", 2, "c", strings.Repeat("v", 40))
	if _, err := l.try("HPEXPIREAT", "ttl:packed", 4102444800000, "FIELDS", 1, "a"); err != nil {
		return // Redis before 7.4
	}
	l.do("HPEXPIREAT", "ttl:packed", 4102444800123, "FIELDS", 1, "c")
	l.do("HSET", "ttl:persisted", "a", 1, "b", 2)
	l.do("HPEXPIREAT", "ttl:persisted", 4102444800000, "FIELDS", 2, "a", "b")
	l.do("HPERSIST", "ttl:persisted", "FIELDS", 2, "a", "b")
	l.bulk("HSET", "ttl:table", 700, 100, func(i int) []any { return []any{fmt.Sprintf("f%d", i), i} })
	for i := 0; i < 700; i += 3 {
		l.do("HPEXPIREAT", "ttl:table", 4102444800000+int64(i)*1_000_003, "FIELDS", 1, fmt.Sprintf("f%d", i))
	}
	l.do("HSET", "ttl:late", "a", 1, "b", strings.Repeat("long", 50))
	l.do("HPEXPIREAT", "ttl:late", 70368744177663, "FIELDS", 1, "a")
}

func (l *live) fillDeadlines() {
	for i, at := range []int64{4102444800000, 253402300799999, 9223372036855, 9223372036854775806, 4611686018427387903} {
		key := fmt.Sprintf("deadline:%d", i)
		l.do("SET", key, i)
		if _, err := l.try("PEXPIREAT", key, at); err != nil {
			l.do("PEXPIREAT", key, 4102444800001) // the server refuses the largest
		}
	}
	l.do("RPUSH", "deadline:list", "a")
	l.do("PEXPIREAT", "deadline:list", 4102444800999)
}

// read gives every key of a database in the recorder's form.
func (l *live) read(version int) map[string]string {
	out := map[string]string{}
	for _, key := range texts(l.do("KEYS", "*")) {
		typ := fmt.Sprint(l.do("TYPE", key))
		var body string
		switch typ {
		case "string":
			body = blobText([]byte(l.do("GET", key).(string)))
		case "list":
			body = join(texts(l.do("LRANGE", key, 0, -1)), false)
		case "set":
			members, err := l.c.SMembers(l.ctx, key).Result()
			if err != nil {
				l.t.Fatal(err)
			}
			body = join(members, true)
		case "zset":
			members, err := l.c.ZRangeWithScores(l.ctx, key, 0, -1).Result()
			if err != nil {
				l.t.Fatal(err)
			}
			var list []string
			for _, m := range members {
				list = append(list, memberText(m.Member.(string), m.Score))
			}
			slices.Sort(list)
			body = strings.Join(list, ",")
		case "hash":
			body = l.hash(key, strings.HasPrefix(key, "ttl:"))
		case "stream":
			body = l.stream(key, version)
		default:
			typ = typeText("module", typ)
			body = blobText([]byte(l.do("DUMP", key).(string)))
		}
		out[key] = typ + " " + l.deadline(key, version) + " " + body
	}
	return out
}

func join(list []string, sorted bool) string {
	out := make([]string, len(list))
	for i, s := range list {
		out[i] = blobText([]byte(s))
	}
	if sorted {
		slices.Sort(out)
	}
	return strings.Join(out, ",")
}

func (l *live) deadline(key string, version int) string {
	if version > 9 {
		at := l.do("PEXPIRETIME", key).(int64)
		return expireText(at, at != -1)
	}
	// Redis 6.2 tells only the time left, but all deadlines are in the payload of no command: known from fill.
	if l.do("PTTL", key).(int64) == -1 {
		return "-"
	}
	for i, at := range []int64{4102444800000, 253402300799999, 9223372036855, 9223372036854775806, 4611686018427387903} {
		if key == fmt.Sprintf("deadline:%d", i) {
			return fmt.Sprint(at)
		}
	}
	return "4102444800999"
}

func (l *live) hash(key string, deadlines bool) string {
	all, err := l.c.HGetAll(l.ctx, key).Result()
	if err != nil {
		l.t.Fatal(err)
	}
	var list []string
	for name, value := range all {
		at := int64(0)
		if deadlines {
			if v, err := l.try("HPEXPIRETIME", key, "FIELDS", 1, name); err == nil {
				at = max(v.([]any)[0].(int64), 0)
			}
		}
		list = append(list, fieldText(name, value, at))
	}
	slices.Sort(list)
	return strings.Join(list, ",")
}

func (l *live) stream(key string, version int) string {
	s := &streamText{}
	for _, e := range l.do("XRANGE", key, "-", "+").([]any) {
		entry := e.([]any)
		s.entry(entryText(fmt.Sprint(entry[0]), texts(entry[1])))
	}
	info := dict(l.do("XINFO", "STREAM", key, "FULL", "COUNT", 0))
	number := func(v any) uint64 { n, _ := v.(int64); return uint64(n) }
	s.info(number(info["length"]), fmt.Sprint(info["last-generated-id"]), fmt.Sprint(info["max-deleted-entry-id"]),
		number(info["entries-added"]), version > 9)
	for _, g := range info["groups"].([]any) {
		group := dict(g)
		read := "nil"
		if n, ok := group["entries-read"].(int64); ok {
			read = fmt.Sprint(n)
		}
		s.group(fmt.Sprint(group["name"]), fmt.Sprint(group["last-delivered-id"]), read)
		for _, c := range group["consumers"].([]any) {
			consumer := dict(c)
			active := ""
			if version > 10 {
				active = fmt.Sprint(consumer["active-time"])
			}
			s.consumer(fmt.Sprint(consumer["name"]), consumer["seen-time"].(int64), active)
		}
		for _, p := range pendingOf(group) {
			pending := p.([]any)
			s.pending(fmt.Sprint(pending[0]), fmt.Sprint(pending[1]), pending[2].(int64), number(pending[3]))
		}
	}
	return s.String()
}

// pendingOf: the list is called pel in Redis 6.2 to 7.4 and pending in none; the key is looked up for both.
func pendingOf(group map[string]any) []any {
	for _, name := range []string{"pel", "pending"} {
		if list, ok := group[name].([]any); ok {
			return list
		}
	}
	return nil
}
