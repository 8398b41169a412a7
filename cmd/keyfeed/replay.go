package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"log/slog"
	"os"
	"strings"

	"keyfeed/internal/app"
	"keyfeed/internal/config"
	"keyfeed/internal/replay"
)

// replayOptions are the flags of keyfeed replay.
type replayOptions struct {
	from, to                                string
	toEnd, overwrite, partial, goOn, forget bool
}

func runReplay(ctx context.Context, p process) error {
	var o replayOptions
	flags := flag.NewFlagSet("keyfeed replay", flag.ContinueOnError)
	flags.StringVar(&o.from, "from", "", "nats, kafka, a FILE of events, one a line, or - for the standard input")
	flags.StringVar(&o.to, "to", "", "the server to write to, redis://host:port; by default KEYFEED_TARGET_URL")
	flags.BoolVar(&o.toEnd, "to-end", false, "stop at what is the end of the stream now; a file is always read to its end")
	flags.BoolVar(&o.overwrite, "overwrite", false, "begin anew, whatever the target holds: the next snapshot replaces all of it")
	flags.BoolVar(&o.partial, "partial", false, "apply what there is, also without a snapshot before it, or where events are missing")
	flags.BoolVar(&o.goOn, "keep-going", false, "count and log what cannot be replayed exactly, and go on")
	flags.BoolVar(&o.forget, "forget", false, "remove the key keyfeed:replay, where the target remembers how far it is, and end")
	rest, err := parse(p, flags)
	switch {
	case err != nil:
		return err
	case len(rest) > 0:
		return &usageError{"keyfeed replay takes options only: -from FILE -to URL"}
	case o.from == "" && !o.forget:
		return &usageError{"say what to replay: -from nats, -from kafka, -from FILE or -from -"}
	}
	cfg, err := app.Load(replayEnviron(p.environ, o.from))
	if err != nil {
		return err
	}
	target, err := app.TargetConfig(&cfg, "-to", o.to)
	if err != nil {
		return err
	}
	if o.forget {
		return forget(ctx, target)
	}
	show := newReplayProgress(p.stderr)
	log := slog.New(slog.NewTextHandler(show, &slog.HandlerOptions{Level: slog.LevelInfo}))
	job := &replay.Job{
		Target: target, Overwrite: o.overwrite, Partial: o.partial, KeepGoing: o.goOn, Follow: !o.toEnd, Log: log,
	}
	switch o.from {
	case config.SinkNATS:
		job.Feed = &natsFeed{cfg: &cfg, follow: !o.toEnd, stderr: show}
	case config.SinkKafka:
		if strings.Contains(cfg.Kafka.Topic, "{db}") {
			return &usageError{"KEYFEED_KAFKA_TOPIC holds {db}: the events of several topics cannot be put in order"}
		}
		job.Feed = &kafkaFeed{cfg: &cfg, follow: !o.toEnd, stderr: show}
	case "-":
		job.Once, job.Follow = true, false
		job.Feed = replay.Lines{Name: "the standard input", Open: func() (io.ReadCloser, error) { return io.NopCloser(p.stdin), nil }}
	default:
		job.Follow = false
		job.Feed = replay.Lines{Name: o.from, Open: func() (io.ReadCloser, error) { return os.Open(o.from) }}
	}
	stop := show.start(job.Tally())
	err = job.Run(ctx)
	stop()
	show.summary()
	return err
}

// replayEnviron is the environment with the sink that is read: what does not concern it is not asked for.
func replayEnviron(environ []string, from string) []string {
	sink := config.SinkDiscard
	if from == config.SinkNATS || from == config.SinkKafka {
		sink = from
	}
	var out []string
	for _, line := range environ {
		if !strings.HasPrefix(line, "KEYFEED_SINK=") {
			out = append(out, line)
		}
	}
	return append(out, "KEYFEED_SINK="+sink)
}

// forget removes what a target remembers.
func forget(ctx context.Context, target replay.Target) (err error) {
	conn, err := target.Dial(ctx)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, conn.Close()) }()
	if err := replay.New(conn, replay.Options{}).Forget(); err != nil {
		return fmt.Errorf("removing keyfeed:replay: %w", err)
	}
	return nil
}
