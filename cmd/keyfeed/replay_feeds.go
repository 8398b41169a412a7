package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"strconv"
	"strings"

	"keyfeed/internal/app"
	"keyfeed/internal/config"
	"keyfeed/internal/replay"
	"keyfeed/sinks/kafka"
	"keyfeed/sinks/nats"
)

// natsFeed reads the stream of a configuration.
type natsFeed struct {
	cfg    *config.Config
	follow bool
	stderr io.Writer
}

// Read implements replay.Feed.
func (f *natsFeed) Read(ctx context.Context, after replay.Place, fn func(replay.Item) error) error {
	c, err := app.NATSConfig(f.cfg, nil)
	if err != nil {
		return err
	}
	prefix := "nats " + c.Stream + " "
	start := nats.All()
	if text, ok := strings.CutPrefix(after.Cursor, prefix); ok {
		if seq, err := strconv.ParseUint(text, 10, 64); err == nil && seq > 0 {
			start = nats.Again(seq) // that event again: it shows that nothing behind it is missing
		}
	}
	if !f.follow {
		start = start.ToEnd()
	}
	last := after.ID
	return whileAway(ctx, f.follow, f.stderr, nats.ErrNoStream, func() error {
		var previous uint64 // sequence
		return nats.Read(ctx, c, start, func(r *nats.Record) error {
			id, err := replay.LineID(r.Value)
			if err != nil {
				return &printError{fmt.Errorf("message %d of the stream %s: %w", r.Sequence, c.Stream, err)}
			}
			it := replay.Item{Line: r.Value, Cursor: prefix + strconv.FormatUint(r.Sequence, 10)}
			// A sequence that is not the next one: a limit of the stream has dropped what this reader had not come to.
			it.Gap = last != "" && id > last && (previous == 0 || r.Sequence != previous+1)
			if strings.HasPrefix(id, "0000000000:") && previous == 0 {
				return nil // the mark of a writer that began says nothing of the order
			}
			previous, last = r.Sequence, max(last, id)
			return ours(fn(it))
		})
	})
}

// kafkaFeed reads the topic of a configuration, its partitions in one order.
type kafkaFeed struct {
	cfg    *config.Config
	follow bool
	stderr io.Writer
}

// Read implements replay.Feed.
func (f *kafkaFeed) Read(ctx context.Context, after replay.Place, fn func(replay.Item) error) error {
	c, err := app.KafkaConfig(f.cfg, nil)
	if err != nil {
		return err
	}
	topic := strings.ReplaceAll(c.Topic, "{source}", c.Source)
	return whileAway(ctx, f.follow, f.stderr, kafka.ErrNoTopic, func() error {
		limit := ""
		if !f.follow { // before the ends of the partitions are asked for: they are not earlier then
			if limit, err = f.stored(ctx); err != nil {
				return err
			}
		}
		p := replay.NewPartitions(topic, after, limit, func(it replay.Item) error { return ours(fn(it)) })
		opts := kafka.ReadOptions{UntilEnd: !f.follow, From: p.From(), Follower: p}
		err := kafka.Read(ctx, c, opts, func(r kafka.Record) error {
			if err := p.Add(r.Partition, r.Offset, r.Value); err != nil {
				return &printError{err}
			}
			return nil
		})
		if err != nil {
			return err
		}
		if err := p.Drain(); err != nil {
			return err
		}
		if n := p.Left(); n > 0 {
			fmt.Fprintf(f.stderr, "keyfeed: %d bytes of events are ahead of what is certain to be stored in all partitions; the next run applies them\n", n)
		}
		return nil
	})
}

// stored is an id up to which every event is in the topic.
func (f *kafkaFeed) stored(ctx context.Context) (string, error) {
	pos, _, err := app.Look(ctx, *f.cfg, slog.New(slog.DiscardHandler))
	switch {
	case err != nil:
		return "", err
	case pos.IsZero():
		return "", nil
	case pos.InSnapshot():
		return fmt.Sprintf("%010d:%020d:%010d", pos.Gen, pos.Offset, pos.Count-1), nil
	}
	return fmt.Sprintf("%010d:%020d:~", pos.Gen, pos.Offset), nil // behind all ids of that offset
}

// ours marks an error that asking the broker again does not heal.
func ours(err error) error {
	if err == nil {
		return nil
	}
	return &printError{err}
}

// whileAway reads, and again after an error of a broker that may come back, or whose stream may, when it is to follow.
func whileAway(ctx context.Context, follow bool, stderr io.Writer, missing error, read func() error) error {
	for waiting := false; ; waiting = true {
		err := read()
		if ctx.Err() != nil {
			return context.Cause(ctx)
		}
		if !follow || !waitable(err, missing) || errors.Is(err, replay.ErrGap) {
			return err
		}
		if !waiting {
			fmt.Fprintf(stderr, "keyfeed: %v; waiting for it\n", err)
		}
		if err := pause(ctx); err != nil {
			return err
		}
	}
}
