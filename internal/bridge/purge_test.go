package bridge_test

import (
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/nats-io/nats-server/v2/server"
	natsgo "github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"

	"keyfeed/internal/bridge"
	"keyfeed/internal/pump"
	"keyfeed/internal/testenv"
	keyfeednats "keyfeed/sinks/nats"
)

// purgeRig is a rig whose sink is a real JetStream.
type purgeRig struct {
	*rig
	url     string
	js      jetstream.JetStream
	entries *natsgo.Subscription // what is written to the bucket
}

func newPurgeRig(t *testing.T) *purgeRig {
	t.Helper()
	srv, err := server.NewServer(&server.Options{JetStream: true, StoreDir: t.TempDir(), Port: -1, Host: "127.0.0.1", NoSigs: true, NoLog: true})
	if err != nil {
		t.Fatal(err)
	}
	srv.Start()
	t.Cleanup(func() { srv.Shutdown(); srv.WaitForShutdown() })
	conn, err := natsgo.Connect(srv.ClientURL(), natsgo.Timeout(patience))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(conn.Close)
	js, err := jetstream.New(conn, jetstream.WithDefaultTimeout(patience))
	if err != nil {
		t.Fatal(err)
	}
	entries, err := conn.SubscribeSync("$KV.keyfeed.>")
	if err != nil {
		t.Fatal(err)
	}
	r := &purgeRig{rig: newRig(t), url: srv.ClientURL(), js: js, entries: entries}
	// The bucket is written around heartbeats: behind one it cannot be as old as loseSince makes it.
	r.cfg.Pump.HeartbeatInterval = time.Hour
	if err := r.source.Client().ConfigSet(t.Context(), "repl-ping-replica-period", "3600").Err(); err != nil { // what passes without an event gives one at a stop
		t.Fatal(err)
	}
	return r
}

func (r *purgeRig) startNATS() {
	r.t.Helper()
	s, err := keyfeednats.New(keyfeednats.Config{URL: r.url, Source: "s", CreateStream: true})
	if err != nil {
		r.t.Fatal(err)
	}
	r.startOn(s)
}

// inStream is an event that the stream holds.
type inStream struct {
	event
	sequence uint64
}

// all reads the stream, message by message.
func (r *purgeRig) all() (all []inStream) {
	r.t.Helper()
	ctx := r.t.Context()
	stream, err := r.js.Stream(ctx, "KEYFEED_s")
	if err != nil {
		return nil // not made yet
	}
	state := stream.CachedInfo().State
	for sequence := max(state.FirstSeq, 1); sequence <= state.LastSeq; sequence++ {
		m, err := stream.GetMsg(ctx, sequence)
		if errors.Is(err, jetstream.ErrMsgNotFound) {
			continue
		}
		e := inStream{sequence: sequence}
		if err == nil {
			err = json.Unmarshal(m.Data, &e.event)
		}
		if err != nil {
			r.t.Fatal(err)
		}
		if e.Kind != "heartbeat" {
			all = append(all, e)
		}
	}
	return all
}

// words tells the stream: marks with their reason, keys with op.
func (r *purgeRig) words() string {
	var words []string
	for _, e := range r.all() {
		words = append(words, e.Op+":"+e.Key+e.Kind+e.Reason)
	}
	return strings.Join(words, " ")
}

func (r *purgeRig) awaitWord(word string) {
	r.t.Helper()
	testenv.Eventually(r.t, patience, word+" in the stream", func() bool { return strings.Contains(r.words(), word) })
}

// loseSince has everything be as after a kill right when the stream had reached its end, when the bucket was written last
// before the first event of key, and a purge.
func (r *purgeRig) loseSince(key string) {
	r.t.Helper()
	var first, last uint64
	for _, e := range r.all() {
		if e.Key == key && first == 0 {
			first = e.sequence
		}
		last = e.sequence
	}
	if stream, err := r.js.Stream(r.t.Context(), "KEYFEED_s"); err != nil || stream.CachedInfo().State.LastSeq != last {
		r.t.Fatalf("a heartbeat follows event %d (%v)", last, err)
	}
	var entry []byte
	for at := uint64(0); at < last; { // the sink was closed, so the last entry tells the last event
		m, err := r.entries.NextMsg(patience)
		if err != nil {
			r.t.Fatalf("no entry about message %d: %v", last, err)
		}
		var e struct{ Sequence uint64 }
		if err := json.Unmarshal(m.Data, &e); err != nil {
			r.t.Fatal(err)
		}
		if at = e.Sequence; at < first {
			entry = m.Data
		}
	}
	r.t.Logf("the bucket holds %s, %s began with message %d", entry, key, first)
	bucket, err := r.js.KeyValue(r.t.Context(), "keyfeed")
	if err != nil {
		r.t.Fatal(err)
	}
	if _, err := bucket.Put(r.t.Context(), "KEYFEED_s", entry); err != nil {
		r.t.Fatal(err)
	}
	stream, err := r.js.Stream(r.t.Context(), "KEYFEED_s")
	if err != nil {
		r.t.Fatal(err)
	}
	if err := stream.Purge(r.t.Context()); err != nil {
		r.t.Fatal(err)
	}
}

// TestPurgeAndSettings: a purge took the last event, and how many events are stored behind the kept position is known
// only. Counted under other settings, those would be other events.
func TestPurgeAndSettings(t *testing.T) {
	changes := "u:k1 u:k2 u:k3 u:k4 u:k5 u:k6 u:k7 u:k8 u:k9"
	snapshot := "m:snapshot_beginhistory_lost r:"
	for _, tt := range []struct {
		name          string
		second, third func(c *bridge.Config)
		want          string // what the stream begins with afterwards
	}{
		{
			name: "another size", second: func(*bridge.Config) {},
			third: func(c *bridge.Config) { c.MaxBytes = 512 << 10 }, want: changes,
		},
		{
			name: "another size twice", second: func(c *bridge.Config) { c.MaxBytes = 100 << 10 },
			third: func(c *bridge.Config) { c.MaxBytes = 512 << 10 }, want: changes,
		},
		{
			name: "another filter", second: func(*bridge.Config) {},
			third: func(c *bridge.Config) { c.Filter = pump.Filter{Exclude: []string{"big"}} }, want: snapshot,
		},
		{
			name: "another filter and back", second: func(c *bridge.Config) { c.Filter = pump.Filter{Exclude: []string{"none*"}} },
			third: func(c *bridge.Config) { c.Filter = pump.Filter{} }, want: snapshot,
		},
	} {
		t.Run(tt.name, func(t *testing.T) {
			r := newPurgeRig(t)
			r.set("before")
			r.startNATS()
			r.awaitWord("snapshot_end")
			r.set("second")
			r.awaitWord("u:second")
			r.stopClean()

			tt.second(&r.cfg)
			r.startNATS()
			if err := r.source.Client().Set(t.Context(), "big", strings.Repeat("x", 400000), 0).Err(); err != nil {
				t.Fatal(err)
			}
			r.set("third")
			r.awaitWord("u:third")
			r.stopClean()
			r.loseSince("big")

			tt.third(&r.cfg)
			for i := range 9 {
				r.set(fmt.Sprint("k", i+1))
			}
			r.startNATS()
			r.awaitWord(":k9")
			got := r.words()
			r.stopClean()
			if !strings.HasPrefix(got, tt.want) {
				t.Errorf("the stream has %s, want %s", got, tt.want)
			}
		})
	}
}
