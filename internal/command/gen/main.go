// Command gen makes the command table of package command, and the pages that show it to users, from commands.tsv.
//
//	go run ./internal/command/gen
//
// It writes internal/command/table_gen.go, docs/commands.md and docs/commands.json, always the same bytes for the same
// table: the test of package gen holds the files current.
package main

import (
	"flag"
	"fmt"
	"os"
	"path/filepath"
)

func main() {
	root := flag.String("root", "", "root of the module; default: the nearest folder above with a go.mod")
	flag.Parse()
	if err := run(*root); err != nil {
		fmt.Fprintln(os.Stderr, "gen:", err)
		os.Exit(1)
	}
}

func run(root string) error {
	if root == "" {
		var err error
		if root, err = moduleRoot(); err != nil {
			return err
		}
	}
	files, err := generate(root)
	if err != nil {
		return err
	}
	for name, text := range files {
		path := filepath.Join(root, name)
		if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
			return fmt.Errorf("making the folder of a page: %w", err)
		}
		if err := os.WriteFile(path, text, 0o644); err != nil {
			return fmt.Errorf("writing what was generated: %w", err)
		}
	}
	return nil
}

// generate gives the content of every generated file by its path under root.
func generate(root string) (map[string][]byte, error) {
	rows, err := readTable(filepath.Join(root, "internal/command/commands.tsv"))
	if err != nil {
		return nil, err
	}
	code, err := tableCode(rows)
	if err != nil {
		return nil, err
	}
	list, err := tableJSON(rows)
	if err != nil {
		return nil, err
	}
	return map[string][]byte{
		"internal/command/table_gen.go": code,
		"docs/commands.md":              tablePage(rows),
		"docs/commands.json":            list,
	}, nil
}

func moduleRoot() (string, error) {
	dir, err := os.Getwd()
	if err != nil {
		return "", fmt.Errorf("finding the module: %w", err)
	}
	for {
		if _, err := os.Stat(filepath.Join(dir, "go.mod")); err == nil {
			return dir, nil
		}
		up := filepath.Dir(dir)
		if up == dir {
			return "", fmt.Errorf("no go.mod above the working directory: give -root")
		}
		dir = up
	}
}
