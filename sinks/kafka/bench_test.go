package kafka_test

import (
	"fmt"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kfake"

	"keyfeed/internal/change"
	"keyfeed/internal/testenv/kafkaenv"
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
	s := benchSink(b, cfg)
	in := newBenchEvents(size)
	b.SetBytes(int64(size))
	b.ReportAllocs()
	b.ResetTimer()
	in.write(b, s, b.N)
	b.ReportMetric(float64(b.N)/b.Elapsed().Seconds(), "records/s")
}

// BenchmarkDelivery writes the same events exactly once and at least once, turn by turn, and reports both and their ratio.
//
//	go test -run '^$' -bench Delivery -benchtime 200000x ./sinks/kafka
func BenchmarkDelivery(b *testing.B) {
	b.Run("kfake", func(b *testing.B) {
		benchmarkDelivery(b, cluster(b).ListenAddrs()[0])
	})
	b.Run("kafka", func(b *testing.B) {
		benchmarkDelivery(b, kafkaenv.Start(b).Addr())
	})
}

func benchmarkDelivery(b *testing.B, addr string) {
	b.Helper()
	const size, rounds = 300, 4
	in := newBenchEvents(size)
	var took [2]time.Duration // exactly once, at least once
	var open [2]*kafka.Sink
	for i := range open {
		cfg := config(fmt.Sprintf("bench%d-%d", b.N, i), addr)
		cfg.MaxBufferedRecords, cfg.CommitInterval, cfg.AtLeastOnce = 0, 0, i == 1 // the defaults
		cfg.DeliveryTimeout = 0
		open[i] = benchSink(b, cfg)
	}
	b.SetBytes(2 * size)
	b.ResetTimer()
	for range rounds {
		for i, s := range open {
			began := time.Now()
			in.write(b, s, max(b.N/rounds, 1))
			took[i] += time.Since(began)
		}
	}
	each := float64(max(b.N/rounds, 1) * rounds)
	b.ReportMetric(each/took[0].Seconds(), "exactly_once_records/s")
	b.ReportMetric(each/took[1].Seconds(), "at_least_once_records/s")
	b.ReportMetric(took[1].Seconds()/took[0].Seconds(), "ratio")
}

func benchSink(b *testing.B, cfg kafka.Config) *kafka.Sink {
	b.Helper()
	s, err := kafka.New(cfg)
	if err != nil {
		b.Fatal(err)
	}
	b.Cleanup(func() { _ = s.Close() })
	if _, err := s.Open(within(b)); err != nil {
		b.Fatal(err)
	}
	return s
}

const perBenchBatch = 500

// benchEvents makes batches of the same events over and over, without allocating.
type benchEvents struct {
	values, keys [][]byte
	free         chan *change.Batch
	offset       int64
}

func newBenchEvents(size int) *benchEvents {
	e := &benchEvents{free: make(chan *change.Batch, 256)}
	for i := range perBenchBatch {
		value := fmt.Appendf(nil, `{"v":1,"id":"1795311158:%020d:0","op":"u","key":"user:%d","args":["`, i, i)
		for len(value) < size {
			value = fmt.Appendf(value, "%d,", len(value)*i)
		}
		e.values, e.keys = append(e.values, value[:size]), append(e.keys, fmt.Appendf(nil, "user:%d", i))
	}
	return e
}

// write writes n events and waits until they are confirmed.
func (e *benchEvents) write(b *testing.B, s *kafka.Sink, n int) {
	b.Helper()
	for left := n; left > 0; left -= perBenchBatch {
		batch := e.batch()
		for i := range min(left, perBenchBatch) {
			e.offset++
			batch.Records = append(batch.Records, change.Record{Value: e.values[i], Key: e.keys[i], Pos: posAt(e.offset)})
		}
		if err := s.Write(b.Context(), batch); err != nil {
			b.Fatal(err)
		}
	}
	if err := s.Flush(b.Context()); err != nil {
		b.Fatal(err)
	}
}

func (e *benchEvents) batch() *change.Batch {
	select {
	case batch := <-e.free:
		batch.Records = batch.Records[:0]
		return batch
	default:
	}
	return &change.Batch{Records: make([]change.Record, 0, perBenchBatch), Free: func(b *change.Batch) {
		select {
		case e.free <- b:
		default:
		}
	}}
}
