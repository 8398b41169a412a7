package app

import (
	"context"
	"fmt"
	"io"
	"log/slog"
	"os"
	"time"

	"github.com/schollz/progressbar/v3"
	"golang.org/x/term"

	"keyfeed/internal/bridge"
)

const (
	progressEvery = 5 * time.Second        // in the log
	barEvery      = 200 * time.Millisecond // on a terminal
)

// progress tells how a snapshot comes along: lines in the log, and a bar where stderr is a terminal.
type progress struct {
	b   *bridge.Bridge
	tty io.Writer // nil when stderr is no terminal
	log *slog.Logger

	run    bridge.SnapshotRun // as told last
	began  time.Time          // when the phase began
	logged time.Time
	bar    *progressbar.ProgressBar
}

func newProgress(b *bridge.Bridge, stderr io.Writer, log *slog.Logger) *progress {
	p := &progress{b: b, log: log}
	if f, ok := stderr.(*os.File); ok && term.IsTerminal(int(f.Fd())) {
		p.tty = f
	}
	return p
}

// Run reports until ctx ends.
func (p *progress) Run(ctx context.Context) error {
	tick := time.NewTicker(barEvery)
	defer tick.Stop()
	for {
		select {
		case now := <-tick.C:
			p.look(now)
		case <-ctx.Done():
			p.finish()
			return nil
		}
	}
}

func (p *progress) look(now time.Time) {
	s := p.b.Status().Snapshot
	if s == nil {
		p.finish()
		return
	}
	if s.Phase != p.run.Phase {
		p.finish()
		p.began, p.logged = now, now
	}
	p.run = *s
	p.draw()
	if now.Sub(p.logged) < progressEvery {
		return
	}
	p.logged = now
	attrs := []any{"phase", s.Phase, "bytes", s.Bytes, "keys", s.Keys}
	seconds := now.Sub(p.began).Seconds()
	if s.Keys > 0 {
		attrs = append(attrs, "keys_per_second", int64(float64(s.Keys)/seconds))
	}
	if s.Total > 0 && s.Bytes > 0 {
		left := seconds * float64(s.Total-s.Bytes) / float64(s.Bytes)
		attrs = append(attrs, "percent", 100*s.Bytes/s.Total, "eta", (time.Duration(left) * time.Second).String())
	}
	p.log.Info("snapshot", attrs...)
}

func (p *progress) draw() {
	if p.tty == nil {
		return
	}
	if p.bar == nil {
		total := p.run.Total
		if total == 0 {
			total = -1 // a spinner: the source does not say how much will come
		}
		p.bar = progressbar.NewOptions64(total, progressbar.OptionSetWriter(p.tty), progressbar.OptionShowBytes(true),
			progressbar.OptionSetPredictTime(true), progressbar.OptionClearOnFinish(), progressbar.OptionSetWidth(30),
			progressbar.OptionSetDescription(p.run.Phase+" snapshot"))
	}
	if p.run.Keys > 0 {
		p.bar.Describe(fmt.Sprintf("%s snapshot, %d keys", p.run.Phase, p.run.Keys))
	}
	_ = p.bar.Set64(p.run.Bytes) // a bar that cannot be drawn is no reason to stop
}

// finish ends the bar of the phase that is over.
func (p *progress) finish() {
	if p.bar != nil {
		_ = p.bar.Finish() // as above
	}
	p.bar, p.run = nil, bridge.SnapshotRun{}
}
