//go:build e2e

package e2e

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"testing"
)

// binary is the keyfeed under test.
var binary string

func TestMain(m *testing.M) { os.Exit(run(m)) }

func run(m *testing.M) int {
	if binary = os.Getenv("KEYFEED_E2E_BINARY"); binary != "" {
		return m.Run()
	}
	dir, err := os.MkdirTemp("", "keyfeed-e2e-")
	if err != nil {
		fmt.Fprintln(os.Stderr, "making a directory:", err)
		return 1
	}
	defer os.RemoveAll(dir)
	binary = filepath.Join(dir, "keyfeed")
	build := exec.Command("go", "build", "-o", binary, "keyfeed/cmd/keyfeed")
	build.Stderr = os.Stderr
	if err := build.Run(); err != nil {
		fmt.Fprintln(os.Stderr, "building keyfeed:", err)
		return 1
	}
	return m.Run()
}
