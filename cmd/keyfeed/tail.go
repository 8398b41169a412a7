package main

import (
	"bufio"
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"strconv"
	"time"

	"keyfeed/internal/app"
	"keyfeed/internal/config"
	"keyfeed/internal/tail"
	"keyfeed/sinks"
	"keyfeed/sinks/kafka"
	"keyfeed/sinks/nats"
)

// tailOptions is where a tail begins and how it prints.
type tailOptions struct {
	from   string
	follow bool
	json   bool
	width  int
	stderr io.Writer
}

func runTail(ctx context.Context, p process) (err error) {
	o := tailOptions{stderr: p.stderr}
	flags := flag.NewFlagSet("keyfeed tail", flag.ContinueOnError)
	flags.StringVar(&o.from, "from", "new", "new: what comes from now on; start: everything the sink holds; N: the last N events")
	flags.BoolVar(&o.follow, "follow", true, "wait for more at the end")
	flags.BoolVar(&o.json, "json", false, "print the events as they are, one a line")
	flags.IntVar(&o.width, "width", 80, "cut values that are longer, in bytes")
	rest, err := parse(p, flags)
	if err != nil {
		return err
	}
	if len(rest) > 0 {
		return &usageError{"keyfeed tail takes options only"}
	}
	last, err := lastOf(o.from)
	if err != nil {
		return err
	}
	cfg, err := app.Load(p.environ)
	if err != nil {
		return err
	}
	out := bufio.NewWriter(p.stdout)
	defer func() { err = errors.Join(err, out.Flush()) }()
	show := func(value []byte) error {
		line := string(value)
		if !o.json {
			var err error
			if line, err = tail.Format(value, o.width); err != nil {
				return &printError{err}
			}
		}
		_, err := out.WriteString(line + "\n")
		if err == nil && o.follow {
			err = out.Flush()
		}
		if err != nil {
			return &printError{fmt.Errorf("printing: %w", err)}
		}
		return nil
	}
	switch cfg.Sink {
	case config.SinkNATS:
		err = tailNATS(ctx, &cfg, o, last, show)
	case config.SinkKafka:
		err = tailKafka(ctx, &cfg, o, last, show)
	default:
		return &usageError{fmt.Sprintf("the sink %s keeps nothing that could be read: set KEYFEED_SINK to nats or kafka", cfg.Sink)}
	}
	if ctx.Err() != nil {
		return nil // interrupted: that is how a tail ends
	}
	return err
}

// lastOf is N of "-from N"; -1 for everything, 0 for what is new.
func lastOf(from string) (int64, error) {
	switch from {
	case "new":
		return 0, nil
	case "start":
		return -1, nil
	}
	n, err := strconv.ParseUint(from, 10, 63)
	if err != nil || n == 0 {
		return 0, &usageError{fmt.Sprintf("-from %q: say new, start, or a number of events", from)}
	}
	return int64(n), nil
}

// tailRetry is the time between two looks for a server or stream that is not there yet.
const tailRetry = 300 * time.Millisecond

func tailNATS(ctx context.Context, cfg *config.Config, o tailOptions, last int64, show func([]byte) error) error {
	c, err := app.NATSConfig(cfg, nil)
	if err != nil {
		return err
	}
	start := nats.OnlyNew()
	switch {
	case last < 0:
		start = nats.All()
	case last > 0:
		start = nats.Last(uint64(last))
	}
	if !o.follow {
		start = start.ToEnd()
	}
	for waiting := false; ; waiting = true {
		err := nats.Read(ctx, c, start, func(r *nats.Record) error { return show(r.Value) })
		if !o.follow || !waitable(err, nats.ErrNoStream) {
			return err
		}
		if !waiting {
			fmt.Fprintf(o.stderr, "keyfeed: %v; waiting for it\n", err)
		}
		if err := pause(ctx); err != nil {
			return err
		}
	}
}

func tailKafka(ctx context.Context, cfg *config.Config, o tailOptions, last int64, show func([]byte) error) error {
	c, err := app.KafkaConfig(cfg, nil)
	if err != nil {
		return err
	}
	opts := kafka.ReadOptions{FromEnd: last >= 0, Last: max(last, 0), OneCopy: true, UntilEnd: !o.follow}
	for waiting := false; ; waiting = true {
		err := kafka.Read(ctx, c, opts, func(r kafka.Record) error { return show(r.Value) })
		if !o.follow || !waitable(err, kafka.ErrNoTopic) {
			return err
		}
		if !waiting {
			fmt.Fprintf(o.stderr, "keyfeed: %v; waiting for it\n", err)
		}
		if err := pause(ctx); err != nil {
			return err
		}
	}
}

// printError is an error of our own side: asking the broker again does not heal it.
type printError struct{ err error }

func (e *printError) Error() string { return e.err.Error() }
func (e *printError) Unwrap() error { return e.err }

// waitable reports whether what is read may still come: a tail may be started before the keyfeed that it watches.
func waitable(err, missing error) bool {
	_, ours := errors.AsType[*printError](err)
	return errors.Is(err, missing) || err != nil && !ours && !errors.Is(err, sinks.ErrConfig)
}

func pause(ctx context.Context) error {
	select {
	case <-time.After(tailRetry):
		return nil
	case <-ctx.Done():
		return context.Cause(ctx)
	}
}
