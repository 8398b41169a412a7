//go:build e2e

package e2e

import (
	"context"
	"errors"
	"fmt"
	"reflect"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/redis/go-redis/v9"

	"keyfeed/internal/testenv"
)

// quiesce lets the source delete what has expired, and keeps it from deleting anything more on its own, so that its
// state stands still while it is compared.
func quiesce(t *testing.T, source *testenv.Instance) {
	t.Helper()
	ctx := t.Context()
	for db := range barrierDB {
		if err := scan(ctx, source.DB(db), func([]string) error { return nil }); err != nil {
			t.Fatalf("SCAN of database %d: %v", db, err)
		}
	}
	if err := source.Client().Do(ctx, "DEBUG", "SET-ACTIVE-EXPIRE", "0").Err(); err != nil {
		t.Fatal(err)
	}
}

func scan(ctx context.Context, c *redis.Client, page func(keys []string) error) error {
	for cursor := uint64(0); ; {
		keys, next, err := c.Scan(ctx, cursor, "", 1000).Result()
		if err != nil {
			return err
		}
		if err := page(keys); err != nil {
			return err
		}
		if cursor = next; cursor == 0 {
			return nil
		}
	}
}

// counters says how much of consumer groups is compared.
type counters int

const (
	withCounters    counters = iota
	withoutCounters          // not entries-read and lag
	withoutIdle              // nor consumers that have nothing pending
)

// compare returns what differs between two servers, nothing when they hold the same; see the package documentation
// for what it looks at. Both must stand still.
func compare(t *testing.T, a, b *testenv.Instance, groups counters) []string {
	t.Helper()
	var diffs []string
	digestA, digestB := digest(t, a), digest(t, b)
	if digestA != digestB {
		diffs = append(diffs, "DEBUG DIGEST differs: "+digestA+" and "+digestB)
		for db := range barrierDB + 1 {
			diffs = append(diffs, differentKeys(t, a, b, db)...)
		}
	}
	streams := 0
	for db := range barrierDB {
		n, d := differentStreams(t, a.DB(db), b.DB(db), db, groups)
		streams += n
		diffs = append(diffs, d...)
	}
	if fa, fb := functions(t, a), functions(t, b); !slices.Equal(fa, fb) {
		diffs = append(diffs, fmt.Sprintf("FUNCTION LIST differs:\n%q\n%q", fa, fb))
	}
	if len(diffs) == 0 {
		t.Logf("equal: digest %s, %s keys, %d streams in full", digestA, keyspace(a), streams)
	}
	return diffs
}

// functions are the libraries of a server with their code, in some order; none before Redis 7.0.
func functions(t *testing.T, in *testenv.Instance) []string {
	t.Helper()
	list, err := in.Client().Do(t.Context(), "FUNCTION", "LIST", "WITHCODE").Result()
	if err != nil && !strings.Contains(err.Error(), "unknown command") {
		t.Fatalf("FUNCTION LIST: %v", err)
	}
	return sortedText(list)
}

func digest(t *testing.T, in *testenv.Instance) string {
	t.Helper()
	d, err := in.Client().Do(t.Context(), "DEBUG", "DIGEST").Text()
	if err != nil {
		t.Fatalf("DEBUG DIGEST: %v", err)
	}
	return d
}

func keyspace(in *testenv.Instance) string {
	var parts []string
	for db, v := range in.Info("keyspace") {
		keys, _, _ := strings.Cut(v, ",")
		parts = append(parts, db+" "+keys)
	}
	slices.Sort(parts)
	return strings.Join(parts, " ")
}

// sortedText renders the elements of a reply and sorts them: the server lists libraries in any order.
func sortedText(v any) []string {
	elems, _ := v.([]any)
	out := make([]string, 0, len(elems))
	for _, e := range elems {
		out = append(out, fmt.Sprint(e))
	}
	slices.Sort(out)
	return out
}

// maxNamed is how many different keys of a database are named.
const maxNamed = 20

// differentKeys finds the keys of a database whose DEBUG DIGEST-VALUE differs. Only b is scanned first: SCAN deletes what
// has expired, and in a that would make differences of its own.
func differentKeys(t *testing.T, a, b *testenv.Instance, db int) []string {
	t.Helper()
	ctx := t.Context()
	var diffs []string
	add := func(key, what string) {
		if len(diffs) < maxNamed {
			diffs = append(diffs, fmt.Sprintf("  db %d key %q (%x): %s", db, shorten(key), shorten(key), what))
		}
	}
	inB := map[string]bool{}
	const missing = "0000000000000000000000000000000000000000"
	err := scan(ctx, b.DB(db), func(keys []string) error {
		if len(keys) == 0 {
			return nil
		}
		digestsA, digestsB := keyDigests(t, a.DB(db), keys), keyDigests(t, b.DB(db), keys)
		for i, key := range keys {
			inB[key] = true
			switch {
			case digestsA[i] == missing:
				add(key, "only in the second: "+about(ctx, b.DB(db), key))
			case digestsA[i] != digestsB[i]:
				add(key, fmt.Sprintf("\n    %s\n    %s", about(ctx, a.DB(db), key), about(ctx, b.DB(db), key)))
			}
		}
		return nil
	})
	if err != nil {
		t.Fatalf("SCAN: %v", err)
	}
	err = scan(ctx, a.DB(db), func(keys []string) error {
		for _, key := range keys {
			if !inB[key] {
				add(key, "only in the first: "+about(ctx, a.DB(db), key))
			}
		}
		return nil
	})
	if err != nil {
		t.Fatalf("SCAN: %v", err)
	}
	return diffs
}

func keyDigests(t *testing.T, c *redis.Client, keys []string) []string {
	t.Helper()
	args := []any{"DEBUG", "DIGEST-VALUE"}
	for _, k := range keys {
		args = append(args, k)
	}
	digests, err := c.Do(t.Context(), args...).StringSlice()
	if err != nil {
		t.Fatalf("DEBUG DIGEST-VALUE: %v", err)
	}
	return digests
}

// about describes a key for a failure message.
func about(ctx context.Context, c *redis.Client, key string) string {
	kind := c.Type(ctx, key).Val()
	text := fmt.Sprintf("%s, %s, pttl %v", kind, c.ObjectEncoding(ctx, key).Val(), c.PTTL(ctx, key).Val())
	switch kind {
	case "string":
		text += fmt.Sprintf(", %d bytes %q", c.StrLen(ctx, key).Val(), c.GetRange(ctx, key, 0, 60).Val())
	case "list":
		text += fmt.Sprintf(", %d elements %.100q", c.LLen(ctx, key).Val(), c.LRange(ctx, key, 0, 5).Val())
	case "set":
		text += fmt.Sprintf(", %d members", c.SCard(ctx, key).Val())
	case "hash":
		text += fmt.Sprintf(", %d fields", c.HLen(ctx, key).Val())
	case "zset":
		text += fmt.Sprintf(", %d members %.300q", c.ZCard(ctx, key).Val(), c.Do(ctx, "ZRANGE", key, 0, -1, "WITHSCORES").Val())
	case "stream":
		text += fmt.Sprintf(", %d entries", c.XLen(ctx, key).Val())
	}
	if len(text) > 300 {
		return text[:300] + "…"
	}
	return text
}

func shorten(key string) string {
	if len(key) > 60 {
		return key[:60] + "…"
	}
	return key
}

// differentStreams compares XINFO STREAM … FULL of every stream of a database and returns how many it compared.
func differentStreams(t *testing.T, a, b *redis.Client, db int, groups counters) (compared int, diffs []string) {
	t.Helper()
	ctx := t.Context()
	var keys []string
	for cursor := uint64(0); ; {
		page, next, err := a.ScanType(ctx, cursor, "", 1000, "stream").Result()
		if err != nil {
			t.Fatalf("SCAN: %v", err)
		}
		keys = append(keys, page...)
		if cursor = next; cursor == 0 {
			break
		}
	}
	slices.Sort(keys)
	keys = slices.Compact(keys)
	for page := range slices.Chunk(keys, 200) {
		page = lasting(t, a, page)
		infoA, infoB := streamInfos(t, a, page, groups), streamInfos(t, b, page, groups)
		for i, key := range page {
			compared++
			if !reflect.DeepEqual(infoA[i], infoB[i]) && len(diffs) < maxNamed {
				diffs = append(diffs, fmt.Sprintf("  db %d stream %q (%x):\n%s", db, shorten(key), shorten(key), firstDifference("", infoA[i], infoB[i])))
			}
		}
	}
	return compared, diffs
}

// lasting returns the keys that have not expired and will not soon.
func lasting(t *testing.T, c *redis.Client, keys []string) []string {
	t.Helper()
	p := c.Pipeline()
	ttls := make([]*redis.DurationCmd, len(keys))
	for i, k := range keys {
		ttls[i] = p.PTTL(t.Context(), k)
	}
	if _, err := p.Exec(t.Context()); err != nil {
		t.Fatal(err)
	}
	const none = -1 // not a duration: the server's answer for a key without a deadline
	var out []string
	for i, k := range keys {
		if ttl := ttls[i].Val(); ttl == none || ttl > time.Minute {
			out = append(out, k)
		}
	}
	return out
}

// streamInfos returns XINFO STREAM … FULL of the keys without what may differ.
func streamInfos(t *testing.T, c *redis.Client, keys []string, groups counters) []any {
	t.Helper()
	ctx := t.Context()
	p := c.Pipeline()
	infos := make([]*redis.Cmd, len(keys))
	for i, k := range keys {
		infos[i] = p.Do(ctx, "XINFO", "STREAM", k, "FULL", "COUNT", "0")
	}
	if _, err := p.Exec(ctx); err != nil && !isReplyError(err) {
		t.Fatal(err)
	}
	out := make([]any, len(keys))
	for i := range keys {
		if infos[i].Err() != nil {
			out[i] = "error: " + infos[i].Err().Error()
			continue
		}
		out[i] = normal(infos[i].Val(), groups)
	}
	return out
}

func isReplyError(err error) bool {
	_, ok := errors.AsType[redis.Error](err)
	return ok
}

// normal turns a reply of alternating names and values into a map, without the names that may differ.
func normal(v any, groups counters) any {
	list, ok := v.([]any)
	if !ok {
		return v
	}
	if len(list)%2 == 0 && len(list) > 0 {
		if name, ok := list[0].(string); ok && slices.Contains([]string{"length", "name"}, name) {
			m := map[string]any{}
			for i := 0; i < len(list); i += 2 {
				switch name, _ := list[i].(string); {
				case name == "radix-tree-keys", name == "radix-tree-nodes", name == "seen-time", name == "active-time":
				case groups != withCounters && (name == "entries-read" || name == "lag"):
				case groups == withoutIdle && name == "consumers":
					m[name] = busy(list[i+1])
				case name == "entries": // plain data: field names are not names of ours
					m[name] = list[i+1]
				default:
					m[name] = normal(list[i+1], groups)
				}
			}
			return m
		}
	}
	out := make([]any, len(list))
	for i := range list {
		out[i] = normal(list[i], groups)
	}
	return out
}

// busy are the consumers that have something pending, of those of a group.
func busy(consumers any) any {
	list, _ := normal(consumers, withoutIdle).([]any)
	return slices.DeleteFunc(list, func(c any) bool {
		m, _ := c.(map[string]any)
		return m["pel-count"] == int64(0)
	})
}

// firstDifference names the first place where two normal replies differ.
func firstDifference(path string, a, b any) string {
	if ma, ok := a.(map[string]any); ok {
		mb, _ := b.(map[string]any)
		names := make([]string, 0, len(ma))
		for name := range ma {
			names = append(names, name)
		}
		slices.Sort(names)
		for _, name := range names {
			if !reflect.DeepEqual(ma[name], mb[name]) && mb != nil {
				return firstDifference(path+"/"+name, ma[name], mb[name])
			}
		}
	}
	if la, ok := a.([]any); ok {
		if lb, ok := b.([]any); ok && len(la) == len(lb) {
			for i := range la {
				if !reflect.DeepEqual(la[i], lb[i]) {
					return firstDifference(fmt.Sprintf("%s[%d]", path, i), la[i], lb[i])
				}
			}
		}
	}
	return fmt.Sprintf("    %s: %.300s\n    other: %.300s", path, fmt.Sprintf("%v", a), fmt.Sprintf("%v", b))
}
