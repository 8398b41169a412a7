package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"
	"github.com/redis/go-redis/v9"
	"github.com/twmb/franz-go/pkg/kfake"

	"keyfeed/internal/testenv"
)

const patience = 2 * time.Minute // bounds waits that only a broken keyfeed waits out

// keyfeed starts this program as keyfeed, its output into a file where one is named.
func keyfeed(t *testing.T, stdout string, env []string, args ...string) *testenv.ChildProcess {
	t.Helper()
	env = append(env, beKeyfeed+"=1", "KEYFEED_HTTP_ADDR=127.0.0.1:0", "GORACE=atexit_sleep_ms=0")
	if stdout == "" {
		return testenv.Child(t, os.Args[0], args, env)
	}
	return testenv.Child(t, "sh", append([]string{"-c", `out=$1; shift; exec "$0" "$@" >>"$out"`, os.Args[0], stdout}, args...), env)
}

// replayed runs a replay to its end, which must be a good one.
func replayed(t *testing.T, env []string, args ...string) *testenv.ChildProcess {
	t.Helper()
	c := keyfeed(t, "", env, append([]string{"replay"}, args...)...)
	if code := c.Wait(patience); code != 0 {
		t.Fatalf("keyfeed replay %v ended with code %d:\n%s", args, code, c.Output())
	}
	return c
}

func digest(t *testing.T, in *testenv.Instance) string {
	t.Helper()
	d, err := in.Client().Do(t.Context(), "DEBUG", "DIGEST").Text()
	if err != nil {
		t.Fatal(err)
	}
	return d
}

// equal holds that target is a copy of source, digests, pending entries and functions.
func equal(t *testing.T, source, target *testenv.Instance) {
	t.Helper()
	if a, b := digest(t, source), digest(t, target); a != b {
		for db := range 4 {
			for _, key := range source.DB(db).Keys(t.Context(), "*").Val() {
				a, b := valueDigest(t, source, db, key), valueDigest(t, target, db, key)
				if a != b {
					t.Logf("db %d %q differs", db, key)
				}
			}
			t.Logf("db %d: %d and %d keys", db, source.DB(db).DBSize(t.Context()).Val(), target.DB(db).DBSize(t.Context()).Val())
		}
		t.Errorf("DEBUG DIGEST: %s and %s", a, b)
	}
	for _, ask := range [][]any{{"FUNCTION", "LIST", "WITHCODE"}, {"XPENDING", "stream", "g", "-", "+", "10000"}, {"XINFO", "STREAM", "stream"}, {"XINFO", "GROUPS", "stream"}} {
		a, b := about(t, source, ask), about(t, target, ask)
		if a != b {
			t.Errorf("%v: %s\nand %s", ask, a, b)
		}
	}
}

func valueDigest(t *testing.T, in *testenv.Instance, db int, key string) string {
	t.Helper()
	return fmt.Sprint(in.DB(db).Do(t.Context(), "DEBUG", "DIGEST-VALUE", key).Val())
}

// about is an answer without what a copy may have otherwise: idle times, the shape of trees.
func about(t *testing.T, in *testenv.Instance, ask []any) string {
	t.Helper()
	v, err := in.DB(1).Do(t.Context(), ask...).Result()
	if err != nil {
		t.Fatalf("%v: %v", ask, err)
	}
	list, _ := v.([]any)
	for i, e := range list {
		if ask[0] == "XPENDING" {
			e.([]any)[2] = "idle"
		}
		if s, ok := e.(string); ok && strings.HasPrefix(s, "radix") {
			list[i+1] = "shape"
		}
		if ask[1] == "GROUPS" { // entries-read and lag: a real replica has other ones too
			list[i] = e.([]any)[:8]
		}
	}
	return fmt.Sprint(list)
}

// load is work on a server of which nothing may be applied twice or left out.
type load struct {
	t      *testing.T
	source *testenv.Instance
	n      int
}

func (l *load) do(db int, args ...any) {
	l.t.Helper()
	if err := l.source.DB(db).Do(l.t.Context(), args...).Err(); err != nil && !errors.Is(err, redis.Nil) {
		l.t.Fatalf("%v: %v", args, err)
	}
}

// begin makes what a snapshot will hold.
func (l *load) begin() {
	l.do(0, "FUNCTION", "LOAD", "#!lua name=lib\nredis.register_function('f', function() return 7 end)")
	for i := range 300 {
		l.do(0, "HSET", "big hash", fmt.Sprintf("field %d", i), strings.Repeat("v", 40), "bin\xff", "\xfe")
		l.do(1, "RPUSH", "big list", strings.Repeat("e", 50), i)
		l.do(2, "ZADD", "big zset", i, fmt.Sprintf("member %d", i))
		l.do(i%4, "SET", fmt.Sprintf("before %d", i), i, "PXAT", 4102444800000+i)
	}
	l.do(3, "SET", "big string", strings.Repeat("0123456789", 3000))
	l.do(1, "XGROUP", "CREATE", "stream", "g", "0", "MKSTREAM")
	for range 50 {
		l.do(1, "XADD", "stream", "*", "f", "v")
	}
	l.do(1, "XREADGROUP", "GROUP", "g", "c", "COUNT", "20", "STREAMS", "stream", ">")
	l.do(1, "XTRIM", "stream", "MAXLEN", "40") // pending entries without an entry
}

// round writes a little of everything.
func (l *load) round() {
	c := l.source.Client()
	l.n++
	n := l.n
	l.do(n%2, "INCR", "counter")
	l.do(0, "APPEND", "text", "x")
	l.do(1, "RPUSH", "list", n, n+1)
	l.do(1, "LMOVE", "list", "other list", "LEFT", "RIGHT")
	l.do(1, "LMOVE", "big list", "big list", "LEFT", "RIGHT")
	l.do(0, "HINCRBY", "hash", fmt.Sprintf("f%d", n%5), n)
	l.do(2, "ZINCRBY", "big zset", 1, fmt.Sprintf("member %d", n%300))
	l.do(1, "XADD", "stream", "*", "n", n)
	l.do(1, "XREADGROUP", "GROUP", "g", "c", "COUNT", "1", "STREAMS", "stream", ">")
	l.do(0, "SET", fmt.Sprintf("key %d", n%50), n, "EX", 100000)
	l.do(0, "RENAME", fmt.Sprintf("key %d", n%50), "renamed")
	l.do(0, "COPY", "renamed", "copied", "DB", 3, "REPLACE")
	l.do(0, "SETBIT", "bits", n%1000, n%2)
	l.do(0, "PFADD", "log", n)
	l.do(0, "EVAL", "redis.call('INCR', KEYS[1]); redis.call('RPUSH', KEYS[2], ARGV[1]); return 1", 2, "scripted", "scripts", n)
	_, err := c.TxPipelined(l.t.Context(), func(p redis.Pipeliner) error {
		for i := range 1 + n%7 {
			p.Incr(l.t.Context(), "txn")
			p.RPush(l.t.Context(), "txns", i)
		}
		return nil
	})
	if err != nil {
		l.t.Fatal(err)
	}
	switch {
	case n%10 == 0:
		l.do(0, "SWAPDB", 0, 2)
		l.do(0, "SWAPDB", 2, 0)
	case n%10 == 5:
		l.do(3, "FLUSHDB")
	case n%31 == 0:
		_, err := c.TxPipelined(l.t.Context(), func(p redis.Pipeliner) error {
			for range 1500 { // larger than a group
				p.Incr(l.t.Context(), "large txn")
			}
			return nil
		})
		if err != nil {
			l.t.Fatal(err)
		}
	}
}

// where is what the target remembers.
func where(t *testing.T, target *testenv.Instance) string {
	t.Helper()
	id, err := target.Client().HGet(t.Context(), "keyfeed:replay", "id").Result()
	if err != nil && !errors.Is(err, redis.Nil) {
		t.Fatal(err)
	}
	return id
}

// A replay that is killed again and again, while the source is written to, makes an exact copy: what is not idempotent was
// applied once.
func TestReplayIsExactOverKills(t *testing.T) {
	for _, from := range []string{"nats", "kafka"} {
		t.Run(from, func(t *testing.T) {
			source, target := testenv.Redis(t), testenv.Redis(t)
			env := []string{
				"KEYFEED_SOURCE_URL=" + source.URL(), "KEYFEED_EVENT_MAX_BYTES=4KiB", "KEYFEED_HEARTBEAT_INTERVAL=200ms",
				"KEYFEED_TARGET_URL=" + target.URL(), "KEYFEED_SINK=" + from,
			}
			if from == "nats" {
				env = append(env, "KEYFEED_NATS_EMBEDDED_ADDR="+testenv.FreeAddr(t))
			} else {
				cluster, err := kfake.NewCluster(kfake.NumBrokers(1))
				if err != nil {
					t.Fatal(err)
				}
				t.Cleanup(cluster.Close)
				env = append(env, "KEYFEED_KAFKA_BROKERS="+cluster.ListenAddrs()[0], "KEYFEED_KAFKA_PARTITIONS=3")
			}
			l := &load{t: t, source: source}
			l.begin()
			bridge := keyfeed(t, "", env)
			for kill := range 5 {
				r := keyfeed(t, "", env, "replay", "-from", from)
				last := where(t, target)
				testenv.Eventually(t, patience, "the replay moves", func() bool {
					if l.n < 30*(kill+1) {
						l.round()
					}
					select {
					case <-r.Done():
						t.Fatalf("the replay ended:\n%s", r.Output())
					default:
					}
					return where(t, target) != last && l.n >= 20*(kill+1)
				})
				r.Kill()
			}
			l.do(0, "SET", "the end", "1")
			r := keyfeed(t, "", env, "replay", "-from", from)
			testenv.Eventually(t, patience, "the replay reaches the end", func() bool {
				return target.Client().Exists(t.Context(), "the end").Val() == 1
			})
			r.Signal(syscall.SIGTERM)
			if code := r.Wait(patience); code != 0 {
				t.Fatalf("SIGTERM: code %d:\n%s", code, r.Output())
			}
			if !strings.Contains(r.Stderr(), "keyfeed: replayed ") {
				t.Errorf("no summary:\n%s", r.Output())
			}
			if from == "kafka" { // with nats the server is in that process
				bridge.Kill()
			}
			// Nothing is done twice at the end of the stream, and the bookmark goes when it is told to.
			replayed(t, env, "-from", from, "-to-end")
			replayed(t, env, "-forget")
			equal(t, source, target)
			// A second target gets all of it in one go, also what lies behind the last heartbeat.
			fresh := testenv.Redis(t)
			out := replayed(t, env, "-from", from, "-to-end", "-to", fresh.URL())
			replayed(t, env, "-forget", "-to", fresh.URL())
			equal(t, source, fresh)
			t.Logf("%d rounds; %s", l.n, lastLine(out.Stderr()))
		})
	}
}

func lastLine(s string) string {
	s = strings.TrimRight(s, "\n")
	return s[strings.LastIndexByte(s, '\n')+1:]
}

// What the sink stdout has printed, over two runs the first of which was killed, replays from a file and from a pipe.
func TestReplayOfAFile(t *testing.T) {
	source, target := testenv.Redis(t), testenv.Redis(t)
	file := filepath.Join(t.TempDir(), "events")
	env := []string{
		"KEYFEED_SOURCE_URL=" + source.URL(), "KEYFEED_SINK=stdout", "KEYFEED_EVENT_MAX_BYTES=4KiB",
		"KEYFEED_DATA_DIR=" + t.TempDir(), "KEYFEED_TARGET_URL=" + target.URL(),
	}
	l := &load{t: t, source: source}
	l.begin()
	holds := func(text string) func() bool {
		return func() bool {
			b, err := os.ReadFile(file)
			return err == nil && strings.Contains(string(b), text)
		}
	}
	bridge := keyfeed(t, file, env)
	testenv.Eventually(t, patience, "the snapshot is printed", holds(`"kind":"snapshot_end"`))
	for range 40 {
		l.round()
	}
	bridge.Kill()
	f, err := os.OpenFile(file, os.O_APPEND|os.O_WRONLY, 0)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := f.WriteString(`{"v":1,"id":"17`); err != nil { // torn by the kill
		t.Fatal(err)
	}
	if err := f.Close(); err != nil {
		t.Fatal(err)
	}
	bridge = keyfeed(t, file, env)
	for range 40 {
		l.round()
	}
	l.do(0, "SET", "the end", "1")
	testenv.Eventually(t, patience, "all is printed", holds(`"the end"`))
	bridge.Signal(syscall.SIGTERM)
	bridge.Wait(patience)

	replayed(t, env, "-from", file)
	replayed(t, env, "-from", file) // changes nothing
	replayed(t, env, "-forget")
	equal(t, source, target)

	piped := testenv.Redis(t)
	sh := testenv.Child(t, "sh", []string{"-c", `exec "$0" replay -from - -to "$2" <"$1"`, os.Args[0], file, piped.URL()}, append(env, beKeyfeed+"=1"))
	if code := sh.Wait(patience); code != 0 {
		t.Fatalf("code %d:\n%s", code, sh.Output())
	}
	replayed(t, env, "-forget", "-to", piped.URL())
	equal(t, source, piped)
}

// What a target may be like, and what is said about it.
func TestReplayNamesTheRemedy(t *testing.T) {
	dir := t.TempDir()
	write := func(name string, lines ...string) string {
		path := filepath.Join(dir, name)
		if err := os.WriteFile(path, []byte(strings.Join(lines, "\n")+"\n"), 0o600); err != nil {
			t.Fatal(err)
		}
		return path
	}
	line := func(offset int, body string) string {
		return fmt.Sprintf(`{"v":1,"id":"%010d:%020d:0000000000",%s,"ts_ms":1,"source":{"name":"redis","gen":1,"offset":%d,"seq":0,"n":1}}`, 1, offset, body, offset)
	}
	begin, end := line(1, `"op":"m","kind":"snapshot_begin"`), line(2, `"op":"m","kind":"snapshot_end"`)
	set := func(offset int, value string) string {
		return line(offset, `"op":"u","db":0,"key":"k","cmd":"SET","args":["`+value+`"]`)
	}
	good := write("good", begin, end, set(3, "1"))
	plain, fresh := testenv.Redis(t), testenv.Redis(t)
	full := testenv.Redis(t, testenv.Set("maxmemory", "3mb"), testenv.Set("maxmemory-policy", "noeviction"))
	locked := testenv.Redis(t, testenv.Set("requirepass", "sesame"))
	master := testenv.Redis(t)
	replica := testenv.Redis(t)
	replica.ReplicaOf(master)
	taken := testenv.Redis(t)
	taken.Client().Set(context.Background(), "mine", "1", 0)
	fat := []string{begin, end}
	for i := range 40 {
		fat = append(fat, line(3+i, fmt.Sprintf(`"op":"u","db":0,"key":"k%d","cmd":"SET","args":["%s"]`, i, strings.Repeat("x", 100_000))))
	}
	tests := []struct {
		name, file, to string
		env, flags     []string
		code           int
		says           string
	}{
		{name: "no password", file: good, to: locked.Addr(), code: 3, says: "NOAUTH.*KEYFEED_TARGET_PASSWORD"},
		{name: "wrong password", file: good, to: locked.Addr(), env: []string{"KEYFEED_TARGET_PASSWORD=open"}, code: 3, says: "WRONGPASS"},
		{name: "right password", file: good, to: locked.Addr(), env: []string{"KEYFEED_TARGET_PASSWORD=sesame"}, says: "replayed 3 events"},
		{name: "replica", file: good, to: replica.Addr(), code: 3, says: "is a replica of .*name its master"},
		{name: "memory is full", file: write("fat", fat...), to: full.Addr(), code: 3, says: "OOM.*maxmemory"},
		{name: "foreign data", file: good, to: taken.Addr(), code: 3, says: "holds 1 keys.*-overwrite"},
		{name: "foreign data, approved", file: good, to: taken.Addr(), flags: []string{"-overwrite"}, says: "replayed 3 events"},
		{name: "nobody there", file: good, to: testenv.FreeAddr(t), code: 1, says: "connecting"},
		{name: "no snapshot", file: write("rest", set(9, "1")), to: plain.Addr(), code: 3, says: "no snapshot to begin with"},
		{name: "good", file: good, to: plain.Addr(), says: "replayed 3 events"},
		{name: "snapshot without an end", file: write("half", begin, set(2, "1")), to: fresh.Addr(), code: 3, says: "no end"},
		{name: "events are missing", file: write("later", set(9, "1")), to: plain.Addr(), code: 3, says: "events are missing after .*0003:0.*position reset"},
		{name: "out of order", file: write("mixed", begin, end, set(9, "1"), set(8, "1")), to: plain.Addr(), code: 1, says: "line 4: .*order"},
		{name: "another source", file: write("other", begin, strings.Replace(set(10, "1"), `"name":"redis"`, `"name":"other"`, 1)), to: plain.Addr(), code: 3, says: `copy of source "redis"`},
		{name: "torn end", file: write("torn", begin, end, set(11, "1"), `{"v":1,"id`), to: plain.Addr(), code: 1, says: "line 4.*torn"},
		{name: "damaged middle", file: write("damaged", begin, end, `{"v":1,"id":"zz`, set(12, "1")), to: plain.Addr(), code: 1, says: "damaged and does not come again"},
		{name: "unknown command", file: write("newer", begin, end, line(13, `"op":"u","db":0,"key":"k","cmd":"NOSUCH","args":[]`)), to: plain.Addr(), code: 3, says: "refused NOSUCH.*as new as the source"},
		{name: "wrong type", file: write("type", begin, end, set(14, "1"), line(15, `"op":"u","db":0,"key":"k","cmd":"LPUSH","args":["1"]`)), to: plain.Addr(), code: 3, says: "refused LPUSH.*WRONGTYPE"},
		{name: "it was not exact", file: write("type2", begin, end, set(14, "1"), set(16, "1")), to: plain.Addr(), code: 3, says: "not exact, 1 events.*-keep-going"},
		{name: "on we go", file: write("type3", begin, end, set(14, "1"), set(15, "1"), set(16, "1")), to: plain.Addr(), flags: []string{"-keep-going"}, says: "1 NOT EXACT"},
		{name: "no file", file: filepath.Join(dir, "none"), to: plain.Addr(), flags: []string{"-keep-going"}, code: 1, says: "no such file"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			args := append([]string{"replay", "-from", tt.file, "-to", "redis://" + tt.to}, tt.flags...)
			c := keyfeed(t, "", tt.env, args...)
			if code := c.Wait(patience); code != tt.code {
				t.Errorf("code %d, want %d", code, tt.code)
			}
			if !regexp.MustCompile(tt.says).MatchString(c.Stderr()) {
				t.Errorf("it says\n%s\nnot %q", c.Stderr(), tt.says)
			}
			if strings.Contains(c.Output(), "sesame") {
				t.Errorf("the password shows:\n%s", c.Output())
			}
		})
	}
	var gen, offset, seq int64
	if _, err := fmt.Sscanf(where(t, full), "%d:%d:%d", &gen, &offset, &seq); err != nil {
		t.Fatal(err)
	}
	if keys := full.Client().DBSize(t.Context()).Val() - 1; keys != offset-2 || keys >= 40 {
		t.Errorf("%d keys were written before the memory was full, and the bookmark says %d", keys, offset-2)
	}
}

// A target may ask for TLS, and one that cannot prove who it is gets nothing.
func TestReplayOverTLS(t *testing.T) {
	target := testenv.Redis(t, testenv.TLS())
	file := filepath.Join(t.TempDir(), "events")
	text := `{"v":1,"id":"0000000001:00000000000000000001:0000000000","op":"m","kind":"snapshot_begin","ts_ms":1,"source":{"name":"redis","gen":1,"offset":1,"seq":0}}
{"v":1,"id":"0000000001:00000000000000000001:0000000001","op":"m","kind":"snapshot_end","ts_ms":1,"source":{"name":"redis","gen":1,"offset":1,"seq":1}}
`
	if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	env := []string{"KEYFEED_TARGET_URL=" + target.URL()}
	c := keyfeed(t, "", env, "replay", "-from", file)
	if code := c.Wait(patience); code != 3 || !strings.Contains(c.Stderr(), "certificate") {
		t.Errorf("an unknown authority: code %d:\n%s", code, c.Stderr())
	}
	replayed(t, append(env, "KEYFEED_TARGET_TLS_CA_FILE="+target.CAFile()), "-from", file)
	if where(t, target) == "" {
		t.Error("nothing was written")
	}
}

// Where a retention has dropped what the target lacks, the replay says so and applies nothing; the next snapshot heals it.
func TestReplayOverAHole(t *testing.T) {
	source, target := testenv.Redis(t), testenv.Redis(t)
	addr := testenv.FreeAddr(t)
	env := []string{
		"KEYFEED_SOURCE_URL=" + source.URL(), "KEYFEED_TARGET_URL=" + target.URL(), "KEYFEED_DATA_DIR=" + t.TempDir(),
		"KEYFEED_NATS_EMBEDDED_ADDR=" + addr, "KEYFEED_FULL_SYNCS_PER_HOUR=0",
	}
	l := &load{t: t, source: source}
	l.begin()
	// follow lets the target come up to a key that is written now.
	follow := func(key string) {
		l.do(0, "SET", key, "1")
		r := keyfeed(t, "", env, "replay", "-from", "nats")
		testenv.Eventually(t, patience, "the target has "+key, func() bool {
			c := target.Client()
			return c.Exists(t.Context(), key).Val() == 1 && c.HGet(t.Context(), "keyfeed:replay", "snapshot_open").Val() == "0"
		})
		r.Signal(syscall.SIGTERM)
		if code := r.Wait(patience); code != 0 {
			t.Fatalf("code %d:\n%s", code, r.Output())
		}
	}
	bridge := keyfeed(t, "", env)
	follow("one")
	before := where(t, target)

	l.do(0, "SET", "two", "1")
	nc, err := nats.Connect("nats://"+addr, nats.Timeout(patience))
	if err != nil {
		t.Fatal(err)
	}
	defer nc.Close()
	js, err := jetstream.New(nc, jetstream.WithDefaultTimeout(patience))
	if err != nil {
		t.Fatal(err)
	}
	stream, err := js.Stream(t.Context(), "KEYFEED_redis")
	if err != nil {
		t.Fatal(err)
	}
	testenv.Eventually(t, patience, "it is published", func() bool {
		info, err := stream.Info(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		m, err := stream.GetMsg(t.Context(), info.State.LastSeq)
		return err == nil && strings.Contains(string(m.Data), `"two"`)
	})
	l.do(0, "SET", "three", "1")
	testenv.Eventually(t, patience, "one more is published", func() bool {
		info, err := stream.Info(t.Context())
		return err == nil && stream.Purge(t.Context(), jetstream.WithPurgeSequence(info.State.LastSeq)) == nil && info.State.Msgs == 1
	})
	r := keyfeed(t, "", env, "replay", "-from", "nats", "-to-end")
	if code := r.Wait(patience); code != 3 || !strings.Contains(r.Stderr(), "events are missing after "+before) {
		t.Errorf("over the hole: code %d:\n%s", code, r.Output())
	}
	if where(t, target) != before {
		t.Error("something was applied")
	}

	bridge.Signal(syscall.SIGTERM)
	bridge.Wait(patience)
	nc.Close()
	if code := keyfeed(t, "", env, "position", "reset").Wait(patience); code != 0 {
		t.Fatalf("position reset: code %d", code)
	}
	keyfeed(t, "", env)
	follow("four")
	replayed(t, env, "-forget")
	equal(t, source, target)
}
