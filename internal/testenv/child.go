package testenv

import (
	"bufio"
	"fmt"
	"os"
	"os/exec"
	"regexp"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"
)

// ChildProcess is a program under test that runs as a process of its own.
type ChildProcess struct {
	t    testing.TB
	p    *process
	name string

	mu   sync.Mutex
	seen int // lines that WaitLine has passed
}

// Child starts binary. Its environment is env ("NAME=value") and PATH, HOME and TMPDIR of the test, nothing else, so
// that settings of the person who runs the tests do not leak in. The child is killed when the test ends; when the
// test has failed, its last lines are logged.
func Child(tb testing.TB, binary string, args, env []string) *ChildProcess {
	tb.Helper()
	cmd := exec.CommandContext(lasting(tb), binary, args...)
	for _, name := range []string{"PATH", "HOME", "TMPDIR"} {
		if v, ok := os.LookupEnv(name); ok {
			cmd.Env = append(cmd.Env, name+"="+v)
		}
	}
	cmd.Env = append(cmd.Env, env...)
	cmd.Dir = tb.TempDir()
	p, err := startProcess(tb, cmd)
	if err != nil {
		tb.Fatalf("starting %s: %v", binary, err)
	}
	c := &ChildProcess{t: tb, p: p, name: binary}
	tb.Cleanup(func() {
		p.end()
		if tb.Failed() {
			tb.Logf("last lines of %s %s (pid %d):\n%s", binary, strings.Join(args, " "), c.PID(), p.out.tail(60))
		}
	})
	return c
}

// PID is the process id.
func (c *ChildProcess) PID() int { return c.p.cmd.Process.Pid }

// WaitLine waits until a line of either output matches re and returns its submatches; it looks at lines after the one
// that the last WaitLine returned. The test fails after timeout, or when the child ends first.
func (c *ChildProcess) WaitLine(re *regexp.Regexp, timeout time.Duration) []string {
	c.t.Helper()
	m, err := c.waitLine(re, timeout)
	if err != nil {
		c.t.Fatal(err)
	}
	return m
}

func (c *ChildProcess) waitLine(re *regexp.Regexp, timeout time.Duration) ([]string, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	timer := time.NewTimer(timeout)
	defer timer.Stop()
	for {
		lines, more, changed := c.p.out.since(c.seen)
		for _, l := range lines {
			c.seen++
			if m := re.FindStringSubmatch(l.text); m != nil {
				return m, nil
			}
		}
		if !more {
			<-c.p.done // which comes right after the end of the output
			return nil, fmt.Errorf("%s ended with code %d before it printed a line like %q", c.name, c.p.cmd.ProcessState.ExitCode(), re)
		}
		select {
		case <-changed:
		case <-timer.C:
			return nil, fmt.Errorf("%s printed no line like %q within %v", c.name, re, timeout)
		}
	}
}

// Signal sends a signal; the test fails when the child has ended.
func (c *ChildProcess) Signal(s syscall.Signal) {
	c.t.Helper()
	if err := c.p.signal(s); err != nil {
		c.t.Fatalf("sending %v to %s: %v", s, c.name, err)
	}
}

// Kill ends the child with SIGKILL and waits for its end. It may have ended before.
func (c *ChildProcess) Kill() { c.p.end() }

// Wait waits until the child has ended by itself and returns its exit code, -1 when a signal ended it.
// The test fails after timeout.
func (c *ChildProcess) Wait(timeout time.Duration) int {
	c.t.Helper()
	if !c.p.wait(timeout) {
		c.t.Fatalf("%s still runs after %v", c.name, timeout)
	}
	return c.p.cmd.ProcessState.ExitCode()
}

// Done is closed when the child has ended and all of its output is there.
func (c *ChildProcess) Done() <-chan struct{} { return c.p.done }

// Output returns the lines printed so far on both outputs, in the order of their arrival.
func (c *ChildProcess) Output() string { return c.text(func(outputLine) bool { return true }) }

// Stdout returns the lines printed so far on standard output.
func (c *ChildProcess) Stdout() string { return c.text(func(l outputLine) bool { return !l.stderr }) }

// Stderr returns the lines printed so far on standard error.
func (c *ChildProcess) Stderr() string { return c.text(func(l outputLine) bool { return l.stderr }) }

func (c *ChildProcess) text(want func(outputLine) bool) string {
	lines, _, _ := c.p.out.since(0)
	var b strings.Builder
	for _, l := range lines {
		if want(l) {
			b.WriteString(l.text)
			b.WriteByte('\n')
		}
	}
	return b.String()
}

// RSS is the memory that the child has resident now, in bytes; 0 when it has ended. Linux only (VmRSS).
func (c *ChildProcess) RSS() int64 { return c.statusBytes("VmRSS:") }

// PeakRSS is the most memory that the child ever had resident, in bytes; 0 when it has ended. Linux only (VmHWM).
func (c *ChildProcess) PeakRSS() int64 { return c.statusBytes("VmHWM:") }

func (c *ChildProcess) statusBytes(field string) int64 {
	f, err := os.Open(fmt.Sprintf("/proc/%d/status", c.PID()))
	if err != nil {
		return 0
	}
	defer f.Close()
	for sc := bufio.NewScanner(f); sc.Scan(); {
		if rest, ok := strings.CutPrefix(sc.Text(), field); ok {
			kb, err := strconv.ParseInt(strings.TrimSpace(strings.TrimSuffix(strings.TrimSpace(rest), "kB")), 10, 64)
			if err != nil {
				return 0
			}
			return kb << 10
		}
	}
	return 0
}
