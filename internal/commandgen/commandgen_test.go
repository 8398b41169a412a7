package commandgen_test

import (
	"os"
	"reflect"
	"strconv"
	"strings"
	"testing"
	"time"

	"keyfeed/internal/commandgen"
)

// arg is an argument as COMMAND DOCS gives it: alternating names and values.
func arg(name, typ string, more ...any) any {
	return append([]any{"name", name, "type", typ}, more...)
}

func flags(f ...any) []any { return f }

// docs is a reply with what the trees of servers are made of.
func docs() any {
	return []any{
		"zunionstore",
		[]any{"group", "sorted-set", "arguments", []any{
			arg("destination", "key"), arg("numkeys", "integer"), arg("key", "key", "flags", flags("multiple")),
			arg("weight", "integer", "token", "WEIGHTS", "flags", flags("optional", "multiple")),
			arg("aggregate", "oneof", "token", "AGGREGATE", "flags", flags("optional"), "arguments", []any{
				arg("sum", "pure-token", "token", "SUM"), arg("min", "pure-token", "token", "MIN"),
			}),
		}},
		"xgroup",
		[]any{"group", "stream", "subcommands", []any{
			"xgroup|create", []any{"group", "stream", "arguments", []any{
				arg("key", "key"), arg("group", "string"), arg("id-selector", "oneof", "arguments", []any{
					arg("id", "string"), arg("new-id", "pure-token", "token", "$"),
				}),
			}},
		}},
		"sort",
		[]any{"group", "generic", "arguments", []any{
			arg("key", "key"), arg("by-pattern", "pattern", "token", "BY", "flags", flags("optional")),
			arg("get-pattern", "pattern", "token", "GET", "flags", flags("optional", "multiple", "multiple_token")),
			arg("sorting", "pure-token", "token", "ALPHA", "flags", flags("optional")),
			arg("destination", "key", "token", "STORE", "flags", flags("optional")),
		}},
	}
}

func newGenerator(t *testing.T, seed uint64) *commandgen.Generator {
	t.Helper()
	trees, err := commandgen.Docs(docs())
	if err != nil {
		t.Fatal(err)
	}
	return commandgen.New([]commandgen.Command{trees["ZUNIONSTORE"], trees["XGROUP CREATE"], trees["SORT"]}, commandgen.Options{
		Seed: seed, Now: func() time.Time { return time.Unix(1_800_000_000, 0) }, Databases: 3,
	})
}

// Calls are as the trees say: counts agree, tokens stand where they belong, all options come up.
func TestCallsFitTheirTrees(t *testing.T) {
	g := newGenerator(t, 1)
	seen := map[string]bool{}
	for range 3000 {
		argv := g.Of("ZUNIONSTORE").Argv
		n, err := strconv.Atoi(argv[2])
		if err != nil || n < 1 || len(argv) < 3+n {
			t.Fatalf("%q: numkeys", argv)
		}
		for rest := argv[3+n:]; len(rest) > 0; {
			word := strings.ToUpper(rest[0])
			seen[word] = true
			size := map[string]int{"WEIGHTS": 1 + n, "AGGREGATE": 2}[word]
			if size == 0 || len(rest) < size {
				t.Fatalf("%q: options are %q", argv, rest)
			}
			rest = rest[size:]
		}
		argv = g.Of("XGROUP CREATE").Argv
		if len(argv) != 5 || !strings.EqualFold(argv[0], "XGROUP") || argv[1] != "CREATE" {
			t.Fatalf("%q: words", argv)
		}
		seen[argv[4]] = true
		argv = g.Of("SORT").Argv
		words := map[string]int{}
		for _, word := range argv[2:] {
			words[strings.ToUpper(word)]++
		}
		if words["BY"] > 0 && words["ALPHA"] > 0 {
			t.Fatalf("%q is an exception", argv)
		}
		for word := range words {
			seen[word] = true
		}
		seen["GET twice"] = seen["GET twice"] || words["GET"] > 1
	}
	for _, want := range []string{"WEIGHTS", "AGGREGATE", "$", "0", "BY", "GET", "GET twice", "ALPHA", "STORE"} {
		if !seen[want] {
			t.Errorf("%s never came", want)
		}
	}
}

// Every command comes in each round, plain, in blocks and in scripts, and a seed gives the same again.
func TestSeedsAndRounds(t *testing.T) {
	a, b, other := newGenerator(t, 7), newGenerator(t, 7), newGenerator(t, 8)
	rows, wraps := map[string]int{}, map[commandgen.Wrap]int{}
	same := true
	for range 300 {
		unit := a.Next()
		if again := b.Next(); !reflect.DeepEqual(unit, again) {
			t.Fatalf("the same seed gives %q and %q", unit.Calls, again.Calls)
		}
		same = same && reflect.DeepEqual(unit, other.Next())
		wraps[unit.Wrap]++
		for _, c := range unit.Calls {
			rows[c.Row]++
		}
	}
	if same {
		t.Error("another seed gives the same")
	}
	if len(wraps) != 3 {
		t.Errorf("wraps: %v", wraps)
	}
	if rows["ZUNIONSTORE"] < 30 || rows["SORT"] < 30 || rows["XGROUP CREATE"] < 30 {
		t.Errorf("rows: %v", rows)
	}
}

// The table has rows that no server has under their name; they are left out, and only they.
func TestRows(t *testing.T) {
	f, err := os.Open("../command/commands.tsv")
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	rows, err := commandgen.Rows(f)
	if err != nil {
		t.Fatal(err)
	}
	text := strings.Join(rows, ",")
	if len(rows) < 150 || !strings.HasPrefix(text, "APPEND,") || strings.Contains(text, "*") || !strings.Contains(text, ",XGROUP CREATE,") {
		t.Errorf("%d rows: %s", len(rows), text)
	}
	if _, err := commandgen.Rows(strings.NewReader("APPEND\tR2.0.0\n")); err == nil {
		t.Error("a table without its heading is taken")
	}
}

func TestDocsRefusesOtherReplies(t *testing.T) {
	for _, reply := range []any{nil, "OK", []any{"set"}, []any{1, []any{}}, []any{"set", []any{"arguments", "none"}}} {
		if _, err := commandgen.Docs(reply); err == nil {
			t.Errorf("%v is taken for COMMAND DOCS", reply)
		}
	}
}
