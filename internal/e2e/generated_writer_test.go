//go:build e2e

package e2e

import (
	"context"
	"errors"
	"os"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/redis/go-redis/v9"

	"keyfeed/internal/commandgen"
	"keyfeed/internal/testenv"
)

// tableFile is the command table, from this package's directory.
const tableFile = "../command/commands.tsv"

// generatedWriter sends generated commands on one connection and counts what became of them.
type generatedWriter struct {
	t     *testing.T
	conn  *redis.Conn
	gen   *commandgen.Generator
	tally map[string]*tally // by row of the table: those that the server has
	total int
}

// tally counts what became of the calls of a row.
type tally struct {
	sent, accepted int
	effective      int // of those that stood alone: the replication stream grew
}

func newGeneratedWriter(t *testing.T, seed uint64, source, peer *testenv.Instance) *generatedWriter {
	t.Helper()
	w := &generatedWriter{t: t, conn: source.Client().Conn(), tally: map[string]*tally{}}
	t.Cleanup(func() { _ = w.conn.Close() })
	commands := w.commands(source)
	payloads, functions := payloads(t, source)
	w.gen = commandgen.New(commands, commandgen.Options{
		Seed: seed, Now: time.Now, Databases: generatedDBs, Payloads: payloads, Functions: functions, Peer: peer.Port,
	})
	return w
}

// commands are the rows of the table that the server has, with their arguments. A server without COMMAND DOCS is given those
// of the redis-server in PATH; what it does not know of them it refuses.
func (w *generatedWriter) commands(source *testenv.Instance) []commandgen.Command {
	w.t.Helper()
	f, err := os.Open(tableFile)
	if err != nil {
		w.t.Fatal(err)
	}
	defer f.Close()
	rows, err := commandgen.Rows(f)
	if err != nil {
		w.t.Fatal(err)
	}
	ctx := w.t.Context()
	reply, err := source.Client().Do(ctx, "COMMAND", "DOCS").Result()
	if err != nil {
		reply, err = testenv.Redis(w.t).Client().Do(ctx, "COMMAND", "DOCS").Result()
	}
	if err != nil {
		w.t.Fatalf("COMMAND DOCS: %v", err)
	}
	docs, err := commandgen.Docs(reply)
	if err != nil {
		w.t.Fatal(err)
	}
	has, err := source.Client().Command(ctx).Result()
	if err != nil {
		w.t.Fatalf("COMMAND: %v", err)
	}
	var commands []commandgen.Command
	var lacks, not []string
	for _, row := range rows {
		c, ok := docs[row]
		switch reason, never := commandgen.Never(row); {
		case !ok || has[firstWord(row)] == nil:
			lacks = append(lacks, row)
			continue
		case reason == commandgen.Wraps:
		case never:
			not = append(not, row+" ("+reason+")")
			continue
		default:
			commands = append(commands, c)
		}
		w.tally[row] = &tally{}
	}
	w.t.Logf("%d rows of the table are drawn; the server lacks %q; not drawn: %q", len(w.tally), lacks, not)
	return commands
}

// send sends n calls or a few more.
func (w *generatedWriter) send(n int) {
	w.t.Helper()
	for until := w.total + n; w.total < until; {
		var units []commandgen.Unit
		for range 50 {
			units = append(units, w.gen.Next())
		}
		w.do(units)
	}
}

// do pipelines the units. ROLE behind each tells the offset of the replication stream.
func (w *generatedWriter) do(units []commandgen.Unit) {
	w.t.Helper()
	ctx, cancel := context.WithTimeout(w.t.Context(), time.Minute)
	defer cancel()
	p := w.conn.Pipeline()
	run := func(argv ...string) *redis.Cmd {
		args := make([]any, len(argv))
		for i, a := range argv {
			args[i] = a
		}
		return p.Do(ctx, args...)
	}
	answers, roles := make([]*redis.Cmd, len(units)), make([]*redis.Cmd, len(units)+1)
	roles[0] = run("ROLE")
	for i, u := range units {
		switch u.Wrap {
		case commandgen.Plain:
			answers[i] = run(u.Calls[0].Argv...)
		case commandgen.Script:
			answers[i] = run(commandgen.Wrapped(u.Calls)...)
		case commandgen.Multi:
			run("MULTI")
			for _, c := range u.Calls {
				run(c.Argv...)
			}
			answers[i] = run("EXEC")
		}
		roles[i+1] = run("ROLE")
	}
	if _, err := p.Exec(ctx); err != nil && !isReplyError(err) {
		first := slices.IndexFunc(roles, func(r *redis.Cmd) bool { return r.Err() != nil })
		w.t.Fatalf("after %d commands: %v; the first without an answer: %.2000q", w.total, err, units[max(0, first-1)].Calls)
	}
	for i, u := range units {
		w.count(u, answers[i], w.offset(roles[i+1]) > w.offset(roles[i]))
	}
}

func (w *generatedWriter) offset(role *redis.Cmd) int64 {
	w.t.Helper()
	list, err := role.Slice()
	if err != nil || len(list) < 2 {
		w.t.Fatalf("ROLE: %v %v", list, err)
	}
	offset, _ := list[1].(int64)
	return offset
}

// count notes what became of a unit.
func (w *generatedWriter) count(u commandgen.Unit, answer *redis.Cmd, grew bool) {
	w.t.Helper()
	w.total += len(u.Calls)
	accepted := func(int) bool { return accepts(answer.Err()) }
	if u.Wrap != commandgen.Plain {
		each, err := answer.Slice()
		if err != nil && strings.HasPrefix(err.Error(), "EXECABORT") { // one of them has too few words: all are refused
			each, err = slices.Repeat([]any{answer.Err()}, len(u.Calls)), nil
		}
		if err != nil || len(each) != len(u.Calls) {
			w.t.Fatalf("a block of %q: %d answers, %v", u.Calls, len(each), err)
		}
		accepted = func(i int) bool {
			err, refused := each[i].(error)
			if u.Wrap == commandgen.Script {
				return each[i] == int64(1)
			}
			return !refused || accepts(err)
		}
	}
	if u.Wrap == commandgen.Multi {
		for _, row := range []string{"MULTI", "EXEC"} {
			w.tally[row].add(accepts(answer.Err()), grew)
		}
	}
	for i, c := range u.Calls {
		w.tally[c.Row].add(accepted(i), u.Wrap == commandgen.Plain && grew)
	}
}

func (c *tally) add(accepted, grew bool) {
	c.sent++
	if accepted {
		c.accepted++
	}
	if accepted && grew {
		c.effective++
	}
}

// accepts reports whether an answer is none that the server refuses a command with.
func accepts(err error) bool { return err == nil || errors.Is(err, redis.Nil) }

// lacking are the rows that were never accepted, or never had an effect.
func (w *generatedWriter) lacking() (rows []string) {
	for row, c := range w.tally {
		if _, silent := commandgen.Silent(row); c.accepted == 0 || c.effective == 0 && !silent {
			rows = append(rows, row)
		}
	}
	slices.Sort(rows)
	return rows
}

// completeTally draws calls of what chance has not yet made the server accept.
func (w *generatedWriter) completeTally() {
	w.t.Helper()
	for range 100 {
		rows := w.lacking()
		if len(rows) == 0 {
			return
		}
		w.t.Logf("drawing on for %q", rows)
		for _, row := range rows {
			var units []commandgen.Unit
			for range 50 {
				units = append(units, w.gen.Next()) // which may make the data that the row needs
				if _, wraps := commandgen.Never(row); !wraps {
					units = append(units, commandgen.Unit{Calls: []commandgen.Call{w.gen.Of(row)}})
				}
			}
			w.do(units)
		}
	}
}

// check holds that every row that the server has was accepted, and had an effect.
func (w *generatedWriter) check() {
	w.t.Helper()
	rows := make([]string, 0, len(w.tally))
	for row := range w.tally {
		rows = append(rows, row)
	}
	slices.Sort(rows)
	for _, row := range rows {
		w.t.Logf("%-22s %6d sent %6d accepted %6d effective", row, w.tally[row].sent, w.tally[row].accepted, w.tally[row].effective)
	}
	w.t.Logf("%d commands of %d rows", w.total, len(rows))
	if missing := w.lacking(); len(missing) > 0 {
		w.t.Errorf("of %d commands none was accepted and had an effect of %q", w.total, missing)
	}
}
