package command_test

import (
	"bufio"
	"context"
	"fmt"
	"io"
	"net"
	"os"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/redis/go-redis/v9"

	"keyfeed/internal/change"
	"keyfeed/internal/command"
	"keyfeed/internal/resp"
	"keyfeed/internal/testenv"
)

// replica reads the replication stream of a server, as little of a replica as it takes.
type replica struct {
	conn   net.Conn
	in     *bufio.Reader
	offset int64 // of the last byte of stream
	start  int64
	stream []byte
}

// attach makes a full sync without an $EOF payload: the stream then flows without an ACK.
func attach(t *testing.T, src *testenv.Instance) *replica {
	t.Helper()
	var dialer net.Dialer
	conn, err := dialer.DialContext(t.Context(), "tcp", src.Addr())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = conn.Close() })
	if err := conn.SetDeadline(time.Now().Add(5 * time.Minute)); err != nil {
		t.Fatal(err)
	}
	if _, err := conn.Write(resp.AppendCommand(nil, "PSYNC", "?", "-1")); err != nil {
		t.Fatal(err)
	}
	r := &replica{conn: conn, in: bufio.NewReader(conn)}
	for {
		text, err := r.in.ReadString('\n')
		if err != nil {
			t.Fatalf("waiting for the payload: %v", err)
		}
		text = strings.TrimSpace(text)
		switch {
		case strings.HasPrefix(text, "+FULLRESYNC "):
			if r.start, err = strconv.ParseInt(strings.Fields(text)[2], 10, 64); err != nil {
				t.Fatal(err)
			}
			r.offset = r.start
		case strings.HasPrefix(text, "$"):
			size, err := strconv.ParseInt(text[1:], 10, 64)
			if err != nil {
				t.Fatal(err)
			}
			if _, err := io.CopyN(io.Discard, r.in, size); err != nil {
				t.Fatal(err)
			}
			return r
		case text != "":
			t.Fatalf("unexpected line %q", text)
		}
	}
}

// read reads up to the given offset.
func (r *replica) read(t *testing.T, to int64) {
	t.Helper()
	p := make([]byte, to-r.offset)
	if _, err := io.ReadFull(r.in, p); err != nil {
		t.Fatalf("reading the stream: %v", err)
	}
	r.stream = append(r.stream, p...)
	r.offset = to
}

// step is what a client types and the events that come of it; … in an event stands for anything.
type step struct {
	type_ string
	want  []string
}

// typed splits what a client types as line does; ¶ is a line feed.
func typed(text string) []any {
	var args []any
	for w := range strings.FieldsSeq(text) {
		args = append(args, strings.NewReplacer("_", " ", "¶", "\n").Replace(strings.Trim(w, "'")))
	}
	return args
}

// play types the steps, one connection for all, with a mark behind each, and compares the events between the marks.
// It returns the names of the rows that were seen.
func play(t *testing.T, src *testenv.Instance, steps []step) []string {
	t.Helper()
	ctx := t.Context()
	r := attach(t, src)
	c := src.Client().Conn()
	defer func() { _ = c.Close() }()
	for i, s := range steps {
		for part := range strings.SplitSeq(s.type_, " ; ") {
			if err := do(ctx, c, part); err != nil {
				t.Errorf("%s: %v", part, err)
			}
		}
		if err := do(ctx, c, fmt.Sprintf("PUBLISH mark %d", i)); err != nil {
			t.Fatal(err)
		}
	}
	r.read(t, src.Offset())

	set := settings()
	set.Publish = true
	rec := newRecord(set)
	rec.dec = command.New(set, command.Start{Gen: 7, ReplID: replid, Offset: r.start})
	if err := rec.dec.Feed(change.Chunk{Start: r.start, Data: r.stream, Arrived: arrived}, rec); err != nil {
		t.Fatalf("decoding: %v\n%q", err, r.stream)
	}
	got := make([][]string, len(steps))
	at := 0
	for _, e := range rec.short {
		if _, mark, ok := strings.Cut(e, `"PUBLISH","args":["mark","`); ok {
			at++
			if want := strconv.Itoa(at - 1); !strings.HasPrefix(mark, want+`"`) {
				t.Fatalf("mark %s where %s should be", mark, want)
			}
			continue
		}
		got[at] = append(got[at], e)
	}
	for i, s := range steps {
		if !slices.EqualFunc(got[i], s.want, matches) {
			t.Errorf("%s\n got %s\nwant %s", s.type_, strings.Join(got[i], "\n     "), strings.Join(s.want, "\n     "))
		}
	}
	var seen []string
	for _, n := range rec.dec.Counts().Commands {
		seen = append(seen, n.Name)
	}
	return seen
}

func do(ctx context.Context, c *redis.Conn, text string) error {
	if from, ok := strings.CutPrefix(text, "DUMP+"); ok { // DUMP+a RESTORE b 0 % …: % is the payload of a
		key, rest, _ := strings.Cut(from, " ")
		payload, err := c.Dump(ctx, key).Result()
		if err != nil {
			return fmt.Errorf("dumping: %w", err)
		}
		args := typed(rest)
		args[slices.Index(args, any("%"))] = payload
		return c.Do(ctx, args...).Err()
	}
	if text == "FUNCTION RESTORE %" {
		payload, err := c.FunctionDump(ctx).Result()
		if err != nil {
			return fmt.Errorf("dumping: %w", err)
		}
		return c.FunctionRestore(ctx, payload+"").Err()
	}
	err := c.Do(ctx, typed(text)...).Err()
	if err == redis.Nil { //nolint:errorlint // the client returns it as it is
		return nil
	}
	return err
}

// matches compares an event with a pattern that may hold "…" for anything, and a pattern without seq/n with " 0/1".
func matches(got, pattern string) bool {
	if !strings.Contains(pattern, "/") || pattern[len(pattern)-2] != '/' {
		pattern += " 0/1"
	}
	parts := strings.Split(pattern, "…")
	if !strings.HasPrefix(got, parts[0]) || !strings.HasSuffix(got, parts[len(parts)-1]) {
		return false
	}
	for _, p := range parts {
		i := strings.Index(got, p)
		if i < 0 {
			return false
		}
		got = got[i+len(p):]
	}
	return true
}

// checkTested compares the rows seen on a server with those that the table says were seen there.
func checkTested(t *testing.T, server string, seen []string) {
	t.Helper()
	text, err := os.ReadFile("commands.tsv")
	if err != nil {
		t.Fatal(err)
	}
	for row := range strings.Lines(string(text)) {
		cells := strings.Split(strings.TrimSpace(row), "\t")
		name, tested := cells[0], strings.Split(cells[len(cells)-1], ", ")
		if name == "PING" {
			continue // comes every ten seconds: with luck
		}
		if got := slices.Contains(seen, name); got != slices.Contains(tested, server) {
			t.Errorf("%s: seen from %s: %t; the table says tested: %s", name, server, got, tested)
		}
	}
}

// TestRedis70 types every family of commands into a real server and decodes what it sends its replicas.
func TestRedis70(t *testing.T) {
	src := testenv.Redis(t)
	if v := src.Info("server")["redis_version"]; !strings.HasPrefix(v, "7.0.") {
		t.Skipf("NOT TESTED: the redis-server in PATH is %s, the expectations are those of 7.0", v)
	}
	seen := play(t, src, redis70())
	if !t.Failed() {
		checkTested(t, "redis 7.0", seen)
	}
}
