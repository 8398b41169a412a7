package nats_test

import (
	"bytes"
	"fmt"
	"strings"
	"sync"
	"testing"

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

// BenchmarkPublish measures batches of 256 events of 300 bytes through a window of 4000 to a server in this process:
//
//	go test -run '^$' -bench Publish -benchtime 500000x ./sinks/nats
func BenchmarkPublish(b *testing.B) {
	for name, subject := range map[string]string{"hash": "", "key": "keyfeed.{source}.{db}.{key}"} {
		b.Run(name, func(b *testing.B) {
			srv := newServer(b, nil)
			cfg := srv.config()
			cfg.Subject = subject
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
			b.SetBytes(300)
			b.ReportAllocs()
			b.ResetTimer()
			for n := 0; n < b.N; n += size {
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
			b.ReportMetric(float64(b.N)/b.Elapsed().Seconds(), "events/s")
		})
	}
}
