package testenv_test

import (
	"regexp"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/nats-io/nats.go"

	"keyfeed/internal/testenv"
)

func TestChild(t *testing.T) {
	c := testenv.Child(t, "/bin/sh", []string{"-c", `echo "n=$N k=$KEYFEED_X"; echo oops >&2; read x; exit 7`}, []string{"N=5"})
	if got := c.WaitLine(regexp.MustCompile(`n=(\d) k=(.*)`), time.Minute); got[1] != "5" || got[2] != "" {
		t.Errorf("environment of the child: %q", got)
	}
	if code := c.Wait(time.Minute); code != 7 {
		t.Errorf("exit code %d", code)
	}
	if c.Stderr() != "oops\n" || !strings.HasPrefix(c.Stdout(), "n=5") {
		t.Errorf("stdout %q, stderr %q", c.Stdout(), c.Stderr())
	}
}

func TestChildSignalAndMemory(t *testing.T) {
	c := testenv.Child(t, "/bin/sh", []string{"-c", `trap 'exit 3' TERM; echo up; while :; do sleep 0.01; done`}, nil)
	c.WaitLine(regexp.MustCompile(`up`), time.Minute)
	rss := c.RSS()
	if peak := c.PeakRSS(); rss < 100_000 || peak < rss { // in this order: it may grow in between
		t.Errorf("RSS %d, peak %d", rss, peak)
	}
	c.Signal(syscall.SIGTERM)
	if code := c.Wait(time.Minute); code != 3 {
		t.Errorf("exit code %d", code)
	}
	c.Kill() // of an ended child: nothing happens
}

func TestNATSServerKeepsWhatItHasAfterKill(t *testing.T) {
	n := testenv.NATSServer(t)
	publish := func() uint64 {
		nc, err := nats.Connect(n.URL())
		if err != nil {
			t.Fatal(err)
		}
		defer nc.Close()
		js, err := nc.JetStream()
		if err != nil {
			t.Fatal(err)
		}
		if _, err := js.AddStream(&nats.StreamConfig{Name: "S", Subjects: []string{"s"}}); err != nil {
			t.Fatal(err)
		}
		ack, err := js.Publish("s", nil)
		if err != nil {
			t.Fatal(err)
		}
		return ack.Sequence
	}
	publish()
	n.Kill()
	n.Start()
	if got := publish(); got != 2 {
		t.Errorf("sequence %d after a kill, want 2", got)
	}
}
