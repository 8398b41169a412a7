//go:build e2e

package e2e

import (
	"bufio"
	"bytes"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"keyfeed/internal/replay"
)

// collector writes down what a sink holds, one file per partition, and checks the order while it comes. A reader of
// the sink calls add; JetStream has one partition.
type collector struct {
	t   *testing.T
	dir string

	mu    sync.Mutex // guards what follows
	parts []*partition
	over  bool // what comes now is not written down any more
}

type partition struct {
	file     *os.File
	w        *bufio.Writer
	lines    int64
	repeats  int64
	last     string           // highest id
	seen     map[string]bool  // ids; nil = the order is checked later, from the files
	barrier  int64            // highest offset of a barrier event
	snapshot bool             // one has begun and not ended
	problems []string         // order violations
	kinds    map[string]int64 // messages by kind
}

func newCollector(t *testing.T, partitions int) *collector {
	t.Helper()
	c := &collector{t: t, dir: t.TempDir()}
	for i := range partitions {
		f, err := os.Create(filepath.Join(c.dir, fmt.Sprint("partition-", i)))
		if err != nil {
			t.Fatal(err)
		}
		c.parts = append(c.parts, &partition{
			file: f, w: bufio.NewWriterSize(f, 1<<20), seen: map[string]bool{}, kinds: map[string]int64{},
		})
	}
	t.Cleanup(func() {
		for _, p := range c.parts {
			p.file.Close()
		}
	})
	return c
}

// newLedger is a collector for so many events that their ids do not fit into memory: it does not check the order.
func newLedger(t *testing.T, partitions int) *collector {
	t.Helper()
	c := newCollector(t, partitions)
	for _, p := range c.parts {
		p.seen = nil
	}
	return c
}

// add takes the next event of a partition.
func (c *collector) add(part int, line []byte) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.over {
		return
	}
	p := c.parts[part]
	p.lines++
	if _, err := p.w.Write(append(slices.Clip(line), '\n')); err != nil {
		p.problem("writing down: %v", err)
	}
	id, err := replay.LineID(line)
	if err != nil {
		p.problem("%v: %.100q", err, line)
		return
	}
	switch {
	case strings.HasPrefix(id, "0000000000:"): // the heartbeat of a writer that begins, outside the order
	case p.seen == nil:
		p.last = max(p.last, id)
	case p.seen[id]:
		p.repeats++
	case id <= p.last:
		p.problem("%s comes after %s and is new", id, p.last)
	default:
		p.last = id
	}
	if p.seen != nil {
		p.seen[id] = true
	}
	if kind, ok := cutField(line, `"op":"m","kind":"`); ok {
		p.kinds[kind]++
		if kind == "snapshot_begin" || kind == "snapshot_end" {
			p.snapshot = kind == "snapshot_begin"
		}
	}
	if bytes.Contains(line[:min(len(line), 200)], []byte(`"op":"t","db":`+strconv.Itoa(barrierDB))) {
		p.barrier = max(p.barrier, idOffset(id))
	}
}

func (p *partition) problem(format string, args ...any) {
	if len(p.problems) < 10 {
		p.problems = append(p.problems, fmt.Sprintf(format, args...))
	}
}

// cutField returns the text after prefix up to the next quote, when prefix stands near the start of the line.
func cutField(line []byte, prefix string) (string, bool) {
	_, rest, ok := bytes.Cut(line[:min(len(line), 200)], []byte(prefix))
	if !ok {
		return "", false
	}
	field, _, ok := bytes.Cut(rest, []byte(`"`))
	return string(field), ok
}

// idOffset is the offset in an id.
func idOffset(id string) int64 {
	fields := strings.Split(id, ":")
	if len(fields) < 3 {
		return -1
	}
	n, err := strconv.ParseInt(fields[1], 10, 64)
	if err != nil {
		return -1
	}
	return n
}

// awaitBarrier waits until every partition has brought a FLUSHDB of the barrier database above offset.
func (c *collector) awaitBarrier(k *keyfeed, offset int64, timeout time.Duration) {
	c.t.Helper()
	c.await(k, timeout, fmt.Sprintf("the barrier above offset %d in every partition", offset), func(p *partition) bool { return p.barrier > offset })
}

// await waits until every partition is as wanted, and fails when keyfeed ends meanwhile.
func (c *collector) await(k *keyfeed, timeout time.Duration, what string, ok func(*partition) bool) {
	c.t.Helper()
	deadline := time.Now().Add(timeout)
	tick := time.NewTicker(20 * time.Millisecond)
	defer tick.Stop()
	for !c.all(ok) {
		k.running()
		if time.Now().After(deadline) {
			c.t.Fatalf("not within %v: %s; have %s", timeout, what, c)
		}
		<-tick.C
	}
}

func (c *collector) all(ok func(*partition) bool) bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	for _, p := range c.parts {
		if !ok(p) {
			return false
		}
	}
	return true
}

// awaitKind waits until every partition has had n messages of the kind.
func (c *collector) awaitKind(k *keyfeed, kind string, n int64, timeout time.Duration) {
	c.t.Helper()
	c.await(k, timeout, fmt.Sprintf("%d messages %s in every partition", n, kind), func(p *partition) bool { return p.kinds[kind] >= n })
}

// messages is how many messages of the kind the first partition has.
func (c *collector) messages(kind string) int64 {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.parts[0].kinds[kind]
}

// count is how many events have come.
func (c *collector) count() int64 {
	c.mu.Lock()
	defer c.mu.Unlock()
	var n int64
	for _, p := range c.parts {
		n += p.lines
	}
	return n
}

// String tells how far the partitions are.
func (c *collector) String() string {
	c.mu.Lock()
	defer c.mu.Unlock()
	var b strings.Builder
	for i, p := range c.parts {
		fmt.Fprintf(&b, "partition %d: %d events, %d repeats, last %s. ", i, p.lines, p.repeats, p.last)
	}
	return b.String()
}

// finish writes the files to their end and reports violations of the order.
func (c *collector) finish() {
	c.t.Helper()
	c.mu.Lock()
	defer c.mu.Unlock()
	c.over = true
	for i, p := range c.parts {
		if err := p.w.Flush(); err != nil {
			c.t.Fatal(err)
		}
		for _, text := range p.problems {
			c.t.Errorf("order in partition %d: %s", i, text)
		}
	}
}

// each calls f with every line of a partition, in order; call it after finish.
func (c *collector) each(part int, f func(line []byte) error) error {
	file, err := os.Open(c.parts[part].file.Name())
	if err != nil {
		return err
	}
	defer file.Close()
	r := bufio.NewReaderSize(file, 1<<20)
	for {
		line, err := r.ReadBytes('\n')
		if err == io.EOF {
			return nil
		}
		if err != nil {
			return err
		}
		if err := f(line[:len(line)-1]); err != nil {
			return err
		}
	}
}
