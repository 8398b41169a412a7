package main

import (
	"context"
	"fmt"
	"io"
	"strings"
	"sync"
)

// stage prints the lines of all processes, and lets the script wait for one of them.
type stage struct {
	out io.Writer

	mu      sync.Mutex
	seen    map[string]*strings.Builder // by process: everything it printed; guarded by mu
	left    map[string]int              // by process: lines that may still be shown; absent = all; guarded by mu
	waiting chan struct{}               // closed and replaced at each line; guarded by mu
}

func (s *stage) title(text string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	fmt.Fprintf(s.out, "\n== %s\n", text)
}

func (s *stage) say(format string, args ...any) {
	s.mu.Lock()
	defer s.mu.Unlock()
	fmt.Fprintf(s.out, "        | "+format+"\n", args...)
}

// quiet shows at most n more lines of a process.
func (s *stage) quiet(who string, n int) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.left == nil {
		s.left = make(map[string]int)
	}
	s.left[who] = n
}

// printer shows the lines of a process that pass the filter; nil passes all.
func (s *stage) printer(who string, filter func(string) bool) func(string) {
	return func(line string) {
		s.mu.Lock()
		defer s.mu.Unlock()
		if s.seen == nil {
			s.seen = make(map[string]*strings.Builder)
		}
		if s.seen[who] == nil {
			s.seen[who] = new(strings.Builder)
		}
		s.seen[who].WriteString(line + "\n")
		if s.waiting != nil {
			close(s.waiting)
			s.waiting = nil
		}
		if filter != nil && !filter(line) {
			return
		}
		if n, limited := s.left[who]; limited {
			s.left[who] = n - 1
			switch {
			case n == 0:
				fmt.Fprintf(s.out, "%s | … and so on\n", who)
				return
			case n < 0:
				return
			}
		}
		const width = 150
		if len(line) > width {
			line = strings.ToValidUTF8(line[:width], "") + "…"
		}
		fmt.Fprintf(s.out, "%s | %s\n", who, line)
	}
}

// wait returns when a process has printed text, now or before.
func (s *stage) wait(ctx context.Context, who, text string) error {
	for {
		s.mu.Lock()
		if b := s.seen[who]; b != nil && strings.Contains(b.String(), text) {
			s.mu.Unlock()
			return nil
		}
		if s.waiting == nil {
			s.waiting = make(chan struct{})
		}
		ch := s.waiting
		s.mu.Unlock()
		select {
		case <-ch:
		case <-ctx.Done():
			return fmt.Errorf("waiting for %q of %s: %w", text, strings.TrimSpace(who), context.Cause(ctx))
		}
	}
}

// interesting picks the log lines of keyfeed that tell the story.
func interesting(line string) bool {
	for _, word := range []string{"snapshot", "resync", "resum", "generation", "level=ERROR", "level=WARN", "position"} {
		if strings.Contains(line, word) {
			return true
		}
	}
	return false
}
