package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"strconv"
	"strings"

	"github.com/redis/go-redis/v9"
)

// tally is what the stream holds, read by one more keyfeed tail.
type tally struct {
	events    int
	snapshots int
	reads     int
	lastID    string
	disorder  int
	orders    map[string]int // events per order key
}

func (t *tally) add(raw string) error {
	var e struct {
		ID   string `json:"id"`
		Op   string `json:"op"`
		Kind string `json:"kind"`
		Key  string `json:"key"`
	}
	if !strings.HasPrefix(raw, "{") {
		return fmt.Errorf("keyfeed tail says: %s", raw)
	}
	if err := json.Unmarshal([]byte(raw), &e); err != nil {
		return fmt.Errorf("reading an event: %w", err)
	}
	t.events++
	switch {
	case e.Kind == "snapshot_begin":
		t.snapshots++
	case e.Op == "r":
		t.reads++
	case strings.HasPrefix(e.Key, "order:"):
		t.orders[e.Key]++
	}
	if e.Kind != "heartbeat" && e.Kind != "history" {
		if e.ID <= t.lastID {
			t.disorder++
		}
		t.lastID = e.ID
	}
	return nil
}

// check reads the whole stream and compares it with what was written and with what the source counted.
func check(ctx context.Context, s *stage, binary string, env []string, c *redis.Client, w *writer, missed int64) error {
	t := tally{orders: make(map[string]int)}
	var bad error
	p, err := start(ctx, binary, []string{"tail", "-from", "start", "-json", "-follow=false"}, env, func(line string) {
		if err := t.add(line); err != nil && bad == nil {
			bad = err
		}
	})
	if err != nil {
		return err
	}
	<-p.read
	if bad != nil {
		return bad
	}
	lost, twice := 0, 0
	for i := int64(1); i <= w.count(); i++ {
		switch n := t.orders[orderKey(i)]; {
		case n == 0:
			lost++
		case n > 1:
			twice++
		}
	}
	stats, err := c.Info(ctx, "stats").Result()
	if err != nil {
		return fmt.Errorf("asking redis for its counters: %w", err)
	}
	full, partial := counter(stats, "sync_full"), counter(stats, "sync_partial_ok")

	var errs []error
	verdict := func(ok bool, format string, args ...any) {
		line := fmt.Sprintf(format, args...)
		mark := "ok  "
		if !ok {
			mark = "FAIL"
			errs = append(errs, errors.New(line))
		}
		s.say("%s  %s", mark, line)
	}
	verdict(t.snapshots == 1 && t.reads > 0, "%d snapshot with %d keys", t.snapshots, t.reads)
	verdict(full == 1, "%d full sync asked of the source (the first)", full)
	verdict(partial >= 1, "%d partial resync after the kill", partial)
	verdict(missed > 0, "%d changes were written while keyfeed was dead", missed)
	verdict(lost == 0, "%d of %d numbered changes missing", lost, w.count())
	verdict(twice == 0, "%d of them twice", twice)
	verdict(t.disorder == 0, "%d of %d events out of order", t.disorder, t.events)
	return errors.Join(errs...)
}

func counter(info, name string) int {
	for line := range strings.Lines(info) {
		if v, ok := strings.CutPrefix(line, name+":"); ok {
			n, err := strconv.Atoi(strings.TrimSpace(v))
			if err == nil {
				return n
			}
		}
	}
	return -1
}
