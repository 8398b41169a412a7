package kafka_test

import (
	"fmt"
	"testing"

	"github.com/twmb/franz-go/pkg/kfake"

	"keyfeed/internal/change"
	"keyfeed/sinks/kafka"
)

// BenchmarkWrite measures the client's side: kfake in the same process takes the records and drops them.
//
//	go test -run '^$' -bench Write -benchmem ./sinks/kafka
func BenchmarkWrite(b *testing.B) {
	for _, compression := range []string{"none", "lz4", "zstd"} {
		for _, size := range []int{300, 3000} {
			b.Run(fmt.Sprintf("%s/%dB", compression, size), func(b *testing.B) {
				cfg := config("redis", cluster(b, kfake.BlackholeProduce()).ListenAddrs()...)
				cfg.Compression = compression
				cfg.MaxBufferedRecords = 0 // the default
				cfg.CommitInterval = 0
				benchmarkWrite(b, cfg, size)
			})
		}
	}
}

func benchmarkWrite(b *testing.B, cfg kafka.Config, size int) {
	b.Helper()
	s, err := kafka.New(cfg)
	if err != nil {
		b.Fatal(err)
	}
	defer func() { _ = s.Close() }()
	if _, err := s.Open(within(b)); err != nil {
		b.Fatal(err)
	}
	const perBatch = 500
	var values, keys [][]byte
	for i := range perBatch {
		value := fmt.Appendf(nil, `{"v":1,"id":"1795311158:%020d:0","op":"u","key":"user:%d","args":["`, i, i)
		for len(value) < size {
			value = fmt.Appendf(value, "%d,", len(value)*i)
		}
		values, keys = append(values, value[:size]), append(keys, fmt.Appendf(nil, "user:%d", i))
	}
	free := make(chan *change.Batch, 256)
	b.SetBytes(int64(size))
	b.ReportAllocs()
	b.ResetTimer()
	offset := int64(0)
	for left := b.N; left > 0; left -= perBatch {
		var batch *change.Batch
		select {
		case batch = <-free:
		default:
			batch = &change.Batch{Records: make([]change.Record, 0, perBatch), Free: func(b *change.Batch) {
				select {
				case free <- b:
				default:
				}
			}}
		}
		batch.Records = batch.Records[:0]
		for i := range min(left, perBatch) {
			offset++
			batch.Records = append(batch.Records, change.Record{Value: values[i], Key: keys[i], Pos: posAt(offset)})
		}
		if err := s.Write(b.Context(), batch); err != nil {
			b.Fatal(err)
		}
	}
	if err := s.Flush(b.Context()); err != nil {
		b.Fatal(err)
	}
	b.ReportMetric(float64(b.N)/b.Elapsed().Seconds(), "records/s")
}
