package main

import (
	"fmt"
	"io"
	"os"
	"strconv"
	"strings"
	"sync"
	"time"

	"golang.org/x/term"

	"keyfeed/internal/replay"
)

const (
	redrawEvery = 200 * time.Millisecond // on a terminal
	tellEvery   = 10 * time.Second       // elsewhere
)

// replayProgress shows how a replay comes along: one line that is redrawn on a terminal, elsewhere one now and then.
type replayProgress struct {
	tally  *replay.Tally
	out    io.Writer
	tty    bool
	began  time.Time
	events int64 // when the rate was last taken
	at     time.Time

	mu    sync.Mutex // guards out and drawn
	drawn bool       // the line is there, without an end
}

// Write prints lines of others in place of the line that is redrawn.
func (p *replayProgress) Write(b []byte) (int, error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.drawn {
		p.drawn = false
		fmt.Fprint(p.out, "\r\x1b[K")
	}
	return p.out.Write(b)
}

func newReplayProgress(out io.Writer) *replayProgress {
	f, ok := out.(*os.File)
	now := time.Now()
	return &replayProgress{tally: new(replay.Tally), out: out, tty: ok && term.IsTerminal(int(f.Fd())), began: now, at: now}
}

// start shows the progress that t counts until stop is called.
func (p *replayProgress) start(t *replay.Tally) (stop func()) {
	p.tally = t
	every := tellEvery
	if p.tty {
		every = redrawEvery
	}
	quit, done := make(chan struct{}), make(chan struct{})
	go func() {
		defer close(done)
		tick := time.NewTicker(every)
		defer tick.Stop()
		for {
			select {
			case now := <-tick.C:
				p.show(now)
			case <-quit:
				return
			}
		}
	}()
	return func() {
		close(quit)
		<-done
	}
}

func (p *replayProgress) show(now time.Time) {
	events := p.tally.Events.Load() + p.tally.Skipped.Load() + p.tally.Repeats.Load()
	rate := float64(events-p.events) / now.Sub(p.at).Seconds()
	p.events, p.at = events, now
	text := fmt.Sprintf("replay: %s, %s/s", p.counts(), grouped(int64(rate)))
	if p.tally.Snapshot.Load() {
		text += ", in a snapshot"
	} else if ms := p.tally.Received.Load(); ms > 0 {
		text += ", " + max(now.Sub(time.UnixMilli(ms)), 0).Round(time.Second).String() + " behind"
	}
	if !p.tty {
		fmt.Fprintln(p, "keyfeed: "+text)
		return
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	p.drawn = true
	fmt.Fprintf(p.out, "\r\x1b[K%s", text)
}

// counts names what is not zero.
func (p *replayProgress) counts() string {
	text := []string{grouped(p.tally.Events.Load()) + " events"}
	for _, c := range []struct {
		n    int64
		what string
	}{
		{p.tally.Repeats.Load(), "repeated"},
		{p.tally.Skipped.Load(), "before a snapshot"},
		{p.tally.Inexact.Load(), "NOT EXACT"},
	} {
		if c.n > 0 {
			text = append(text, grouped(c.n)+" "+c.what)
		}
	}
	return strings.Join(text, ", ")
}

// summary tells what was done.
func (p *replayProgress) summary() {
	took := time.Since(p.began)
	last := p.tally.LastID()
	if last == "" {
		last = "none"
	}
	fmt.Fprintf(p, "keyfeed: replayed %s as %s commands in %s, %s events/s; last event %s\n",
		p.counts(), grouped(p.tally.Commands.Load()), took.Round(time.Millisecond),
		grouped(int64(float64(p.tally.Events.Load())/took.Seconds())), last)
}

// grouped is n with commas between thousands.
func grouped(n int64) string {
	s := strconv.FormatInt(n, 10)
	for i := len(s) - 3; i > 0 && s[i-1] != '-'; i -= 3 {
		s = s[:i] + "," + s[i:]
	}
	return s
}
