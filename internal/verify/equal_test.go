package verify_test

import (
	"context"
	"testing"

	"keyfeed/internal/testenv"
)

func TestEqualServersAreEqual(t *testing.T) {
	tests := []struct {
		name, source, target string
		fields               bool
	}{
		{"redis 7.0", "", "", false},
		{"redis 6.2 and 7.0", "redis-6.2", "", false}, // PTTL against PEXPIRETIME, scores in other digits
		{"redis 6.2", "redis-6.2", "redis-6.2", false},
		{"redis 7.4", "redis-7.4", "redis-7.4", true},
		{"redis 7.0 and 7.4", "", "redis-7.4", false},
		{"valkey 9", "valkey-9", "valkey-9", true},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			source, target := twins(t, tt.source, tt.target, func(f *filler) {
				every(f)
				if tt.fields {
					fieldDeadlines(f)
				}
			})
			sum := wantEqual(t, source, target)
			keys := int64(0)
			for _, db := range []int{0, 3, 15} {
				n, err := source.DB(db).DBSize(context.Background()).Result()
				if err != nil {
					t.Fatal(err)
				}
				keys += n
			}
			if sum.Keys != keys || sum.Extra != keys {
				t.Errorf("%d keys compared and %d looked up, there are %d", sum.Keys, sum.Extra, keys)
			}
			if sum.Elements < 6_000 { // four large collections of 1,500
				t.Errorf("%d elements of large keys compared", sum.Elements)
			}
		})
	}
}

// An encoding is not data: the same elements in a listpack on one side and in a table on the other are equal.
func TestEncodingsDoNotMatter(t *testing.T) {
	source, target := server(t, ""), server(t, "")
	a, b := &filler{t: t, in: source}, &filler{t: t, in: target}
	for _, name := range []string{"hash-max-listpack-entries", "zset-max-listpack-entries", "set-max-intset-entries"} {
		a.do("CONFIG SET " + name + " 0")
	}
	a.do("CONFIG SET list-max-listpack-size 1")
	for _, f := range []*filler{a, b} {
		f.do("HSET h a 1 b 2 c 3")
		f.do("ZADD z 1 a 2 b 3 c")
		f.do("SADD s 3 2 1")
		f.do("RPUSH l a b c")
		f.do("SET n 17")
	}
	b.do("APPEND n 5") // raw, and then the same digits again
	a.do("SET n 175")
	wantEqual(t, source, target)
}

func TestEmptyServersAreEqual(t *testing.T) {
	if sum := wantEqual(t, server(t, ""), server(t, "")); sum.Keys != 0 {
		t.Errorf("%d keys of nothing", sum.Keys)
	}
}

// Types that cannot be read by element are compared as the server dumps them.
func TestModuleTypes(t *testing.T) {
	t.Parallel()
	module := testenv.Set("loadmodule", testenv.Module(t, "redis-7.4", "rejson.so"))
	source, target := server(t, "redis-7.4", module), server(t, "redis-7.4", module)
	for _, f := range []*filler{{t: t, in: source}, {t: t, in: target}} {
		f.args("JSON.SET", "same", "$", `{"a":[1,2,3]}`)
		f.args("JSON.SET", "changed", "$", `{"a":[1,2,3]}`)
	}
	wantEqual(t, source, target)
	(&filler{t: t, in: target}).args("JSON.SET", "changed", "$.a[1]", "7")
	lines, _ := compare(t, source, target)
	if want := `db 0 key "changed" (ReJSON-RL): value differs`; len(lines) != 1 || lines[0] != want {
		t.Errorf("found %q, want %q", lines, want)
	}
}
