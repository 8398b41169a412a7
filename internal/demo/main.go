// Command demo shows what keyfeed does, with real parts, in under a minute: it fills a redis-server with every data
// type, starts keyfeed with its embedded JetStream, lets "keyfeed tail" print the snapshot and live changes, kills
// keyfeed with SIGKILL while writes go on, starts it again, and checks that it resumed by partial resync and that no
// change is missing or twice. It ends what it started and exits 0 only when all checks hold.
//
//	go run ./internal/demo -keyfeed bin/keyfeed
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"os/signal"
	"path/filepath"
	"syscall"
	"time"
)

func main() { os.Exit(run(os.Args[1:], os.Stdout)) }

func run(args []string, out io.Writer) int {
	flags := flag.NewFlagSet("demo", flag.ContinueOnError)
	binary := flags.String("keyfeed", "bin/keyfeed", "path of the keyfeed binary")
	if err := flags.Parse(args); err != nil {
		return 2
	}
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	// It takes some 15 seconds. A machine that is busy may take longer, but not for ever.
	ctx, cancel := context.WithTimeout(ctx, 5*time.Minute)
	defer cancel()
	if err := demo(ctx, *binary, &stage{out: out}); err != nil {
		fmt.Fprintf(out, "\ndemo failed: %v\n", err)
		return 1
	}
	return 0
}

// demo is the script.
func demo(ctx context.Context, binary string, s *stage) (err error) {
	binary, err = filepath.Abs(binary)
	if err != nil {
		return fmt.Errorf("finding keyfeed: %w", err)
	}
	dir, err := os.MkdirTemp("", "keyfeed-demo-")
	if err != nil {
		return fmt.Errorf("making a directory: %w", err)
	}
	defer func() { err = errors.Join(err, os.RemoveAll(dir)) }()

	s.title("1. A Redis with every data type")
	source, client, err := startRedis(ctx, dir)
	if err != nil {
		return err
	}
	defer source.kill()
	defer func() { err = errors.Join(err, client.Close()) }()
	keys, err := fill(ctx, client)
	if err != nil {
		return fmt.Errorf("filling redis: %w", err)
	}
	s.say("%d keys in two databases: strings, lists, sets, sorted sets, hashes, a stream with a consumer group, a function", keys)

	s.title("2. keyfeed attaches as a replica; keyfeed tail, another process, prints what it publishes")
	env, err := environment(dir, source.addr)
	if err != nil {
		return err
	}
	feed, err := start(ctx, binary, []string{"run"}, env, s.printer("keyfeed", interesting))
	if err != nil {
		return err
	}
	defer func() { feed.kill() }()
	tail, err := start(ctx, binary, []string{"tail", "-from", "start"}, env, s.printer("tail   ", nil))
	if err != nil {
		return err
	}
	defer tail.kill()
	if err := s.wait(ctx, "tail   ", "snapshot ends"); err != nil {
		return err
	}

	s.title("3. Live changes")
	w := newWriter(client)
	if err := w.write(ctx, 3); err != nil {
		return fmt.Errorf("writing: %w", err)
	}
	if err := s.wait(ctx, "tail   ", w.last()); err != nil {
		return err
	}

	s.title("4. keyfeed is killed with SIGKILL while writes go on, and started again")
	s.quiet("tail   ", 6)
	writing, stopWriting := context.WithCancel(ctx)
	defer stopWriting()
	done := make(chan error, 1)
	go func() { done <- w.writeUntil(writing) }()
	if err := pause(ctx, time.Second); err != nil {
		return err
	}
	feed.kill()
	killedAt := w.count()
	s.say("killed after %d changes; nobody is attached now", killedAt)
	if err := pause(ctx, 2*time.Second); err != nil {
		return err
	}
	missed := w.count() - killedAt
	s.say("%d more changes were written meanwhile; starting keyfeed again", missed)
	feed, err = start(ctx, binary, []string{"run"}, env, s.printer("keyfeed", interesting))
	if err != nil {
		return err
	}
	if err := pause(ctx, 2*time.Second); err != nil {
		return err
	}
	stopWriting()
	if err := <-done; err != nil {
		return fmt.Errorf("writing: %w", err)
	}
	if err := w.write(ctx, 1); err != nil {
		return fmt.Errorf("writing the last change: %w", err)
	}
	if err := s.wait(ctx, "tail   ", w.last()); err != nil {
		return err
	}

	s.title("5. The check")
	return check(ctx, s, binary, env, client, w, missed)
}

// environment configures keyfeed as an operator would: by environment variables only.
func environment(dir, source string) ([]string, error) {
	nats, err := freeAddr()
	if err != nil {
		return nil, err
	}
	return []string{
		"KEYFEED_SOURCE_URL=redis://" + source,
		"KEYFEED_NATS_EMBEDDED_ADDR=" + nats,
		"KEYFEED_DATA_DIR=" + filepath.Join(dir, "data"),
		"KEYFEED_HTTP_ADDR=127.0.0.1:0",
		"KEYFEED_LOG_FORMAT=text",
	}, nil
}

func pause(ctx context.Context, d time.Duration) error {
	select {
	case <-time.After(d):
		return nil
	case <-ctx.Done():
		return fmt.Errorf("waiting: %w", context.Cause(ctx))
	}
}
