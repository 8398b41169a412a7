package kafka_test

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"sync"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kfake"
	"github.com/twmb/franz-go/pkg/kmsg"
	"github.com/twmb/franz-go/pkg/kversion"

	"keyfeed/sinks"
)

// TestEveryStepMayFail disturbs one request of each kind that Open and a transaction consist of, while a writer goes on as
// the pump does. Whatever becomes of the request, each event is stored once.
func TestEveryStepMayFail(t *testing.T) {
	t.Parallel()
	old := kfake.MaxVersions(kversion.V3_6_0()) // transactions before KIP-890: partitions are added by a request of their own
	for _, step := range []struct {
		key  kmsg.Key
		opts []kfake.Opt
		err  *kerr.Error // that this request may be answered with, and that the client does not retry
	}{
		{kmsg.FindCoordinator, nil, kerr.UnknownServerError},
		{kmsg.InitProducerID, nil, kerr.ProducerFenced},
		{kmsg.ListOffsets, nil, kerr.UnknownServerError},
		{kmsg.Fetch, nil, kerr.UnknownServerError},
		{kmsg.Produce, nil, kerr.InvalidProducerEpoch},
		{kmsg.Produce, nil, kerr.OutOfOrderSequenceNumber},
		{kmsg.EndTxn, nil, kerr.ProducerFenced},
		{kmsg.EndTxn, nil, kerr.UnknownServerError},
		{kmsg.AddPartitionsToTxn, []kfake.Opt{old}, kerr.InvalidProducerEpoch},
		{kmsg.Produce, []kfake.Opt{old}, kerr.InvalidProducerEpoch},
		{kmsg.EndTxn, []kfake.Opt{old}, kerr.InvalidProducerEpoch},
	} {
		for _, kind := range []string{"error", "retriable error", "lost request", "lost reply", "late request"} {
			name := fmt.Sprintf("%s/%s/%s", step.key.Name(), step.err.Message, kind)
			if step.opts != nil {
				name = "old/" + name
			}
			t.Run(name, func(t *testing.T) {
				t.Parallel()
				testStepFails(t, step.key, kind, step.err, step.opts...)
			})
		}
	}
}

func testStepFails(t *testing.T, key kmsg.Key, kind string, code *kerr.Error, opts ...kfake.Opt) {
	t.Helper()
	const all = 300
	seed := rand.Uint64()
	rng := rand.New(rand.NewPCG(seed, 0))
	t.Logf("seed %d", seed)
	g := newGate(t)
	c := cluster(t, append(opts, kfake.ListenFn(g.listen))...)
	seedTopics(t, c, "redis")
	cfg := config("redis", c.ListenAddrs()...)
	patient := cfg
	cfg.DeliveryTimeout = 300 * time.Millisecond
	if err := opened(t, patient).Close(); err != nil { // an older writer, whose progress is there to read
		t.Fatal(err)
	}
	s := newSink(t, cfg)
	t.Cleanup(func() { _ = s.Close() })

	// A request of Open comes at the first Open; a later one hits the transactions.
	skip := 0
	if key == kmsg.Produce || key == kmsg.EndTxn || key == kmsg.AddPartitionsToTxn {
		skip = rng.IntN(8)
	}
	d := &disturbance{c: c, gate: g, skip: skip, late: make(chan struct{})}
	d.install(key, kind, code)
	w := &writer{sink: s, openWithin: time.Second, opened: func(opens int) {
		if opens > 1 {
			d.release() // what was late comes now, into another session
		}
	}}
	err := w.until(within(t), all)
	d.release()
	if err != nil {
		t.Fatal(err)
	}
	if d.count() == 0 {
		t.Fatalf("no request %s was disturbed", key.Name())
	}
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	if kind == "late request" {
		opened(t, patient) // kfake has handled the late request by the time that this has opened
	}
	wantCommittedOnce(t, cfg, all)
	if got := opened(t, patient).Confirmed(); got != posAt(all) {
		t.Errorf("the next sink starts at %v, want %v", got, posAt(all))
	}
}

// disturbance lets one request go wrong.
type disturbance struct {
	c    *kfake.Cluster
	gate *gate
	skip int           // requests to let pass
	late chan struct{} // closed = the late request may be handled

	mu       sync.Mutex // guards what follows
	hits     int
	released bool
	fault    *kfake.FaultHandle
}

func (d *disturbance) install(key kmsg.Key, kind string, code *kerr.Error) {
	d.c.ControlKey(key.Int16(), func(kmsg.Request) (kmsg.Response, error, bool) {
		d.mu.Lock()
		d.c.KeepControl()
		due := d.hits == 0 && d.skip == 0
		if due {
			d.hits++
		} else if d.skip > 0 {
			d.skip--
		}
		d.mu.Unlock()
		if !due {
			return nil, nil, false
		}
		switch kind {
		case "error":
			d.answer(kfake.Fault{Keys: []kmsg.Key{key}, Err: code}, kfake.Fault{Keys: []kmsg.Key{key}, Err: code, TopLevel: true})
		case "retriable error":
			code := kerr.CoordinatorLoadInProgress
			if key == kmsg.Produce || key == kmsg.Fetch || key == kmsg.ListOffsets {
				code = kerr.NotLeaderForPartition
			}
			d.answer(kfake.Fault{Keys: []kmsg.Key{key}, Err: code})
		case "lost request":
			return nil, errors.New("the request is lost"), true
		case "lost reply":
			d.gate.lose()
		case "late request":
			d.c.SleepControl(func() { <-d.late })
		}
		return nil, nil, false
	})
}

func (d *disturbance) answer(with ...kfake.Fault) {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.fault = d.c.Fault(with...)
}

// release ends the disturbance.
func (d *disturbance) release() {
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.fault != nil {
		d.fault.Remove()
	}
	if !d.released {
		d.released = true
		close(d.late)
	}
}

func (d *disturbance) count() int {
	d.mu.Lock()
	defer d.mu.Unlock()
	return d.hits
}

// seedTopics makes the topics of a source, which saves the sink the wait for what it makes itself.
func seedTopics(t *testing.T, c *kfake.Cluster, source string) {
	t.Helper()
	if err := c.CreateTopic("_keyfeed.progress", 1, map[string]string{"cleanup.policy": "compact"}); err != nil {
		t.Fatal(err)
	}
	if err := c.CreateTopic("keyfeed."+source, partitions, nil); err != nil {
		t.Fatal(err)
	}
}

// until writes the events 0 <= i < n as the pump does, opening the sink anew after each error, each time with more patience.
func (w *writer) until(ctx context.Context, n int) error {
	for ; ; w.openWithin *= 2 {
		err := w.session(ctx, n)
		if err == nil || ctx.Err() != nil || errors.Is(err, sinks.ErrFenced) || errors.Is(err, sinks.ErrConfig) {
			return err
		}
		select {
		case <-time.After(20 * time.Millisecond):
		case <-ctx.Done():
		}
	}
}

func (w *writer) session(ctx context.Context, n int) error {
	octx, cancel := context.WithTimeout(ctx, w.openWithin)
	defer cancel()
	pos, err := w.sink.Open(octx)
	if err != nil {
		return err
	}
	w.opens++
	w.opened(w.opens)
	for i := int(pos.Offset); i < n; i += 5 {
		if err := w.sink.Write(ctx, events(i, min(i+5, n))); err != nil {
			return err
		}
		if i%50 == 0 {
			if err := w.sink.Flush(ctx); err != nil {
				return err
			}
		}
	}
	return w.sink.Flush(ctx)
}
