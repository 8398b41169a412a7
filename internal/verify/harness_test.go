package verify_test

import (
	"context"
	"fmt"
	"os"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/redis/go-redis/v9"

	"keyfeed/internal/testenv"
	"keyfeed/internal/verify"
)

func TestMain(m *testing.M) { testenv.RunWithoutLeaks(m) }

// server starts a server of a version, "" for that of PATH.
func server(t *testing.T, version string, opts ...testenv.Option) *testenv.Instance {
	t.Helper()
	if version == "" {
		return testenv.Redis(t, opts...)
	}
	return testenv.Server(t, version, opts...)
}

// twins returns two servers that hold what fill wrote, the second by replication, so that not a millisecond differs.
func twins(t *testing.T, sourceVersion, targetVersion string, fill func(*filler)) (source, target *testenv.Instance) {
	t.Helper()
	source, target = server(t, sourceVersion), server(t, targetVersion)
	fill(&filler{t: t, in: source})
	target.ReplicaOf(source)
	target.AwaitOffset(source)
	target.Promote()
	return source, target
}

// filler writes with as few words as a table of cases needs.
type filler struct {
	t  testing.TB
	in *testenv.Instance
	db int
}

// do runs a command that is written with spaces between its arguments.
func (f *filler) do(line string) {
	f.t.Helper()
	f.args(strings.Fields(line)...)
}

func (f *filler) args(words ...string) {
	f.t.Helper()
	args := make([]any, len(words))
	for i, w := range words {
		args[i] = w
	}
	if err := f.in.DB(f.db).Do(context.Background(), args...).Err(); err != nil && !isNil(err) {
		f.t.Fatalf("%.80q: %v", words, err)
	}
}

func isNil(err error) bool { return err == redis.Nil } //nolint:errorlint // go-redis returns it bare

// each runs a command of many arguments that are made from numbers.
func (f *filler) each(prefix string, n int, more func(i int) []string) {
	f.t.Helper()
	words := strings.Fields(prefix)
	for i := range n {
		words = append(words, more(i)...)
		if len(words) > 1_000 || i == n-1 {
			f.args(words...)
			words = strings.Fields(prefix)
		}
	}
}

// pipeline runs many commands at once.
func (f *filler) pipeline(n int, command func(i int) []any) {
	f.t.Helper()
	for from := 0; from < n; from += 10_000 {
		p := f.in.DB(f.db).Pipeline()
		for i := from; i < min(n, from+10_000); i++ {
			p.Do(context.Background(), command(i)...)
		}
		if _, err := p.Exec(context.Background()); err != nil && !isNil(err) {
			f.t.Fatal(err)
		}
	}
}

func reach(in *testenv.Instance) verify.Server {
	return verify.Server{Network: "tcp", Address: in.Addr()}
}

// compare runs a verification and returns what it found, one line each, sorted.
func compare(t *testing.T, source, target *testenv.Instance, change ...func(*verify.Options)) (lines []string, sum verify.Summary) {
	t.Helper()
	o := verify.Options{Source: reach(source), Target: reach(target), Tolerance: time.Second}
	for _, c := range change {
		c(&o)
	}
	o.Report = func(f verify.Finding) error {
		lines = append(lines, f.String())
		return nil
	}
	sum, err := verify.New(o).Run(t.Context())
	if err != nil {
		t.Fatalf("comparing: %v", err)
	}
	if int64(len(lines)) != sum.Different {
		t.Errorf("%d findings, and the summary says %d", len(lines), sum.Different)
	}
	slices.Sort(lines)
	return lines, sum
}

func wantEqual(t *testing.T, source, target *testenv.Instance) verify.Summary {
	t.Helper()
	lines, sum := compare(t, source, target)
	if len(lines) > 0 {
		t.Errorf("equal servers differ:\n%s", strings.Join(lines, "\n"))
	}
	return sum
}

// deadline is far enough to last for every test.
const deadline = int64(4_000_000_000_000)

// every writes keys of every type, small and large, into three databases.
func every(f *filler) {
	f.db = 0
	f.do("SET string:small v")
	f.args("SET", "string:empty", "")
	f.args("SET", "string:large", strings.Repeat("0123456789abcdef", 50_000)) // 800,000 bytes, four pieces
	f.args("SET", "string:\x00\xff binary\n", "v")
	f.args("SET", "", "the empty key")
	f.do(fmt.Sprintf("SET string:ttl v PXAT %d", deadline))
	f.do("PFADD string:hll a b c")
	f.do("SETBIT string:bits 1000 1")
	f.do("RPUSH list:small a b c b")
	f.each("RPUSH list:large", 1_500, func(i int) []string { return []string{fmt.Sprint("element ", i)} })
	f.do("SADD set:small a b c")
	f.do("SADD set:ints 1 2 3")
	f.each("SADD set:large", 1_500, func(i int) []string { return []string{fmt.Sprint("member ", i)} })
	f.do("HSET hash:small f v g w")
	f.each("HSET hash:large", 1_500, func(i int) []string { return []string{fmt.Sprint("field ", i), fmt.Sprint("value ", i)} })
	f.do("ZADD zset:small 1 a 2.5 b inf c -inf d 0.1 e")
	f.each("ZADD zset:large", 1_500, func(i int) []string { return []string{fmt.Sprint(float64(i) / 7), fmt.Sprint("member ", i)} })
	f.do("GEOADD zset:geo 13.361389 38.115556 Palermo")
	f.pipeline(1000, func(i int) []any {
		return []any{"XADD", "stream:large", fmt.Sprintf("%d-1", i+1), "f", i, "f", "again"}
	})
	f.do("XDEL stream:large 1000-1")
	f.do("XADD stream:groups 1-1 f v")
	f.do("XADD stream:groups 2-1 f v")
	f.do("XADD stream:groups 3-1 f v")
	f.do("XADD stream:groups 4-1 f v")
	f.do("XGROUP CREATE stream:groups g 0")
	f.do("XGROUP CREATE stream:groups idle $")
	f.do("XREADGROUP GROUP g alice COUNT 2 STREAMS stream:groups >")
	f.do("XREADGROUP GROUP g bob COUNT 1 STREAMS stream:groups >")
	f.do("XDEL stream:groups 2-1") // pending, and gone
	f.do("XGROUP CREATE stream:large many 0")
	f.do("XREADGROUP GROUP many alice COUNT 700 STREAMS stream:large >")
	f.do("XADD stream:empty 1-1 f v")
	f.do("XDEL stream:empty 1-1")
	f.pipeline(1300, func(i int) []any { return []any{"SET", fmt.Sprint("many:", i), i} })
	f.db = 3
	f.do("SET elsewhere v")
	f.do("HSET hash f v")
	f.db = 15
	f.do("SET last v")
	f.db = 0
}

// fieldDeadlines writes hashes whose fields expire.
func fieldDeadlines(f *filler) {
	f.do("HSET hash:fields f v g w")
	f.do(fmt.Sprintf("HPEXPIREAT hash:fields %d FIELDS 1 f", deadline))
	f.each("HSET hash:fields:large", 1_000, func(i int) []string { return []string{fmt.Sprint("field ", i), "v"} })
	for i := range 100 {
		f.args("HPEXPIREAT", "hash:fields:large", fmt.Sprint(deadline+int64(i)), "FIELDS", "1", fmt.Sprint("field ", i*10))
	}
}

// rightsOfTheManual are the words after the password in the line of docs/verify.md that makes a user.
func rightsOfTheManual(t *testing.T) string {
	t.Helper()
	text, err := os.ReadFile("../../docs/verify.md")
	if err != nil {
		t.Fatal(err)
	}
	for line := range strings.Lines(string(text)) {
		if _, rights, ok := strings.Cut(line, "ACL SETUSER verify on >secret "); ok {
			return strings.TrimSpace(rights)
		}
	}
	t.Fatal("docs/verify.md does not say which rights are needed")
	return ""
}
