package backlog_test

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"testing"
	"time"

	"keyfeed/backlog"
	"keyfeed/internal/change"
)

// benchBytes is how much a benchmark writes before it starts its file anew, in bytes.
const benchBytes = 256 << 20

// BenchmarkAppend appends chunks to a log and writes the same bytes to a file beside it, turn by turn, so that both see
// the same state of the machine. The metric "of_bare" is the speed of the log over that of the bare write.
//
//	go test ./backlog -run '^$' -bench BenchmarkAppend
func BenchmarkAppend(b *testing.B) {
	for _, size := range []int{100, 16 << 10, 256 << 10, 1 << 20} {
		b.Run(fmt.Sprintf("bytes=%d", size), func(b *testing.B) {
			dir := b.TempDir()
			data := make([]byte, size)
			for i := range data {
				data[i] = byte(i * 7)
			}
			bare, err := os.Create(filepath.Join(dir, "bare"))
			if err != nil {
				b.Fatal(err)
			}
			defer bare.Close()
			var l *backlog.Log
			var inLog, inBare time.Duration
			written := benchBytes
			for b.Loop() {
				if written >= benchBytes {
					l = benchLog(b, l, filepath.Join(dir, "log"))
					if err := bare.Truncate(0); err != nil {
						b.Fatal(err)
					}
					written = 0
				}
				turns := []func() error{
					func() error {
						defer spent(&inLog)()
						return l.Append(change.Chunk{Start: int64(written), Data: data, Arrived: 1, UnitEnd: true})
					},
					func() error {
						defer spent(&inBare)()
						_, err := bare.WriteAt(data, int64(written))
						return err
					},
				}
				first := written / size % 2 // the second one finds data in the cache
				if err := errors.Join(turns[first](), turns[1-first]()); err != nil {
					b.Fatal(err)
				}
				written += size
			}
			n := float64(b.N)
			b.ReportMetric(0, "ns/op")
			b.ReportMetric(float64(inLog.Nanoseconds())/n, "log_ns/op")
			b.ReportMetric(float64(inBare.Nanoseconds())/n, "bare_ns/op")
			b.ReportMetric(float64(size)*n/inLog.Seconds()/1e6, "log_MB/s")
			b.ReportMetric(inBare.Seconds()/inLog.Seconds(), "of_bare")
			if err := l.Close(); err != nil {
				b.Fatal(err)
			}
		})
	}
}

func spent(d *time.Duration) func() {
	start := time.Now()
	return func() { *d += time.Since(start) }
}

// benchLog closes and removes the log before, and makes a new one.
func benchLog(b *testing.B, before *backlog.Log, dir string) *backlog.Log {
	b.Helper()
	if before != nil {
		if err := before.Close(); err != nil {
			b.Fatal(err)
		}
	}
	if err := os.RemoveAll(dir); err != nil {
		b.Fatal(err)
	}
	if err := os.Mkdir(dir, 0o700); err != nil {
		b.Fatal(err)
	}
	l, err := backlog.Create(dir, backlog.Config{}, origin(0))
	if err != nil {
		b.Fatal(err)
	}
	return l
}

// BenchmarkCursor reads a log that was written with chunks of a size, from its head, again and again.
//
//	go test ./backlog -run '^$' -bench BenchmarkCursor
func BenchmarkCursor(b *testing.B) {
	for _, size := range []int{100, 16 << 10, 1 << 20} {
		b.Run(fmt.Sprintf("bytes=%d", size), func(b *testing.B) {
			l := benchLog(b, nil, filepath.Join(b.TempDir(), "log"))
			data := make([]byte, size)
			for i := range (64 << 20) / size {
				if err := l.Append(change.Chunk{Start: int64(i * size), Data: data, UnitEnd: true}); err != nil {
					b.Fatal(err)
				}
			}
			b.SetBytes(int64(size))
			c, err := l.Cursor(0)
			if err != nil {
				b.Fatal(err)
			}
			for b.Loop() {
				if !c.Ready() {
					if err := c.Close(); err != nil {
						b.Fatal(err)
					}
					if c, err = l.Cursor(0); err != nil {
						b.Fatal(err)
					}
				}
				if _, err := c.Next(context.Background()); err != nil {
					b.Fatal(err)
				}
			}
			if err := c.Close(); err != nil {
				b.Fatal(err)
			}
			if err := l.Close(); err != nil {
				b.Fatal(err)
			}
		})
	}
}
