//go:build e2e

package e2e

import (
	"bytes"
	"context"
	"os"
	"os/exec"
	"strings"
	"testing"
)

// A pipe whose reader has gone ends keyfeed with a message, not with a signal.
func TestNobodyReadsStdout(t *testing.T) {
	source := startSource(t)
	reader, writer, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := reader.Close(); err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	cmd := exec.CommandContext(ctx, binary, "run")
	cmd.Env = newKeyfeed(t, "KEYFEED_SINK=stdout", "KEYFEED_SOURCE_URL="+source.URL()).env
	var stderr bytes.Buffer
	cmd.Stdout, cmd.Stderr = writer, &stderr
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	if err := writer.Close(); err != nil {
		t.Fatal(err)
	}
	_ = cmd.Wait() // the exit code tells
	if code := cmd.ProcessState.ExitCode(); code != 3 {
		t.Errorf("keyfeed ended with %v, want exit code 3", cmd.ProcessState)
	}
	if !strings.Contains(stderr.String(), "nobody reads the output any more") {
		t.Errorf("keyfeed says:\n%s", &stderr)
	}
}
