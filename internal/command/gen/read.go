package main

import (
	"fmt"
	"os"
	"strconv"
	"strings"
)

// entry is one line of commands.tsv.
type entry struct {
	name, since, keyspecs, class, notes                              string
	arity, op, key, keys, args, typ, effect, expiry, cutRule, tested string

	minArgs, maxArgs, step int // parsed arity; maxArgs 0 = any
	from                   int // where the search for a STORE option begins
}

const columns = "command since first_key last_key step keyspec_notes class notes arity op key keys args type effect expiry cut tested"

func readTable(path string) ([]entry, error) {
	text, err := os.ReadFile(path)
	if err != nil {
		return nil, fmt.Errorf("reading the table: %w", err)
	}
	lines := strings.Split(strings.TrimSuffix(string(text), "\n"), "\n")
	if got := strings.Join(strings.Split(lines[0], "\t"), " "); got != columns {
		return nil, fmt.Errorf("commands.tsv has columns %q, want %q", got, columns)
	}
	var rows []entry
	seen := map[string]bool{}
	for i, line := range lines[1:] {
		f := strings.Split(line, "\t")
		if len(f) != len(strings.Fields(columns)) {
			return nil, fmt.Errorf("commands.tsv:%d: %d columns", i+2, len(f))
		}
		e := entry{
			name: f[0], since: f[1], keyspecs: f[5], class: f[6], notes: f[7],
			arity: f[8], op: f[9], key: f[10], keys: f[11], args: f[12], typ: f[13], effect: f[14], expiry: f[15], cutRule: f[16],
			tested: f[17],
		}
		if seen[e.name] {
			return nil, fmt.Errorf("commands.tsv:%d: %s stands there twice", i+2, e.name)
		}
		seen[e.name] = true
		if err := e.parse(); err != nil {
			return nil, fmt.Errorf("commands.tsv:%d: %s: %w", i+2, e.name, err)
		}
		rows = append(rows, e)
	}
	return rows, nil
}

// parse reads the arity: "3" is exactly three with the name, "-3" at least three, "-4%2" four, six, eight and so on.
func (e *entry) parse() error {
	if _, rest, ok := strings.Cut(e.keyspecs, "search from "); ok && e.key == "geo-store" {
		digits, _, _ := strings.Cut(rest, ")")
		var err error
		if e.from, err = strconv.Atoi(digits); err != nil {
			return fmt.Errorf("reading where STORE is searched: %w", err)
		}
	}
	if e.arity == "-" {
		return nil
	}
	count, step, stepped := strings.Cut(e.arity, "%")
	n, err := strconv.Atoi(count)
	if err != nil {
		return fmt.Errorf("reading the arity: %w", err)
	}
	if e.minArgs, e.maxArgs, e.step = n, n, 1; n < 0 {
		e.minArgs, e.maxArgs = -n, 0
	}
	if stepped {
		if e.step, err = strconv.Atoi(step); err != nil {
			return fmt.Errorf("reading the arity: %w", err)
		}
	}
	return nil
}

// real reports whether the row is a command and not a stand-in for many.
func (e *entry) real() bool { return e.arity != "-" || e.class == "never" }
