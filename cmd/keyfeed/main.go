// Command keyfeed turns a Redis or Valkey server into a change stream. It is configured by environment variables; see
// the README. "keyfeed help" lists its commands.
package main

import (
	"context"
	"io"
	"os"
	"os/signal"
	"syscall"
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	// After the first signal a second one ends the process at once: the default handling is back.
	context.AfterFunc(ctx, stop)
	os.Exit(run(ctx, process{args: os.Args[1:], environ: os.Environ(), stdin: os.Stdin, stdout: os.Stdout, stderr: os.Stderr}))
}

// process is what a command sees of the world.
type process struct {
	args           []string // after the command's name
	environ        []string
	stdin          io.Reader
	stdout, stderr io.Writer
}
