package verify_test

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"testing"

	"github.com/redis/go-redis/v9"

	"keyfeed/internal/testenv"
	"keyfeed/internal/verify"
)

// planted is one change of the target and the one line that must come of it.
type planted struct {
	name    string
	db      int
	key     string
	command string
	want    string
}

// plantedInAll are for any server.
func plantedInAll() []planted {
	ms := func(n int64) string { return fmt.Sprintf("%d (%s)", n, "2096-10-02T07:06:40.000Z") }
	return []planted{
		{"string changed", 0, "string:small", "SET string:small w", `db 0 key "string:small" (string): value differs`},
		{"string of another length", 0, "string:empty", "SET string:empty x", `db 0 key "string:empty" (string): size: source 0, target 1; value differs`},
		{
			"byte of a large string", 0, "string:large", "SETRANGE string:large 600000 x",
			`db 0 key "string:large" (string): bytes 524288 to 786431: value differs`,
		},
		{"string in another database", 3, "elsewhere", "SET elsewhere w", `db 3 key "elsewhere" (string): value differs`},
		{"last database", 15, "last", "SET last w", `db 15 key "last" (string): value differs`},
		{"bit", 0, "string:bits", "SETBIT string:bits 1000 0", `db 0 key "string:bits" (string): value differs`},
		{"deadline removed", 0, "string:ttl", "PERSIST string:ttl", `db 0 key "string:ttl" (string): ttl: source ` + ms(deadline) + `, target none`},
		{"deadline added", 0, "list:small", fmt.Sprintf("PEXPIREAT list:small %d", deadline), `db 0 key "list:small" (list): ttl: source none, target ` + ms(deadline)},
		{"element of a list", 0, "list:small", "LSET list:small 3 x", `db 0 key "list:small" (list): element 3: value differs`},
		{"two elements change places", 0, "list:small", "LMOVE list:small list:small LEFT RIGHT", `db 0 key "list:small" (list): element 0: value differs`},
		{"element of a large list", 0, "list:large", "LSET list:large 1234 x", `db 0 key "list:large" (list): element 1234: value differs`},
		{
			"a large list is longer", 0, "list:large", "RPUSH list:large x",
			`db 0 key "list:large" (list): size: source 1500, target 1501; element 1500: value: source missing, target present`,
		},
		{"member removed", 0, "set:small", "SREM set:small a", `db 0 key "set:small" (set): size: source 3, target 2; a member: value: source present, target missing`},
		{"number removed", 0, "set:ints", "SREM set:ints 2", `db 0 key "set:ints" (set): size: source 3, target 2; a member: value: source present, target missing`},
		{
			"member added to a large set", 0, "set:large", "SADD set:large x",
			`db 0 key "set:large" (set): size: source 1500, target 1501; a member: value: source missing, target present`,
		},
		{"field changed", 0, "hash:small", "HSET hash:small g x", `db 0 key "hash:small" (hash): field "g": value differs`},
		{"field removed", 0, "hash:small", "HDEL hash:small g", `db 0 key "hash:small" (hash): field "g": value: source present, target missing`},
		{"field added", 0, "hash:small", "HSET hash:small new x", `db 0 key "hash:small" (hash): field "new": value: source missing, target present`},
		{"field of a large hash", 0, "hash:large", "HSET hash:large field_7 x", `db 0 key "hash:large" (hash): field "field 7": value differs`},
		{"score", 0, "zset:small", "ZADD zset:small 2.5000000000000004 b", `db 0 key "zset:small" (zset): a member: score differs`},
		{"score of a large zset", 0, "zset:large", "ZADD zset:large 1 member", `db 0 key "zset:large" (zset): size: source 1500, target 1501; a member: value: source missing, target present`},
		{"score to infinity", 0, "zset:small", "ZADD zset:small -inf c", `db 0 key "zset:small" (zset): a member: score differs`},
		{
			"entry of a stream", 0, "stream:large", "XDEL stream:large 500-1",
			`db 0 key "stream:large" (stream): size: source 999, target 998; entry 500-1: source present, target missing`,
		},
		{
			"entry added", 0, "stream:groups", "XADD stream:groups 5-1 f v",
			`db 0 key "stream:groups" (stream): size: source 3, target 4; last-generated-id: source 4-1, target 5-1; ` +
				`entries-added: source 4, target 5; entry 5-1: source missing, target present`,
		},
		{"last id", 0, "stream:empty", "XSETID stream:empty 9-9", `db 0 key "stream:empty" (stream): last-generated-id: source 1-1, target 9-9`},
		{"group added", 0, "stream:groups", "XGROUP CREATE stream:groups new 0", `db 0 key "stream:groups" (stream): group "new": source missing, target present`},
		{"group removed", 0, "stream:groups", "XGROUP DESTROY stream:groups idle", `db 0 key "stream:groups" (stream): group "idle": source present, target missing`},
		{
			"last-delivered-id", 0, "stream:groups", "XGROUP SETID stream:groups idle 3-1 ENTRIESREAD 4",
			`db 0 key "stream:groups" (stream): group "idle" entries-read: source unknown, target 4; group "idle" last-delivered-id: source 4-1, target 3-1`,
		},
		{
			"entries-read", 0, "stream:groups", "XGROUP SETID stream:groups g 3-1 ENTRIESREAD 2",
			`db 0 key "stream:groups" (stream): group "g" entries-read: source 3, target 2`,
		},
		{
			"consumer", 0, "stream:groups", "XGROUP CREATECONSUMER stream:groups g carol",
			`db 0 key "stream:groups" (stream): group "g" consumer "carol": source missing, target present`,
		},
		{
			"acknowledged", 0, "stream:groups", "XACK stream:groups g 3-1",
			`db 0 key "stream:groups" (stream): group "g" consumer "bob" pending: source 1, target 0; group "g" entry 3-1: source present, target missing`,
		},
		{
			"delivery count", 0, "stream:groups", "XCLAIM stream:groups g bob 0 3-1 TIME $ RETRYCOUNT 7",
			`db 0 key "stream:groups" (stream): group "g" entry 3-1 delivery count: source 1, target 7`,
		},
		{
			"owner", 0, "stream:groups", "XCLAIM stream:groups g bob 0 1-1 TIME $ RETRYCOUNT 1",
			`db 0 key "stream:groups" (stream): group "g" consumer "alice" pending: source 2, target 1; ` +
				`group "g" consumer "bob" pending: source 1, target 2; group "g" entry 1-1 owner: source "alice", target "bob"`,
		},
		{
			"pending on the third page", 0, "stream:large", "XCLAIM stream:large many alice 0 650-1 TIME $ RETRYCOUNT 2",
			`db 0 key "stream:large" (stream): group "many" entry 650-1 delivery count: source 1, target 2`,
		},
		{"key deleted", 0, "string:hll", "DEL string:hll", `db 0 key "string:hll" (string): key: source present, target missing`},
		{"large key deleted", 0, "zset:large", "UNLINK zset:large", `db 0 key "zset:large" (zset): key: source present, target missing`},
		{"one of many deleted", 0, "many:1234", "DEL many:1234", `db 0 key "many:1234" (string): key: source present, target missing`},
		{"key added", 0, "extra", "SET extra v", `db 0 key "extra" (string): key: source missing, target present`},
		{"key added to an empty database", 7, "extra", "RPUSH extra v", `db 7 key "extra" (list): key: source missing, target present`},
		{"another type", 0, "set:small", "SET set:small v", `db 0 key "set:small" (set): type: source set, target string`},
	}
}

// keep remembers a key of the target, and undo brings it back.
func keep(t *testing.T, c *redis.Client, key string) (undo func()) {
	t.Helper()
	ctx := context.Background()
	payload, err := c.Dump(ctx, key).Result()
	gone := errors.Is(err, redis.Nil)
	if err != nil && !gone {
		t.Fatal(err)
	}
	at := c.Do(ctx, "PEXPIRETIME", key).Val()
	return func() {
		if gone {
			if err := c.Del(ctx, key).Err(); err != nil {
				t.Fatal(err)
			}
			return
		}
		ttl, _ := at.(int64)
		if err := c.Do(ctx, "RESTORE", key, max(ttl, 0), payload, "REPLACE", "ABSTTL").Err(); err != nil {
			t.Fatal(err)
		}
	}
}

func plant(t *testing.T, source, target *testenv.Instance, cases []planted) {
	t.Helper()
	for _, c := range cases {
		undo := keep(t, target.DB(c.db), c.key)
		f := &filler{t: t, in: target, db: c.db}
		// $ stands for the delivery time that the entry has.
		words := strings.Fields(c.command)
		for i, w := range words {
			if w == "$" {
				words[i] = deliveryTime(t, target, words[1], words[2], words[5])
			}
			words[i] = strings.ReplaceAll(words[i], "_", " ")
		}
		f.args(words...)
		lines, _ := compare(t, source, target)
		if got := strings.Join(lines, "\n"); got != c.want {
			t.Errorf("%s:\n got %s\nwant %s", c.name, got, c.want)
		}
		undo()
	}
	wantEqual(t, source, target)
}

func deliveryTime(t *testing.T, in *testenv.Instance, key, group, id string) string {
	t.Helper()
	ctx := context.Background()
	var now *redis.TimeCmd
	var pending *redis.XPendingExtCmd
	// In one go: the idle time counts up to now.
	if _, err := in.Client().TxPipelined(ctx, func(p redis.Pipeliner) error {
		now = p.Time(ctx)
		pending = p.XPendingExt(ctx, &redis.XPendingExtArgs{Stream: key, Group: group, Start: id, End: id, Count: 1})
		return nil
	}); err != nil {
		t.Fatal(err)
	}
	p := pending.Val()
	if len(p) != 1 {
		t.Fatalf("XPENDING of %s: %v", id, p)
	}
	return fmt.Sprint(now.Val().Add(-p[0].Idle).UnixMilli())
}

func TestPlantedDifferences(t *testing.T) {
	t.Parallel()
	source, target := twins(t, "", "", every)
	plant(t, source, target, plantedInAll())
}

func TestPlantedFieldDeadlines(t *testing.T) {
	for _, version := range []string{"redis-7.4", "valkey-9"} {
		t.Run(version, func(t *testing.T) {
			t.Parallel()
			source, target := twins(t, version, version, fieldDeadlines)
			at := func(n int64) string { return fmt.Sprintf("%d (2096-10-02T07:06:40.%03dZ)", n, n%1000) }
			plant(t, source, target, []planted{
				{
					"deadline of a field", 0, "hash:fields", fmt.Sprintf("HPEXPIREAT hash:fields %d FIELDS 1 f", deadline+1),
					`db 0 key "hash:fields" (hash): field "f": field ttl: source ` + at(deadline) + `, target ` + at(deadline+1),
				},
				{
					"deadline removed", 0, "hash:fields", "HPERSIST hash:fields FIELDS 1 f",
					`db 0 key "hash:fields" (hash): field "f": field ttl: source ` + at(deadline) + `, target none`,
				},
				{
					"deadline in a large hash", 0, "hash:fields:large", fmt.Sprintf("HPEXPIREAT hash:fields:large %d FIELDS 1 field_949", deadline+7),
					`db 0 key "hash:fields:large" (hash): field "field 949": field ttl: source none, target ` + at(deadline+7),
				},
				{"value beside deadlines", 0, "hash:fields:large", "HSET hash:fields:large field_949 x", `db 0 key "hash:fields:large" (hash): field "field 949": value differs`},
			})
		})
	}
}

// Values stay hidden unless they are asked for.
func TestValuesAreShownOnRequest(t *testing.T) {
	t.Parallel()
	source, target := server(t, ""), server(t, "")
	for i, in := range []*testenv.Instance{source, target} {
		f := &filler{t: t, in: in}
		f.args("SET", "string", fmt.Sprint("secret-", i, strings.Repeat("x", 100)))
		f.do(fmt.Sprintf("HSET hash f secret-%d", i))
		f.do(fmt.Sprintf("RPUSH list secret-%d", i))
		f.do(fmt.Sprintf("SADD set secret-%d", i))
		f.do(fmt.Sprintf("ZADD zset %d secret", i))
		f.do(fmt.Sprintf("XADD stream 1-1 f secret-%d", i))
	}
	lines, _ := compare(t, source, target)
	if text := strings.Join(lines, "\n"); len(lines) != 6 || strings.Contains(text, "secret") {
		t.Errorf("values are hidden, want six lines without them:\n%s", text)
	}
	lines, _ = compare(t, source, target, func(o *verify.Options) { o.ShowValues = true })
	want := []string{
		`db 0 key "hash" (hash): field "f": value: source "secret-0", target "secret-1"`,
		`db 0 key "list" (list): element 0: value: source "secret-0", target "secret-1"`,
		`db 0 key "set" (set): member "secret-0": value: source present, target missing`,
		`db 0 key "stream" (stream): entry 1-1 differs`,
		fmt.Sprintf(`db 0 key "string" (string): value: source "secret-0%s"… (108 bytes), target "secret-1%[1]s"… (108 bytes)`, strings.Repeat("x", 56)),
		`db 0 key "zset" (zset): member "secret": score differs`,
	}
	if got := strings.Join(lines, "\n"); got != strings.Join(want, "\n") {
		t.Errorf("got\n%s\nwant\n%s", got, strings.Join(want, "\n"))
	}
}
