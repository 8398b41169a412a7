// Command gen writes what is made from the settings: docs/configuration.md and .env.example.
package main

import (
	"flag"
	"fmt"
	"os"
	"path/filepath"

	"keyfeed/internal/config"
)

func main() {
	root := flag.String("root", ".", "top folder of the project")
	flag.Parse()
	if err := run(*root); err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}

func run(root string) error {
	for path, content := range map[string][]byte{
		filepath.Join(root, "docs", "configuration.md"): config.Markdown(),
		filepath.Join(root, ".env.example"):             config.EnvExample(),
	} {
		if err := os.WriteFile(path, content, 0o644); err != nil {
			return fmt.Errorf("writing documentation: %w", err)
		}
	}
	return nil
}
