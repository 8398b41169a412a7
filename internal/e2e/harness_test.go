//go:build e2e

package e2e

import (
	"testing"
	"time"

	"keyfeed/internal/testenv"
)

// The comparison finds a real replica equal after everything that generator and writers do, and finds each of some
// small changes. Without keyfeed: this is about the tests themselves.
func TestComparisonAgainstARealReplica(t *testing.T) {
	seed := newSeed(t)
	source := startSource(t)
	replica := testenv.Redis(t, testenv.Set("replica-read-only", "no"))
	generate(t, source, seed, 6_000, 5_000)
	replica.ReplicaOf(source)
	ws := startWriters(t, source, seed, 2, 4000)
	<-time.After(6 * time.Second)
	t.Logf("writers sent %d commands", ws.stop())
	quiesce(t, source)
	replica.AwaitOffset(source)
	if diffs := compare(t, source, replica, withoutCounters); len(diffs) > 0 {
		t.Fatalf("a real replica differs: %d differences\n%s", len(diffs), lines(diffs))
	}

	c := replica.DB(2)
	stream := "only for this test"
	source.DB(2).Do(t.Context(), "XADD", stream, "1-1", "f", "v")
	source.DB(2).Do(t.Context(), "XADD", stream, "2-1", "f", "v")
	source.DB(2).Do(t.Context(), "XGROUP", "CREATE", stream, "g", "0")
	source.DB(2).Do(t.Context(), "SET", "string for this test", "v")
	source.DB(2).Do(t.Context(), "HSET", "hash for this test", "f", "v")
	replica.AwaitOffset(source)
	changes := []struct {
		name     string
		do, undo []any
	}{
		{"one more key", []any{"SET", "new", "v"}, []any{"DEL", "new"}},
		{"one key less", []any{"DEL", "string for this test"}, []any{"SET", "string for this test", "v"}},
		{"a value", []any{"SET", "string for this test", "w"}, []any{"SET", "string for this test", "v"}},
		{"a field", []any{"HSET", "hash for this test", "f", "w"}, []any{"HSET", "hash for this test", "f", "v"}},
		{"a deadline", []any{"EXPIRE", "string for this test", "1000"}, []any{"PERSIST", "string for this test"}},
		{"a consumer", []any{"XGROUP", "CREATECONSUMER", stream, "g", "c"}, []any{"XGROUP", "DELCONSUMER", stream, "g", "c"}},
		{"a group's id", []any{"XGROUP", "SETID", stream, "g", "1-1"}, []any{"XGROUP", "SETID", stream, "g", "0"}},
		{"a stream's last id", []any{"XSETID", stream, "3-1"}, []any{"XSETID", stream, "2-1"}},
		{"a library", []any{"FUNCTION", "LOAD", library(7)}, []any{"FUNCTION", "DELETE", "lib7"}},
	}
	for _, change := range changes {
		if err := c.Do(t.Context(), change.do...).Err(); err != nil {
			t.Fatalf("%s: %v", change.name, err)
		}
		if diffs := compare(t, source, replica, withoutCounters); len(diffs) == 0 {
			t.Errorf("the comparison does not see %s", change.name)
		}
		if err := c.Do(t.Context(), change.undo...).Err(); err != nil {
			t.Fatalf("undoing %s: %v", change.name, err)
		}
	}
	if diffs := compare(t, source, replica, withoutCounters); len(diffs) > 0 {
		t.Errorf("after all changes were undone:\n%s", lines(diffs))
	}
}

func lines(s []string) string {
	text := ""
	for i, line := range s {
		if i == 60 {
			return text + "…"
		}
		text += line + "\n"
	}
	return text
}
