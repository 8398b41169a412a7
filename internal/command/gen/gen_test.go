package main

import (
	"bytes"
	"os"
	"path/filepath"
	"testing"
)

// TestCurrent holds the generated files to the table.
func TestCurrent(t *testing.T) {
	root, err := moduleRoot()
	if err != nil {
		t.Fatal(err)
	}
	files, err := generate(root)
	if err != nil {
		t.Fatal(err)
	}
	for name, want := range files {
		got, err := os.ReadFile(filepath.Join(root, name))
		if err != nil || !bytes.Equal(got, want) {
			t.Errorf("%s is not current (%v): run go generate ./internal/command", name, err)
		}
	}
}

// TestBadTable holds the generator to naming the line of what it cannot use.
func TestBadTable(t *testing.T) {
	const head = "command\tsince\tfirst_key\tlast_key\tstep\tkeyspec_notes\tclass\tnotes\tarity\top\tkey\tkeys\targs\ttype\teffect\texpiry\tcut\ttested\n"
	for name, text := range map[string]string{
		"columns":      "command\tsince\n",
		"short row":    head + "SET\tR1.0.0\n",
		"twice":        head + row("SET", "3", "u") + row("SET", "3", "u"),
		"arity":        head + row("SET", "many", "u"),
		"unknown op":   head + row("SET", "3", "x"),
		"unknown rule": head + row("SET", "3", "u", "somewhere"),
		"long name":    head + row("ANAMETHATISTOOLONGFORTHEHASH", "3", "u"),
	} {
		path := filepath.Join(t.TempDir(), "commands.tsv")
		if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		rows, err := readTable(path)
		if err == nil {
			_, err = tableCode(rows)
		}
		if err == nil {
			t.Errorf("%s: no error", name)
		}
	}
}

func row(name, arity, op string, key ...string) string {
	key = append(key, "1")
	return name + "\tR1\t1\t1\t1\t\tupsert\tn\t" + arity + "\t" + op + "\t" + key[0] + "\t-\trest\tstring\tvalue\tkeep\t-\t-\n"
}
