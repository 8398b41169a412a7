package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"keyfeed/internal/testenv"
)

// TestVerifyFindsWhatIsPlanted plants five changes among many keys: 20,000, or KEYFEED_VERIFY_KEYS (make verify-million).
// It runs the command as a process of its own and prints its time and memory.
func TestVerifyFindsWhatIsPlanted(t *testing.T) {
	keys := 20_000
	if text := os.Getenv("KEYFEED_VERIFY_KEYS"); text != "" {
		var err error
		if keys, err = strconv.Atoi(text); err != nil || keys < 1000 {
			t.Fatal("KEYFEED_VERIFY_KEYS is a number from 1000 on")
		}
	}
	source, target := testenv.Redis(t), testenv.Redis(t)
	fillMany(t, source, keys)
	target.ReplicaOf(source)
	target.AwaitOffset(source)
	target.Promote()

	out, code := verifyProcess(t, source, target)
	if code != exitOK || !strings.HasPrefix(out, "EQUAL: 0 differ; ") {
		t.Fatalf("equal servers: exit code %d\n%s", code, out)
	}

	c, ctx := target.Client(), t.Context()
	err := errors.Join(
		c.HSet(ctx, fmt.Sprint("hash:", keys/20), "field 7", "x").Err(),
		c.HSet(ctx, "large", "field 777", "x").Err(),
		c.PExpireAt(ctx, fmt.Sprint("key:", keys/3), time.UnixMilli(4_000_000_000_000)).Err(),
		c.Do(ctx, "XGROUP", "SETID", "stream:77", "g", "2-1", "ENTRIESREAD", "1").Err(),
		c.Del(ctx, fmt.Sprint("key:", keys/2)).Err(),
	)
	if err != nil {
		t.Fatal(err)
	}
	out, code = verifyProcess(t, source, target)
	want := []string{
		fmt.Sprintf(`db 0 key "hash:%d" (hash): field "field 7": value differs`, keys/20),
		fmt.Sprintf(`db 0 key "key:%d" (string): key: source present, target missing`, keys/2),
		fmt.Sprintf(`db 0 key "key:%d" (string): ttl: source none, target 4000000000000 (2096-10-02T07:06:40.000Z)`, keys/3),
		`db 0 key "large" (hash): field "field 777": value differs`,
		`db 0 key "stream:77" (stream): group "g" entries-read: source 2, target 1`,
	}
	lines := strings.Split(strings.TrimSpace(out), "\n")
	got := slices.Sorted(slices.Values(lines[:len(lines)-1]))
	slices.Sort(want)
	if code != exitError || !slices.Equal(got, want) {
		t.Errorf("exit code %d\n%s\nwant\n%s", code, out, strings.Join(want, "\n"))
	}
}

// fillMany makes keys keys: strings, a tenth of them hashes, 100 streams, and a hash with as many fields as a fifth of them.
func fillMany(t *testing.T, in *testenv.Instance, keys int) {
	t.Helper()
	ctx, hashes, streams := context.Background(), keys/10, 100
	if err := in.Client().Do(ctx, "DEBUG", "POPULATE", keys-hashes-streams-1, "key", 32).Err(); err != nil {
		t.Fatal(err)
	}
	p := in.Client().Pipeline()
	add := func(args ...any) {
		p.Do(ctx, args...)
		if p.Len() == 10_000 {
			if _, err := p.Exec(ctx); err != nil {
				t.Fatal(err)
			}
		}
	}
	for i := range hashes {
		args := []any{"HSET", fmt.Sprint("hash:", i)}
		for field := range 10 {
			args = append(args, fmt.Sprint("field ", field), fmt.Sprint("value ", i))
		}
		add(args...)
	}
	for i := range streams {
		key := fmt.Sprint("stream:", i)
		for entry := range 3 {
			add("XADD", key, fmt.Sprintf("%d-1", entry+1), "f", "v")
		}
		add("XGROUP", "CREATE", key, "g", "2-1", "ENTRIESREAD", "2")
	}
	for i := range keys / 5 {
		add("HSET", "large", fmt.Sprint("field ", i), "v")
	}
	if _, err := p.Exec(ctx); err != nil {
		t.Fatal(err)
	}
}

// verifyProcess runs this program as keyfeed verify.
func verifyProcess(t *testing.T, source, target *testenv.Instance) (stdout string, code int) {
	t.Helper()
	cmd := exec.CommandContext(t.Context(), os.Args[0])
	cmd.Args = []string{"keyfeed", "verify", "-recheck", "2", "-recheck-pause", "100ms", "-source", source.URL(), "-target", target.URL()}
	cmd.Env = []string{"PATH=" + os.Getenv("PATH")}
	var out, errs strings.Builder
	cmd.Stdout, cmd.Stderr = &out, &errs
	began := time.Now()
	err := cmd.Run()
	if _, exited := errors.AsType[*exec.ExitError](err); err != nil && !exited {
		t.Fatal(err)
	}
	usage, _ := cmd.ProcessState.SysUsage().(*syscall.Rusage)
	t.Logf("%s; %v of CPU, %d MiB at most\n%s", time.Since(began).Round(time.Millisecond), cmd.ProcessState.UserTime()+cmd.ProcessState.SystemTime(), usage.Maxrss>>10, errs.String())
	return out.String(), cmd.ProcessState.ExitCode()
}
