package replay_test

import (
	"errors"
	"fmt"
	"math/rand/v2"
	"net"
	"testing"
	"time"

	"keyfeed/internal/replay"
	"keyfeed/internal/testenv"
)

// claimed is a Replayer that goes on where the target says.
func claimed(t *testing.T, conn net.Conn, opts replay.Options) *replay.Replayer {
	t.Helper()
	opts.Bookmark = true
	r := replay.New(conn, opts)
	place, err := r.Remembered()
	if err != nil {
		t.Fatal(err)
	}
	if err := r.Claim(place); err != nil {
		t.Fatal(err)
	}
	return r
}

// The bookmark is in database 0, and there alone, whatever the events do to it.
func TestBookmarkStaysWhereItIs(t *testing.T) {
	target := testenv.Redis(t)
	s := &script{}
	s.add(`"op":"m","kind":"snapshot_begin"`)
	s.seq(1, `"op":"r","db":0,"key":"keyfeed:replay","type":"string","value":"of a replay into the source"`)
	s.seq(2, `"op":"m","kind":"snapshot_end"`)
	s.add(`"op":"m","kind":"swapdb","cmd":"SWAPDB","args":["0","1"]`)
	s.add(`"op":"m","kind":"swapdb","cmd":"SWAPDB","args":["3","0"]`)
	s.add(`"op":"u","db":0,"key":"k","cmd":"SET","args":["1"],"txn":{"id":"1:1","seq":0,"size":2}`)
	s.add(`"op":"m","kind":"swapdb","cmd":"SWAPDB","args":["0","2"],"txn":{"id":"1:1","seq":1,"size":2,"last":true}`)
	s.add(`"op":"t","db":0,"cmd":"FLUSHDB","args":[]`)
	s.add(`"op":"t","cmd":"FLUSHALL","args":["SYNC"]`)
	s.add(`"op":"u","db":0,"key":"keyfeed:replay","type":"hash","cmd":"HSET","args":["id","z"]`)
	s.add(`"op":"d","db":0,"key":"keyfeed:replay","cmd":"DEL","args":[]`)
	s.add(`"op":"m","kind":"heartbeat"`)
	r := claimed(t, connect(t, target), replay.Options{})
	for _, line := range s.lines {
		if err := r.Apply([]byte(line)); err != nil {
			t.Fatalf("%s: %v", line, err)
		}
		if err := r.Commit(); err != nil {
			t.Fatalf("%s: %v", line, err)
		}
		if r.Inside() {
			continue
		}
		id, err := replay.LineID([]byte(line))
		if err != nil {
			t.Fatal(err)
		}
		want(t, target.Client(), id, "HGET", "keyfeed:replay", "id")
		for db := 1; db < 4; db++ {
			want(t, target.DB(db), int64(0), "EXISTS", "keyfeed:replay")
		}
	}
	if err := r.Forget(); err != nil {
		t.Fatal(err)
	}
	want(t, target.Client(), int64(0), "DBSIZE")
}

func TestCommandsOverTheBookmarkAreReported(t *testing.T) {
	r := claimed(t, connect(t, testenv.Redis(t)), replay.Options{})
	s := (&script{}).add(`"op":"d","db":0,"key":"k","cmd":"RENAME","args":["k","keyfeed:replay"],"keys":["k","keyfeed:replay"]`)
	err := r.Apply([]byte(s.lines[0]))
	if p, ok := errors.AsType[replay.InexactError](err); !ok || p.What != "reserved" {
		t.Errorf("error %v, want a problem", err)
	}
}

// Of two replays into one target the newer one goes on and the older one applies nothing more.
func TestNewerReplayFencesTheOlder(t *testing.T) {
	target := testenv.Redis(t)
	s := &script{}
	s.add(`"op":"m","kind":"snapshot_begin"`)
	for range 3 {
		s.add(`"op":"u","db":0,"key":"n","cmd":"INCR","args":[]`)
	}
	older := claimed(t, connect(t, target), replay.Options{})
	for _, line := range s.lines[:3] {
		if err := older.Apply([]byte(line)); err != nil {
			t.Fatal(err)
		}
		if err := older.Commit(); line != s.lines[2] && err != nil {
			t.Fatal(err)
		}
	}
	if err := older.Apply([]byte(s.lines[3])); err != nil {
		t.Fatal(err)
	}
	newer := claimed(t, connect(t, target), replay.Options{})
	if err := older.Commit(); !errors.Is(err, replay.ErrFenced) {
		t.Errorf("the older one: %v, want ErrFenced", err)
	}
	want(t, target.Client(), "2", "GET", "n")
	if err := newer.Apply([]byte(s.lines[3])); err != nil {
		t.Fatal(err)
	}
	if err := newer.Commit(); err != nil {
		t.Fatal(err)
	}
	want(t, target.Client(), "3", "GET", "n")
}

// cutConn is a connection that breaks after so many bytes written, or so many reads.
type cutConn struct {
	net.Conn
	bytes, reads int // left; negative: no limit
}

var errCut = errors.New("cut")

func (c *cutConn) Write(b []byte) (int, error) {
	if c.bytes < 0 {
		return c.Conn.Write(b)
	}
	n := min(len(b), c.bytes)
	if _, err := c.Conn.Write(b[:n]); err != nil {
		return 0, err
	}
	if c.bytes -= n; n < len(b) {
		return n, errors.Join(errCut, c.Close())
	}
	return n, nil
}

func (c *cutConn) Read(b []byte) (int, error) {
	if c.reads == 0 {
		return 0, errors.Join(errCut, c.Close())
	}
	c.reads--
	return c.Conn.Read(b)
}

// everything is a script in which nothing may be done twice.
func everything() *script {
	s := &script{}
	s.add(`"op":"m","kind":"snapshot_begin"`)
	n := 1
	r := func(body string) { n++; s.seq(n, `"op":"r",`+body+`,"snapshot":"true"`) }
	s.seq(n, `"op":"m","kind":"function","cmd":"FUNCTION LOAD","args":["REPLACE","#!lua name=lib\nredis.register_function('f', function() return 7 end)"]`)
	for i := range 1200 { // one value in many parts, larger than a group
		r(fmt.Sprintf(`"db":2,"key":"big","type":"list","value":["%d"],"expire_at_ms":9999999999999,"part":{"i":%d,"last":%v}`, i, i, i == 1199))
	}
	r(`"db":1,"key":"x","type":"stream","value":{"entries":[["3-0",["f","3"]],["5-0",["f","5"]]]},"part":{"i":0,"last":false}`)
	r(`"db":1,"key":"x","type":"stream","value":{"entries":[],"last_id":"9-0","max_deleted_id":"7-0","entries_added":9,` +
		`"groups":[{"name":"g","last_id":"9-0","entries_read":9,"consumers":[{"name":"c"}],"pending":[["1-0","c",1000,1],["3-0","c",1000,1],["4-0","c",1000,2]]}]},"expire_at_ms":9999999999999,"part":{"i":1,"last":true}`)
	r(`"db":0,"key":"h","type":"hash","value":{"f":"1"}`)
	n++
	s.seq(n, `"op":"m","kind":"snapshot_end"`)
	for i := range 12 {
		s.add(fmt.Sprintf(`"op":"u","db":%d,"key":"n","cmd":"INCR","args":[]`, i%3))
		s.add(`"op":"u","db":0,"key":"l","cmd":"RPUSH","args":["` + fmt.Sprint(i) + `"]`)
		size := 3
		if i == 6 { // larger than a group
			size = 1200
		}
		for k := range size {
			last := ""
			if k == size-1 {
				last = `,"last":true`
			}
			s.add(fmt.Sprintf(`"op":"u","db":%d,"key":"t","cmd":"RPUSH","args":["%d"],"txn":{"id":"t%d","seq":%d%s}`, k%2, k, i, k, last))
		}
		s.add(`"op":"m","kind":"swapdb","cmd":"SWAPDB","args":["0","2"]`)
	}
	return s
}

// Wherever the connection, or the process, ends, the next replay goes on to the same result.
func TestGoesOnFromAnyPoint(t *testing.T) {
	seed := uint64(time.Now().UnixNano())
	t.Logf("seed %d", seed)
	rnd := rand.New(rand.NewPCG(seed, 0))
	target := testenv.Redis(t)
	var events []*replay.Event
	for _, line := range everything().lines {
		e, err := replay.Parse([]byte(line))
		if err != nil {
			t.Fatal(err)
		}
		events = append(events, e)
	}
	// play runs to the end or the cut, and reports which.
	play := func(cut *cutConn) bool {
		r := replay.New(cut, replay.Options{Bookmark: true})
		place, err := r.Remembered()
		if err == nil {
			err = r.Claim(place)
		}
		for i, e := range events {
			if err != nil {
				break
			}
			if err = r.ApplyEvent(e); err == nil && i%97 == 96 {
				err = r.Commit()
			}
		}
		if err == nil {
			err = r.Flush()
		}
		if err != nil && !errors.Is(err, replay.ErrAway) {
			t.Fatalf("after the cut: %v", err)
		}
		return err == nil
	}
	digest := func() string {
		c := target.Client()
		c.Del(t.Context(), "keyfeed:replay")
		state := fmt.Sprint(c.Do(t.Context(), "DEBUG", "DIGEST").Val(), c.Do(t.Context(), "FCALL", "f", "0").Val(), c.DBSize(t.Context()).Val())
		x := target.DB(1)
		state += fmt.Sprint(x.XPending(t.Context(), "x", "g").Val(), x.XInfoGroups(t.Context(), "x").Val())
		c.FlushAll(t.Context())
		c.Do(t.Context(), "FUNCTION", "FLUSH")
		return state
	}
	whole := &cutConn{Conn: connect(t, target), bytes: 1 << 40, reads: -1}
	if !play(whole) {
		t.Fatal("the uncut run was cut")
	}
	total, want := 1<<40-whole.bytes, digest()
	for range 30 {
		cuts := 0
		for {
			cut := &cutConn{Conn: connect(t, target), bytes: -1, reads: -1}
			if cuts < 3 {
				if rnd.IntN(2) == 0 {
					cut.bytes = rnd.IntN(total)
				} else {
					cut.reads = rnd.IntN(60)
				}
				cuts++
			}
			if play(cut) {
				break
			}
		}
		if got := digest(); got != want {
			t.Fatalf("after %d cuts:\n%s\nwant\n%s", cuts, got, want)
		}
	}
}

// A gap inside a transaction drops what came of it, and nothing else.
func TestGapInsideATransaction(t *testing.T) {
	for _, size := range []int{3, 1500} {
		t.Run(fmt.Sprint(size), func(t *testing.T) {
			target := testenv.Redis(t)
			r := claimed(t, connect(t, target), replay.Options{Report: func(replay.InexactError) error { return nil }})
			s := &script{}
			s.add(`"op":"m","kind":"snapshot_begin"`)
			s.add(`"op":"u","db":0,"key":"before","cmd":"SET","args":["1"]`)
			for i := range size {
				s.add(fmt.Sprintf(`"op":"u","db":1,"key":"half","cmd":"SET","args":["1"],"txn":{"id":"1:1","seq":%d}`, i))
			}
			s.add(`"op":"m","kind":"gap"`)
			s.add(`"op":"u","db":0,"key":"after","cmd":"SET","args":["1"]`)
			for _, line := range s.lines {
				if err := r.Apply([]byte(line)); err != nil {
					t.Fatal(err)
				}
			}
			if err := r.Flush(); err != nil {
				t.Fatal(err)
			}
			want(t, target.Client(), int64(2), "EXISTS", "before", "after")
			want(t, target.DB(1), int64(0), "EXISTS", "half")
			want(t, target.Client(), "1", "HGET", "keyfeed:replay", "inexact")
		})
	}
}
