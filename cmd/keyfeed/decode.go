package main

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"strings"

	"keyfeed/backlog"
	"keyfeed/internal/change"
	"keyfeed/internal/command"
	"keyfeed/internal/event"
	"keyfeed/snapshot"
)

// runDecode prints a file as events. No broker and no configuration is needed.
func runDecode(ctx context.Context, p process) (err error) {
	flags := flag.NewFlagSet("keyfeed decode", flag.ContinueOnError)
	name := flags.String("source", "decode", "name of the source in the events")
	maxBytes := flags.Int("max-bytes", 900<<10, "largest event in bytes; larger values become parts")
	rest, err := parse(p, flags)
	if err != nil {
		return err
	}
	if len(rest) != 1 {
		return &usageError{"keyfeed decode takes one file: an RDB file, or a segment of a backlog (*.seg)"}
	}
	out := bufio.NewWriterSize(p.stdout, 64<<10)
	defer func() { err = errors.Join(err, out.Flush()) }()
	set := event.Settings{Source: *name, MaxBytes: *maxBytes}
	w := &lines{out: out, enc: event.NewEncoder(set)}
	f, err := os.Open(rest[0])
	if err != nil {
		return fmt.Errorf("opening the file: %w", err)
	}
	defer func() { err = errors.Join(err, f.Close()) }()
	magic := make([]byte, 9)
	_, err = io.ReadFull(f, magic)
	if err != nil && !errors.Is(err, io.EOF) && !errors.Is(err, io.ErrUnexpectedEOF) {
		return fmt.Errorf("reading the file: %w", err)
	}
	switch {
	case err != nil:
		return fmt.Errorf("%s is too short to be an RDB file or a segment", rest[0])
	case bytes.HasPrefix(magic, []byte("REDIS")), bytes.HasPrefix(magic, []byte("VALKEY")):
		info, err := f.Stat()
		if err != nil {
			return fmt.Errorf("looking at the file: %w", err)
		}
		return snapshot.DecodeFile(ctx, f, info.Size(), snapshot.Settings{Settings: set, Reason: event.ReasonRequested}, w.Event)
	case strings.HasSuffix(rest[0], ".seg"):
		return decodeSegment(rest[0], set, w)
	default:
		return errors.New("the file is neither an RDB file (it would begin with REDIS or VALKEY) nor a segment (*.seg)")
	}
}

func decodeSegment(path string, set event.Settings, w *lines) error {
	var d *command.Decoder
	err := backlog.ReadSegment(path, func(start change.Position, item backlog.Item) error {
		if d == nil {
			d = command.New(command.Settings{Settings: set}, command.Start{
				Gen: start.Gen, ReplID: start.ReplID, Offset: start.Offset, DB: start.DB,
			})
		}
		if h := item.History; h != nil {
			d.SetReplID(h.ReplID)
			e := event.NewHistory(event.Stamp{Gen: start.Gen, Offset: h.Offset, TsMs: h.Arrived},
				event.History{PrevReplID: h.Prev, ReplID: h.ReplID})
			return w.Event(&e)
		}
		return d.Feed(item.Chunk, w)
	})
	if err != nil {
		return fmt.Errorf("decoding the segment: %w", err)
	}
	return nil
}

// lines prints events, one a line.
type lines struct {
	out *bufio.Writer
	enc *event.Encoder
	buf []byte
}

// Event prints e.
func (w *lines) Event(e *event.Event) error {
	w.buf = append(w.enc.Append(w.buf[:0], e), '\n')
	if _, err := w.out.Write(w.buf); err != nil {
		return fmt.Errorf("printing: %w", err)
	}
	return nil
}

// Unit implements command.Handler; units are not shown.
func (*lines) Unit(change.Position, int64) error { return nil }
