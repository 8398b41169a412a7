package nats_test

import (
	"bytes"
	"fmt"
	"strings"
	"sync"
	"testing"
	"time"

	natsgo "github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"

	"keyfeed/internal/change"
	keyfeednats "keyfeed/sinks/nats"
)

func at(offset int64) change.Position {
	return change.Position{Gen: 1, Offset: offset, ReplID: strings.Repeat("a", 40)}
}

// records makes n events of 300 bytes over a thousand keys, at positions from first on.
func records(first int64, n int) []change.Record {
	rs := make([]change.Record, n)
	pad := bytes.Repeat([]byte{'x'}, 300)
	for i := range rs {
		rs[i] = change.Record{Value: pad, Key: fmt.Appendf(nil, "user:%d", i%1000), Pos: at(first + int64(i))}
	}
	return rs
}

// BenchmarkPublish measures each way to publish against plain asynchronous publishing of the same messages, which
// promises nothing, in one run and by turns: batches of 256 events of 300 bytes, one replica, a server in this process.
// The yardstick is the best of three windows; x_plain is the share of it.
//
//	go test -run '^$' -bench Publish -benchtime 3x ./sinks/nats
func BenchmarkPublish(b *testing.B) {
	const events = 100_000
	ways := map[string]func(b *testing.B) float64{
		"fast":   func(b *testing.B) float64 { b.Helper(); return sinkRate(b, keyfeednats.PublishFast, events) },
		"atomic": func(b *testing.B) float64 { b.Helper(); return sinkRate(b, keyfeednats.PublishAtomic, events) },
		"single": func(b *testing.B) float64 { b.Helper(); return sinkRate(b, keyfeednats.PublishSingle, events/10) },
	}
	best := map[string]float64{}
	plain := 0.0
	for b.Loop() {
		for _, window := range []int{500, 1000, 4000} {
			plain = max(plain, plainRate(b, window, events))
		}
		for name, rate := range ways {
			best[name] = max(best[name], rate(b))
		}
	}
	b.ReportMetric(0, "ns/op")
	b.ReportMetric(plain, "plain_events/s")
	for name, rate := range best {
		b.ReportMetric(rate, name+"_events/s")
		b.ReportMetric(rate/plain, name+"_x_plain")
	}
}

// sinkRate is how many events a second a sink stores.
func sinkRate(b *testing.B, publish keyfeednats.Publish, events int) float64 {
	b.Helper()
	srv := newServer(b, nil)
	defer srv.stop()
	cfg := srv.config()
	cfg.Publish = publish
	s, err := keyfeednats.New(cfg)
	if err != nil {
		b.Fatal(err)
	}
	defer s.Close()
	if _, err := s.Open(b.Context()); err != nil {
		b.Fatal(err)
	}
	const size = 256
	free := sync.Pool{New: func() any { return &change.Batch{Records: records(1, size)} }}
	began := time.Now()
	for n := 0; n < events; n += size {
		batch := free.Get().(*change.Batch)
		batch.Free = func(batch *change.Batch) { free.Put(batch) }
		for i := range batch.Records {
			batch.Records[i].Pos.Offset = int64(n + i + 1)
		}
		if err := s.Write(b.Context(), batch); err != nil {
			b.Fatal(err)
		}
	}
	if err := s.Flush(b.Context()); err != nil {
		b.Fatal(err)
	}
	return float64(events) / time.Since(began).Seconds()
}

// plainRate publishes the same payloads under the same subjects with a bounded number of them in flight.
func plainRate(b *testing.B, window, events int) float64 {
	b.Helper()
	srv := newServer(b, nil)
	defer srv.stop()
	conn, err := natsgo.Connect(srv.url)
	if err != nil {
		b.Fatal(err)
	}
	defer conn.Close()
	js, err := jetstream.New(conn)
	if err != nil {
		b.Fatal(err)
	}
	if _, err := js.CreateStream(b.Context(), jetstream.StreamConfig{Name: "PLAIN", Subjects: []string{"keyfeed.redis.>"}}); err != nil {
		b.Fatal(err)
	}
	inbox, room := natsgo.NewInbox(), make(chan struct{}, window)
	if _, err := conn.Subscribe(inbox, func(*natsgo.Msg) { <-room }); err != nil {
		b.Fatal(err)
	}
	all := records(1, 1000)
	msg := natsgo.NewMsg("")
	msg.Reply = inbox
	began := time.Now()
	for n := range events {
		r := &all[n%len(all)]
		msg.Subject = fmt.Sprint("keyfeed.redis.0.", n%256)
		msg.Data = r.Value
		msg.Header["keyfeed-pos"] = []string{r.Pos.String()}
		room <- struct{}{}
		if err := conn.PublishMsg(msg); err != nil {
			b.Fatal(err)
		}
	}
	for range window {
		room <- struct{}{} // all are acknowledged when the whole window is free
	}
	return float64(events) / time.Since(began).Seconds()
}
