package kafka_test

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"os"
	"os/exec"
	"strconv"
	"syscall"
	"testing"
	"time"

	"keyfeed/sinks/kafka"
)

const (
	childAddr   = "KEYFEED_TEST_CHILD_ADDR"
	childSource = "KEYFEED_TEST_CHILD_SOURCE"
)

func TestKilledWriters(t *testing.T) {
	t.Parallel()
	c := cluster(t)
	seedTopics(t, c, "killed")
	testKilledWriters(t, config("killed", c.ListenAddrs()...), 25)
}

// testKilledWriters kills processes that write as fast as they can, at random points of their transactions, and starts the
// next one at once. Each event is stored once for a consumer that reads what is committed, and none that a process had
// confirmed is missing.
func testKilledWriters(t *testing.T, cfg kafka.Config, rounds int) {
	t.Helper()
	seed := rand.Uint64()
	rng := rand.New(rand.NewPCG(seed, 0))
	t.Logf("seed %d", seed)
	confirmed, inside := 0, 0
	for n := 0; n < rounds || confirmed == 0 && n < 10*rounds; n++ { // a slow machine confirms nothing in some of them
		from, at := runAndKill(t, cfg, time.Duration(rng.IntN(300))*time.Millisecond)
		if from < confirmed {
			t.Fatalf("a process started at %d, but %d events were confirmed", from, confirmed)
		}
		if from > confirmed {
			inside++ // the one before had committed more than it told
		}
		confirmed = max(from, at)
	}
	s := opened(t, cfg)
	end := int(s.Confirmed().Offset)
	t.Logf("%d events after %d kills; %d times more was stored than the killed process had told", end, rounds, inside)
	if end < confirmed || confirmed == 0 {
		t.Fatalf("the last writer starts at %d, but %d events were confirmed", end, confirmed)
	}
	wantCommittedOnce(t, cfg, end)
}

// runAndKill runs a writer for some time after it has opened. It returns where that started and what it last confirmed.
func runAndKill(t *testing.T, cfg kafka.Config, after time.Duration) (from, confirmed int) {
	t.Helper()
	exe, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	cmd := exec.CommandContext(within(t), exe)
	cmd.Env = append(os.Environ(), childAddr+"="+cfg.Brokers[0], childSource+"="+cfg.Source)
	cmd.Stderr = os.Stderr
	cmd.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL}
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	from = -1
	for lines := bufio.NewScanner(out); lines.Scan(); {
		n, err := strconv.Atoi(lines.Text())
		if err != nil {
			t.Fatalf("the child says %q", lines.Text())
		}
		if confirmed = n; from < 0 {
			from = n
			time.AfterFunc(after, func() { _ = cmd.Process.Kill() }) // fails where it has ended, which Wait tells
		}
	}
	var exit *exec.ExitError
	if err := cmd.Wait(); !errors.As(err, &exit) || exit.Sys().(syscall.WaitStatus).Signal() != syscall.SIGKILL {
		t.Fatalf("the child ended with %v, not by kill -9", err)
	}
	if from < 0 {
		t.Fatal("the child was killed before it told where it starts")
	}
	return from, confirmed
}

// runChild writes until it is killed, and tells on stdout where it starts and what is confirmed.
func runChild(addr, source string) int {
	cfg := config(source, addr)
	cfg.TxnMaxBytes = 20_000
	s, err := kafka.New(cfg)
	if err == nil {
		err = childWrites(context.Background(), s)
	}
	fmt.Fprintln(os.Stderr, "child:", err)
	return 1
}

func childWrites(ctx context.Context, s *kafka.Sink) error {
	pos, err := s.Open(ctx)
	if err != nil {
		return err
	}
	fmt.Println(pos.Offset)
	go func() {
		for range s.Updates() {
			fmt.Println(s.Confirmed().Offset)
		}
	}()
	for i := int(pos.Offset); ; {
		n := 1 + rand.IntN(40)
		if err := s.Write(ctx, events(i, i+n)); err != nil {
			return err
		}
		i += n
	}
}
