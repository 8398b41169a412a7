//go:build e2e

package e2e

import (
	"strings"
	"testing"

	"keyfeed/internal/commandgen"
	"keyfeed/internal/testenv"
)

func firstWord(row string) string {
	word, _, _ := strings.Cut(strings.ToLower(row), " ")
	return word
}

// payloads are what DUMP and FUNCTION DUMP give on this server, for RESTORE and FUNCTION RESTORE. The server is empty
// before and after.
func payloads(t *testing.T, source *testenv.Instance) (byKind map[string][]string, functions string) {
	t.Helper()
	c, ctx := source.Client(), t.Context()
	has, err := c.Command(ctx).Result()
	if err != nil {
		t.Fatalf("COMMAND: %v", err)
	}
	run := func(words ...any) {
		name, _ := words[0].(string)
		if has[strings.ToLower(name)] == nil {
			return
		}
		if err := c.Do(ctx, words...).Err(); err != nil {
			t.Fatalf("%v: %v", words, err)
		}
	}
	run("SET", "str", strings.Repeat("compressible ", 100))
	run("SET", "num", "12")
	run("SETBIT", "bits", 77, 1)
	run("PFADD", "hll", "a", "b", "c")
	run("RPUSH", "list", 1, 2, "three", strings.Repeat("four", 100))
	run("SADD", "set", 1, 2, 3)
	run("HSET", "hash", "f1", 1, "f2", "two", "f3", 3)
	run("HPEXPIRE", "hash", 1<<40, "FIELDS", 1, "f3")
	run("ZADD", "zset", 1, "m1", 2.5, "m2", "-inf", "m3")
	run("GEOADD", "geo", 1.5, 2.5, "m1", 10, 20, "m2")
	for _, id := range []string{"4102444800000-1", "4102444800001-1", "4102444800002-1"} {
		run("XADD", "stream", id, "f1", id)
	}
	run("XGROUP", "CREATE", "stream", "g0", "0")
	run("XREADGROUP", "GROUP", "g0", "alice", "STREAMS", "stream", ">")
	run("XDEL", "stream", "4102444800001-1") // the pending entry stays
	byKind = map[string][]string{}
	for _, kind := range commandgen.Kinds() {
		payload, err := c.Dump(ctx, kind).Result()
		if err != nil {
			t.Fatalf("DUMP %s: %v", kind, err)
		}
		byKind[kind] = []string{payload}
	}
	if has["function"] != nil {
		for i := range 3 {
			run("FUNCTION", "LOAD", commandgen.Library(i, "return redis.call('SADD', KEYS[1], 'restored')"))
		}
		if functions, err = c.FunctionDump(ctx).Result(); err != nil {
			t.Fatalf("FUNCTION DUMP: %v", err)
		}
		run("FUNCTION", "FLUSH")
	}
	run("FLUSHALL")
	return byKind, functions
}
