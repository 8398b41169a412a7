package bridge_test

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"math/rand/v2"
	"net"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"keyfeed/backlog"
	"keyfeed/ingest"
	"keyfeed/internal/bridge"
	"keyfeed/internal/change"
	"keyfeed/internal/testenv"
	"keyfeed/sinks"
)

// shared is a sink that several processes may write to: opening fences whoever did before.
type shared struct {
	mu      sync.Mutex
	owner   *process // guarded by mu, as all below
	fenced  int      // writers that were alive and were fenced
	reading int      // Standby calls that fail from now on
}

// process is one keyfeed's client of it.
type process struct {
	place   *shared
	updates chan struct{}
	err     error // guarded by place.mu
	alive   bool  // guarded by place.mu
}

func (p *shared) newProcess() *process { return &process{place: p, updates: make(chan struct{}, 1)} }

func (w *process) Open(context.Context) (change.Position, error) {
	p := w.place
	p.mu.Lock()
	defer p.mu.Unlock()
	if o := p.owner; o != nil && o != w && o.alive {
		p.fenced++
		o.err, o.alive = fmt.Errorf("%w: scripted", sinks.ErrFenced), false
		o.updates <- struct{}{}
	}
	p.owner, w.alive, w.err = w, true, nil
	return change.Position{}, nil
}

// Standby sees a writer that lives give a sign every 5 seconds.
func (w *process) Standby(ctx context.Context, quiet time.Duration) error {
	last := time.Now()
	tick := time.NewTicker(5 * time.Second)
	defer tick.Stop()
	for {
		w.place.mu.Lock()
		broken := w.place.reading > 0
		w.place.reading = max(w.place.reading-1, 0)
		if o := w.place.owner; o != nil && o.alive {
			last = time.Now()
		}
		w.place.mu.Unlock()
		if broken {
			return errAway
		}
		if time.Since(last) >= quiet {
			return nil
		}
		select {
		case <-tick.C:
		case <-ctx.Done():
			return context.Cause(ctx)
		}
	}
}

func (*process) Write(_ context.Context, b *change.Batch) error { b.Release(); return nil }
func (*process) Flush(context.Context) error                    { return nil }
func (*process) Confirmed() change.Position                     { return change.Position{} }
func (w *process) Updates() <-chan struct{}                     { return w.updates }

func (w *process) Err() error {
	w.place.mu.Lock()
	defer w.place.mu.Unlock()
	return w.err
}

func (w *process) Close() error {
	w.place.mu.Lock()
	defer w.place.mu.Unlock()
	w.alive = false
	return nil
}

// keyfeed is a process under a supervisor that starts it again whenever it ends.
type keyfeed struct {
	tb    testing.TB
	place *shared
	dir   string

	off  context.CancelFunc // ends the supervisor too
	gone chan struct{}

	mu       sync.Mutex
	unmarked int                // starts that found no marker; guarded by mu
	end      error              // of the last Run; guarded by mu
	kill     context.CancelFunc // ends the process that runs, the supervisor starts the next one; guarded by mu
}

func (k *keyfeed) killNow() {
	k.mu.Lock()
	kill := k.kill
	k.mu.Unlock()
	kill()
	synctest.Wait()
}

func (k *keyfeed) unmarkedStarts() int {
	k.mu.Lock()
	defer k.mu.Unlock()
	return k.unmarked
}

func (k *keyfeed) marked() bool {
	_, err := os.Stat(filepath.Join(k.dir, "sources", "s", "fenced"))
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		k.tb.Error(err)
	}
	return err == nil
}

func (k *keyfeed) on() {
	ctx, off := context.WithCancel(context.Background())
	k.off, k.gone = off, make(chan struct{})
	run := func() {
		pctx, kill := context.WithCancel(ctx)
		defer kill()
		marked := k.marked()
		k.mu.Lock()
		k.kill = kill
		if !marked {
			k.unmarked++
		}
		k.mu.Unlock()
		err := bridge.New(bridge.Config{
			Name: "s", DataDir: k.dir, Logger: slog.New(slog.DiscardHandler),
			Source: ingest.Config{Dial: func(context.Context) (net.Conn, error) { return nil, errAway }},
		}, k.place.newProcess()).Run(pctx)
		if err != nil && !errors.Is(err, sinks.ErrFenced) {
			k.tb.Errorf("Run: %v", err)
		}
		k.mu.Lock()
		k.end = err
		k.mu.Unlock()
	}
	go func() {
		defer close(k.gone)
		for ctx.Err() == nil {
			run()
			select {
			case <-time.After(time.Second):
			case <-ctx.Done():
			}
		}
	}()
	synctest.Wait()
}

func (k *keyfeed) stop() {
	k.off()
	<-k.gone
}

func (p *shared) fencings() int {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.fenced
}

// TestTwoNeverTakeTurns: two keyfeeds with one source name on one sink, both started again whenever they end.
func TestTwoNeverTakeTurns(t *testing.T) {
	dirA, dirB := t.TempDir(), t.TempDir()
	synctest.Test(t, func(t *testing.T) {
		p := &shared{}
		a, b := &keyfeed{tb: t, place: p, dir: dirA}, &keyfeed{tb: t, place: p, dir: dirB}
		a.on()
		time.Sleep(time.Minute)
		b.on()
		p.mu.Lock()
		p.reading = 3 // the broker is away while a stands by
		p.mu.Unlock()
		time.Sleep(6 * time.Hour)
		if n := p.fencings(); n != 1 || !a.marked() || b.marked() {
			t.Fatalf("%d fencings in six hours, markers %v %v: want the second to have taken over once", n, a.marked(), b.marked())
		}
		b.stop()
		time.Sleep(20 * time.Second) // the quiet, and less than two signs of life
		if n := p.fencings(); n != 1 || a.marked() {
			t.Errorf("%d fencings, marked %v: want the first to have taken over from nobody", n, a.marked())
		}
		b.on()
		time.Sleep(6 * time.Hour)
		if n := p.fencings(); n != 2 || !a.marked() {
			t.Errorf("%d fencings, want a new start to have taken over once", n)
		}
		a.stop() // SIGTERM while standing by
		if err := a.end; err != nil || !a.marked() {
			t.Errorf("a standby that is told to stop ends with %v, marked %v: want nil and a marker", err, a.marked())
		}
		b.stop()
	})
}

// TestFencedNeverFencesTheLiving: whatever is killed when, only a start without a marker takes a sink from a writer
// that lives.
func TestFencedNeverFencesTheLiving(t *testing.T) {
	seed := rand.Uint64()
	t.Logf("seed %d", seed)
	dirs := []string{t.TempDir(), t.TempDir()}
	synctest.Test(t, func(t *testing.T) {
		rng := rand.New(rand.NewPCG(seed, 0))
		p := &shared{}
		var both []*keyfeed
		for _, dir := range dirs {
			both = append(both, &keyfeed{tb: t, place: p, dir: dir})
		}
		for _, k := range both {
			k.on()
		}
		for range 200 {
			time.Sleep(time.Duration(rng.Int64N(int64(40 * time.Second))))
			if k := both[rng.IntN(2)]; rng.IntN(2) == 0 {
				k.killNow()
			} else {
				k.stop()
				time.Sleep(time.Duration(rng.Int64N(int64(time.Minute))))
				if rng.IntN(4) == 0 && k.marked() { // as if it had died before it was written
					if err := os.Remove(filepath.Join(k.dir, "sources", "s", "fenced")); err != nil {
						t.Error(err)
					}
				}
				k.on()
			}
			if n, most := p.fencings(), both[0].unmarkedStarts()+both[1].unmarkedStarts()-1; n > most {
				t.Fatalf("%d fencings by %d starts without a marker", n, most+1)
			}
		}
		for _, k := range both {
			k.stop()
		}
		t.Logf("%d fencings, %d starts without a marker", p.fencings(), both[0].unmarkedStarts()+both[1].unmarkedStarts())
	})
}

// stander is a memorySink whose other writer goes when gone is closed.
type stander struct {
	*memorySink

	link  func() bridge.LinkStatus
	gone  chan struct{}
	quiet chan time.Duration
}

func (s *stander) Standby(ctx context.Context, quiet time.Duration) error {
	s.quiet <- quiet
	select {
	case <-s.gone:
		return nil
	case <-ctx.Done():
		return context.Cause(ctx)
	}
}

// Open takes its time: long enough for a link that does not wait for it to have asked the source.
func (s *stander) Open(ctx context.Context) (change.Position, error) {
	testenv.Eventually(s.tb, patience, "a link that waits", func() bool {
		l := s.link()
		return l.State == string(ingest.StateBlocked) && time.Since(l.Since) > 300*time.Millisecond || l.FullSyncs > 0
	})
	return s.memorySink.Open(ctx)
}

// TestStandbyCostsNoFullSync: the log of a fenced process falls out of the source's backlog while another one goes on.
// It leaves the source alone as long as it stands by, and resumes from the sink's position then.
func TestStandbyCostsNoFullSync(t *testing.T) {
	r := newRig(t)
	r.cfg.Backlog = backlog.Config{MaxBytes: 64 << 20, Sync: time.Millisecond}
	if err := r.source.Client().ConfigSet(t.Context(), "repl-backlog-size", "16kb").Err(); err != nil {
		t.Fatal(err)
	}
	r.start()
	r.set("a")
	r.await("a")
	r.stopClean()
	own := r.cfg.DataDir

	r.cfg.DataDir = t.TempDir() // the other process
	r.start()
	r.set("attached")
	r.await("attached")
	if err := r.source.Client().Set(t.Context(), "big", strings.Repeat("x", 64<<10), 0).Err(); err != nil {
		t.Fatal(err)
	}
	r.set("b")
	r.await("b")
	r.stopClean()

	marker := filepath.Join(own, "sources", "s", "fenced")
	if err := os.WriteFile(marker, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	r.cfg.DataDir, r.cfg.Pump.HeartbeatInterval = own, 7*time.Second
	s := &stander{memorySink: r.sink, gone: make(chan struct{}), quiet: make(chan time.Duration, 1)}
	s.link = func() bridge.LinkStatus { return r.b.Status().Link }
	r.startOn(s)
	if q := <-s.quiet; q != 21*time.Second {
		t.Errorf("standing by for %v of silence, want three heartbeats", q)
	}
	st := r.b.Status()
	if err := r.b.Ready(); !st.StandingBy || err == nil || !strings.Contains(err.Error(), "standing by") {
		t.Errorf("standing by since %v, ready: %v", st.StandingBy, err)
	}
	if st.Link.State != string(ingest.StateBlocked) && st.Link.State != string(ingest.StateStopped) && st.Link.State != "" {
		t.Errorf("the link is %s while standing by", st.Link.State)
	}
	r.set("c")
	close(s.gone)
	r.await("c")
	testenv.Eventually(t, patience, "a link that is ready", func() bool { return r.b.Ready() == nil })
	if r.b.Status().StandingBy {
		t.Error("still standing by")
	}
	if _, err := os.Stat(marker); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("the marker is still there: %v", err)
	}
	r.stopClean()
	r.check(1, "initial")
}
