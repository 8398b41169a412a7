package replay_test

import (
	"context"
	"errors"
	"log/slog"
	"testing"
	"time"

	"keyfeed/internal/replay"
	"keyfeed/internal/testenv"
)

// feed is a Feed made of a function.
type feed func(ctx context.Context, after replay.Place, fn func(replay.Item) error) error

func (f feed) Read(ctx context.Context, after replay.Place, fn func(replay.Item) error) error {
	return f(ctx, after, fn)
}

func counting(n int) *script {
	s := &script{}
	s.add(`"op":"m","kind":"snapshot_begin"`)
	s.seq(1, `"op":"m","kind":"snapshot_end"`)
	for range n {
		s.add(`"op":"u","db":0,"key":"n","cmd":"INCR","args":[]`)
	}
	return s
}

func jobFor(target *testenv.Instance, f replay.Feed) *replay.Job {
	return &replay.Job{
		Target: replay.Target{Network: "tcp", Address: target.Addr()}, Feed: f, Log: slog.New(slog.DiscardHandler),
	}
}

// A target that goes away in the middle is waited for. Where it comes back without its data it gets all of it again.
func TestTargetThatLosesItsData(t *testing.T) {
	for _, keeps := range []bool{true, false} {
		target := testenv.Redis(t)
		s := counting(100)
		away := false
		var j *replay.Job
		j = jobFor(target, feed(func(ctx context.Context, _ replay.Place, fn func(replay.Item) error) error {
			for i, line := range s.lines {
				if i == 50 && !away {
					away = true
					// The target shows what it applied before the job has its answer, and without the answer it counts nothing.
					testenv.Eventually(t, time.Minute, "half is applied", func() bool { return j.Tally().Events.Load() == 50 })
					want(t, target.Client(), "48", "GET", "n")
					if keeps {
						target.Client().Save(ctx)
						target.Stop("SAVE")
					}
					target.Restart()
				}
				if err := fn(replay.Item{Line: []byte(line)}); err != nil {
					return err
				}
			}
			return nil
		}))
		j.Follow = true
		if err := j.Run(t.Context()); err != nil {
			t.Fatal(err)
		}
		want(t, target.Client(), "100", "GET", "n")
		wantEvents := int64(len(s.lines))
		if !keeps {
			wantEvents += 50
		}
		if n := j.Tally().Events.Load(); n != wantEvents {
			t.Errorf("%d events were applied, want %d", n, wantEvents)
		}
	}
}

// A cursor that leads into another stream is not trusted: everything there is is looked through.
func TestCursorOfAnotherStream(t *testing.T) {
	target := testenv.Redis(t)
	s := counting(10)
	var cursors []string
	j := jobFor(target, feed(func(_ context.Context, after replay.Place, fn func(replay.Item) error) error {
		cursors = append(cursors, after.Cursor)
		lines := s.lines[:6]
		if after.ID != "" {
			lines = s.lines
		}
		if after.Cursor != "" {
			lines = s.lines[9:]
		}
		for i, line := range lines {
			id, err := replay.LineID([]byte(line))
			if err != nil {
				return err
			}
			it := replay.Item{Line: []byte(line), Cursor: "here", Gap: i == 0 && after.ID != "" && id > after.ID}
			if err := fn(it); err != nil {
				return err
			}
		}
		return nil
	}))
	for range 2 {
		if err := j.Run(t.Context()); err != nil {
			t.Fatal(err)
		}
	}
	want(t, target.Client(), "10", "GET", "n")
	if len(cursors) != 3 || cursors[0] != "" || cursors[1] != "here" || cursors[2] != "" {
		t.Errorf("read from %q", cursors)
	}
}

// A stop applies what is complete and leaves what is open to the next run.
func TestStopInsideATransaction(t *testing.T) {
	target := testenv.Redis(t)
	s := counting(3)
	s.add(`"op":"u","db":0,"key":"n","cmd":"INCR","args":[],"txn":{"id":"1:1","seq":0}`)
	s.add(`"op":"u","db":0,"key":"n","cmd":"INCR","args":[],"txn":{"id":"1:1","seq":1,"last":true}`)
	ctx, stop := context.WithCancel(t.Context())
	defer stop()
	read := func(lines []string, then func(context.Context) error) replay.Feed {
		return feed(func(ctx context.Context, _ replay.Place, fn func(replay.Item) error) error {
			for _, line := range lines {
				if err := fn(replay.Item{Line: []byte(line)}); err != nil {
					return err
				}
			}
			return then(ctx)
		})
	}
	j := jobFor(target, read(s.lines[:6], func(ctx context.Context) error {
		testenv.Eventually(t, time.Minute, "all complete events are applied", func() bool { return target.Client().Get(ctx, "n").Val() == "3" })
		stop()
		<-ctx.Done()
		return context.Cause(ctx)
	}))
	if err := j.Run(ctx); err != nil {
		t.Fatal(err)
	}
	want(t, target.Client(), "3", "GET", "n")
	if err := jobFor(target, read(s.lines, func(context.Context) error { return nil })).Run(t.Context()); err != nil {
		t.Fatal(err)
	}
	want(t, target.Client(), "5", "GET", "n")
	err := jobFor(target, read(append(s.lines, (&script{offset: s.offset}).add(`"op":"u","db":0,"key":"n","cmd":"INCR","args":[],"txn":{"id":"1:2","seq":0}`).lines...),
		func(context.Context) error { return nil })).Run(t.Context())
	if !errors.Is(err, replay.ErrTxn) {
		t.Errorf("an end inside a transaction: %v, want ErrTxn", err)
	}
}

// What a group is made of is the same for every server, old ones without functions too.
func TestServers(t *testing.T) {
	for _, name := range []string{"redis-6.2", "redis-7.4", "valkey-9"} {
		t.Run(name, func(t *testing.T) {
			target := testenv.Server(t, name)
			s := counting(2500)
			j := jobFor(target, feed(func(_ context.Context, _ replay.Place, fn func(replay.Item) error) error {
				for _, line := range s.lines {
					if err := fn(replay.Item{Line: []byte(line)}); err != nil {
						return err
					}
				}
				return nil
			}))
			for range 2 { // the second time there is nothing to do
				if err := j.Run(t.Context()); err != nil {
					t.Fatal(err)
				}
			}
			want(t, target.Client(), "2500", "GET", "n")
		})
	}
}
