package testenv

import (
	"bytes"
	"context"
	"errors"
	"os/exec"
	"slices"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"
)

// lasting is the context of what goes on into the cleanups of a test, where tb.Context has ended already.
func lasting(tb testing.TB) context.Context {
	tb.Helper()
	return context.WithoutCancel(tb.Context())
}

// process is a started command whose end is always collected.
type process struct {
	cmd  *exec.Cmd
	done chan struct{} // closed after Wait returned and all output was copied
	out  *output
}

// startProcess starts cmd with both of its outputs captured, and arranges that it ends with the test.
func startProcess(tb testing.TB, cmd *exec.Cmd) (*process, error) {
	tb.Helper()
	p := &process{cmd: cmd, done: make(chan struct{}), out: newOutput()}
	cmd.Stdout = p.out.writer(false)
	cmd.Stderr = p.out.writer(true)
	cmd.SysProcAttr = dieWithParent()
	if err := cmd.Start(); err != nil {
		return nil, err
	}
	go func() {
		defer close(p.done)
		_ = cmd.Wait()
		p.out.end()
	}()
	return p, nil
}

// end kills the process when it is still there and waits for it.
func (p *process) end() {
	_ = p.signal(syscall.SIGKILL)
	<-p.done
}

func (p *process) ended() bool {
	select {
	case <-p.done:
		return true
	default:
		return false
	}
}

func (p *process) signal(s syscall.Signal) error {
	if p.ended() {
		return errors.New("process has ended")
	}
	return p.cmd.Process.Signal(s)
}

// wait reports whether the process ended within d.
func (p *process) wait(d time.Duration) bool {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-p.done:
		return true
	case <-timer.C:
		return false
	}
}

// output keeps what a process printed, line by line, both streams in the order of their arrival.
type output struct {
	mu      sync.Mutex
	lines   []outputLine
	partial [2]bytes.Buffer // the unfinished line of stdout, stderr
	changed chan struct{}   // closed and replaced whenever lines were added
	over    bool
}

type outputLine struct {
	text   string
	stderr bool
}

func newOutput() *output { return &output{changed: make(chan struct{})} }

type outputWriter struct {
	out    *output
	stderr bool
}

func (o *output) writer(stderr bool) *outputWriter { return &outputWriter{out: o, stderr: stderr} }

// Write takes output of the process.
func (w *outputWriter) Write(b []byte) (int, error) {
	o := w.out
	o.mu.Lock()
	defer o.mu.Unlock()
	partial := &o.partial[0]
	if w.stderr {
		partial = &o.partial[1]
	}
	partial.Write(b)
	added := false
	for {
		i := bytes.IndexByte(partial.Bytes(), '\n')
		if i < 0 {
			break
		}
		line := string(partial.Next(i + 1)[:i])
		o.lines = append(o.lines, outputLine{strings.TrimSuffix(line, "\r"), w.stderr})
		added = true
	}
	if added {
		close(o.changed)
		o.changed = make(chan struct{})
	}
	return len(b), nil
}

// end turns unfinished lines into lines and wakes every waiter for good.
func (o *output) end() {
	o.mu.Lock()
	defer o.mu.Unlock()
	for i := range o.partial {
		if o.partial[i].Len() > 0 {
			o.lines = append(o.lines, outputLine{o.partial[i].String(), i == 1})
			o.partial[i].Reset()
		}
	}
	o.over = true
	close(o.changed)
	o.changed = make(chan struct{})
}

// since returns the lines from number i on, whether more can come, and a channel that is closed when more came.
func (o *output) since(i int) ([]outputLine, bool, <-chan struct{}) {
	o.mu.Lock()
	defer o.mu.Unlock()
	return o.lines[i:len(o.lines):len(o.lines)], !o.over, o.changed
}

// has reports whether a line holds text.
func (o *output) has(text string) bool {
	lines, _, _ := o.since(0)
	return slices.ContainsFunc(lines, func(l outputLine) bool { return strings.Contains(l.text, text) })
}

// tail returns the last n lines.
func (o *output) tail(n int) string {
	lines, _, _ := o.since(0)
	var b strings.Builder
	for _, l := range lines[max(0, len(lines)-n):] {
		b.WriteString(l.text)
		b.WriteByte('\n')
	}
	return b.String()
}
