package main

import (
	"bufio"
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"path/filepath"

	"keyfeed/backlog"
	"keyfeed/internal/app"
	"keyfeed/internal/bridge"
)

// runBacklog looks at, or shortens, the logs in the data directory of a keyfeed that does not run.
func runBacklog(_ context.Context, p process) error {
	if len(p.args) == 0 {
		return &usageError{"say what to do: keyfeed backlog inspect, or keyfeed backlog cut"}
	}
	verb := p.args[0]
	p.args = p.args[1:]
	cfg, err := app.Load(p.environ)
	if err != nil {
		return err
	}
	lock, err := bridge.LockDir(cfg.DataDir)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, lock.Unlock()) }()
	dirs, err := filepath.Glob(filepath.Join(cfg.DataDir, "sources", cfg.Source.Name, "gen-*[0-9]")) // not one that was being removed
	if err != nil {
		return fmt.Errorf("looking for logs: %w", err)
	}
	switch verb {
	case "inspect":
		err = inspectLogs(p, dirs)
	case "cut":
		err = cutLog(p, dirs)
	default:
		err = &usageError{fmt.Sprintf("backlog knows inspect and cut, not %q", verb)}
	}
	return err
}

func inspectLogs(p process, dirs []string) (err error) {
	flags := flag.NewFlagSet("keyfeed backlog inspect", flag.ContinueOnError)
	frames := flags.Bool("frames", false, "print every frame")
	if _, err := parse(p, flags); err != nil {
		return err
	}
	out := bufio.NewWriter(p.stdout)
	defer func() { err = errors.Join(err, out.Flush()) }()
	damaged := 0
	for _, dir := range dirs {
		fmt.Fprintln(out, dir)
		err := backlog.Inspect(dir, backlog.Visitor{
			Segment: func(s backlog.SegmentInfo) error {
				_, err := fmt.Fprintf(out, "  %s  %d bytes, begun %s at %s\n",
					filepath.Base(s.Path), s.Bytes, s.Created.Format("2006-01-02 15:04:05"), s.Start)
				return err
			},
			Frame: func(f backlog.FrameInfo) error {
				if !*frames {
					return nil
				}
				return printFrame(out, f)
			},
			Damage: func(d *backlog.CorruptError, torn bool) error {
				if torn {
					_, err := fmt.Fprintf(out, "  torn tail, cut at the next start: %v\n", d)
					return err
				}
				damaged++
				_, err := fmt.Fprintf(out, "  DAMAGED: %v\n", d)
				return err
			},
		})
		if errors.Is(err, backlog.ErrNoLog) {
			fmt.Fprintln(out, "  no log")
			continue
		}
		if err != nil {
			return fmt.Errorf("inspecting: %w", err)
		}
	}
	if damaged > 0 {
		return fmt.Errorf("%w: %d damaged places", bridge.ErrOperator, damaged)
	}
	return nil
}

func printFrame(out io.Writer, f backlog.FrameInfo) error {
	var err error
	switch h := f.Item.History; {
	case f.Sealed:
		_, err = fmt.Fprintf(out, "    @%-10d seal\n", f.At)
	case h != nil:
		_, err = fmt.Fprintf(out, "    @%-10d history at offset %d: %s -> %s\n", f.At, h.Offset, h.Prev, h.ReplID)
	default:
		c := f.Item.Chunk
		_, err = fmt.Fprintf(out, "    @%-10d data %d..%d, db %d, unit end %v\n", f.At, c.Start+1, c.End(), c.DB, c.UnitEnd)
	}
	return err
}

func cutLog(p process, dirs []string) error {
	flags := flag.NewFlagSet("keyfeed backlog cut", flag.ContinueOnError)
	dir := flags.String("dir", "", "the generation's directory, as inspect prints it; needed when there are several")
	offset := flags.Int64("offset", -1, "keep nothing after this stream offset; by default everything before the damage stays")
	yes := flags.Bool("yes", false, "do it; without it only what would happen is printed")
	if _, err := parse(p, flags); err != nil {
		return err
	}
	if *dir == "" {
		if len(dirs) != 1 {
			return &usageError{fmt.Sprintf("there are %d logs: name one with -dir", len(dirs))}
		}
		*dir = dirs[0]
	}
	if *offset < 0 {
		*offset = 1<<63 - 1
	}
	plan, err := backlog.PlanCut(*dir, *offset)
	if err != nil {
		return fmt.Errorf("planning the cut: %w", err)
	}
	fmt.Fprintf(p.stdout, "the log ends at %s; %d bytes on disk and %d whole files go; stream bytes up to offset %d must come from the source again\n",
		plan.Keep, plan.DroppedBytes, len(plan.DroppedFiles), plan.DroppedThrough)
	if !*yes {
		fmt.Fprintln(p.stdout, "nothing was changed; add -yes to do it")
		return nil
	}
	if err := plan.Apply(); err != nil {
		return fmt.Errorf("cutting: %w", err)
	}
	return nil
}
