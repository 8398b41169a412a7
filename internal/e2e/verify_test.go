//go:build e2e

package e2e

import (
	"bytes"
	"errors"
	"net"
	"os"
	"path/filepath"
	"sync"
	"testing"
	"time"

	"github.com/santhosh-tekuri/jsonschema/v6"

	"keyfeed/internal/replay"
	"keyfeed/internal/testenv"
)

// schemaFile is the schema of the events, from this package's directory.
const schemaFile = "../../docs/events.schema.json"

// validate holds that every event a collector has is valid by the schema.
func validate(t *testing.T, c *collector) {
	t.Helper()
	f, err := os.Open(schemaFile)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	doc, err := jsonschema.UnmarshalJSON(f)
	if err != nil {
		t.Fatalf("reading the schema: %v", err)
	}
	compiler := jsonschema.NewCompiler()
	compiler.AssertFormat()
	if err := compiler.AddResource("events.schema.json", doc); err != nil {
		t.Fatalf("reading the schema: %v", err)
	}
	schema, err := compiler.Compile("events.schema.json")
	if err != nil {
		t.Fatalf("compiling the schema: %v", err)
	}
	started := time.Now()
	lines := make(chan []byte, 64)
	var mu sync.Mutex
	bad, total := 0, 0
	var workers sync.WaitGroup
	for range 2 {
		workers.Go(func() {
			n := 0
			for line := range lines {
				n++
				v, err := jsonschema.UnmarshalJSON(bytes.NewReader(line))
				if err == nil {
					err = schema.Validate(v)
				}
				if err != nil {
					mu.Lock()
					if bad++; bad <= 10 {
						t.Errorf("event is not valid: %.600s\n%v", line, err)
					}
					mu.Unlock()
				}
			}
			mu.Lock()
			total += n
			mu.Unlock()
		})
	}
	for part := range c.parts {
		if err := c.each(part, func(line []byte) error { lines <- line; return nil }); err != nil {
			t.Errorf("reading events: %v", err)
		}
	}
	close(lines)
	workers.Wait()
	t.Logf("validated %d events in %v, %d are not valid", total, time.Since(started).Round(time.Millisecond), bad)
	if total == 0 {
		t.Error("there was no event")
	}
}

// keep copies what a collector has into KEYFEED_E2E_KEEP, when that is set and the test has failed.
func keep(t *testing.T, c *collector) {
	t.Helper()
	dir := os.Getenv("KEYFEED_E2E_KEEP")
	if dir == "" || !t.Failed() {
		return
	}
	to := filepath.Join(dir, t.Name())
	if err := errors.Join(os.RemoveAll(to), os.CopyFS(to, os.DirFS(c.dir))); err != nil {
		t.Errorf("keeping the events: %v", err)
	}
	t.Logf("the events are in %s", to)
}

// rebuild replays what a collector has into an empty server.
func rebuild(t *testing.T, c *collector) *testenv.Instance {
	t.Helper()
	target := testenv.Redis(t)
	if err := target.Client().Do(t.Context(), "DEBUG", "SET-ACTIVE-EXPIRE", "0").Err(); err != nil {
		t.Fatal(err)
	}
	conn, err := net.Dial("tcp", target.Addr())
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	started := time.Now()
	problems := 0
	r := replay.New(conn, replay.Options{Report: func(p replay.InexactError) error {
		if problems++; problems <= 10 {
			t.Errorf("replay: %v", p)
		}
		return nil
	}})
	if err := replayAll(c, r); err != nil {
		t.Fatalf("replay: %v", err)
	}
	stats := r.Stats()
	t.Logf("replayed %d events (%d repeats) as %d commands in %v; %d streams were rebuilt for pending entries without entry",
		stats.Events, stats.Repeats, stats.Commands, time.Since(started).Round(time.Millisecond), stats.Rebuilt)
	if stats.SnapshotOpen {
		t.Error("the snapshot has no end")
	}
	return target
}

// replayAll merges the partitions by id and applies the events.
func replayAll(c *collector, r *replay.Replayer) error {
	if len(c.parts) == 1 {
		if err := c.each(0, r.Apply); err != nil {
			return err
		}
		return r.Flush()
	}
	feeds := make([]chan []byte, len(c.parts))
	errs := make(chan error, len(c.parts))
	stop := make(chan struct{})
	defer close(stop)
	for part := range c.parts {
		feed := make(chan []byte, 16)
		feeds[part] = feed
		go func() {
			defer close(feed)
			errs <- c.each(part, func(line []byte) error {
				select {
				case feed <- line:
					return nil
				case <-stop:
					return errStopped
				}
			})
		}()
	}
	m := replay.NewMerger(len(feeds))
	for {
		if line, ok := m.Next(); ok {
			if err := r.Apply(line); err != nil {
				return err
			}
			continue
		}
		part := m.Wanting()
		if part < 0 {
			break
		}
		line, ok := <-feeds[part]
		if !ok {
			m.End(part)
			continue
		}
		if err := m.Add(part, line); err != nil {
			return err
		}
	}
	for range feeds {
		if err := <-errs; err != nil {
			return err
		}
	}
	return r.Flush()
}

var errStopped = errors.New("the replay has stopped")
