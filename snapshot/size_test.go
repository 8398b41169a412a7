package snapshot

import (
	"fmt"
	"io"
	"runtime"
	"strings"
	"testing"

	"keyfeed/internal/event"
)

// A hash of a million fields, from the spool to events, in bounded memory.
func TestMillionFieldsInBoundedMemory(t *testing.T) {
	const n = 1_000_000
	w, err := Create(t.TempDir(), Config{}, testOrigin())
	if err != nil {
		t.Fatal(err)
	}
	b := newRDB().op(4).str("hash").length(n)
	for i := range n {
		b.str(fmt.Sprint("field", i)).str("a value of some length")
		if b.Len() > 1<<20 {
			if _, err := b.WriteTo(w); err != nil {
				t.Fatal(err)
			}
		}
	}
	if _, err := w.Write(append(b.Bytes(), 255, 0, 0, 0, 0, 0, 0, 0, 0)); err != nil {
		t.Fatal(err)
	}
	s, err := w.Commit(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	b = nil //nolint:wastedassign // given back before the heap is looked at
	runtime.GC()
	var before, m runtime.MemStats
	runtime.ReadMemStats(&before)
	set := testSettings(1 << 20)
	enc := event.NewEncoder(set.Settings)
	var buf []byte
	events, peak := 0, uint64(0)
	err = NewReader(s, set, 0).Run(t.Context(), func(e *event.Event) error {
		buf = enc.Append(buf[:0], e)
		if len(buf) > 1<<20 {
			t.Errorf("event %d has %d bytes", events, len(buf))
		}
		events++
		runtime.ReadMemStats(&m)
		peak = max(peak, m.HeapAlloc)
		return nil
	})
	if err != nil || events < 40 {
		t.Errorf("%d events, %v", events, err)
	}
	if used := peak - min(peak, before.HeapAlloc); used > 24<<20 {
		t.Errorf("the heap grew by %d MiB", used>>20)
	}
}

// BenchmarkSpool compares receiving into a spool, checksum included, with writing the same blocks to a file.
func BenchmarkSpool(b *testing.B) {
	block := []byte(strings.Repeat("0123456789abcdef", 64<<10/16))
	const blocks = 4096 // 256 MiB
	b.Run("bare file", func(b *testing.B) {
		b.SetBytes(blocks * int64(len(block)))
		for range b.N {
			f, err := disk(b.TempDir()).create(rdbFile)
			if err != nil {
				b.Fatal(err)
			}
			writeBlocks(b, f, block, blocks)
			_ = f.Close()
		}
	})
	b.Run("spool", func(b *testing.B) {
		b.SetBytes(blocks * int64(len(block)))
		for range b.N {
			w, err := Create(b.TempDir(), Config{}, testOrigin())
			if err != nil {
				b.Fatal(err)
			}
			writeBlocks(b, w, block, blocks)
			b.StopTimer()
			_ = w.Abort()
			b.StartTimer()
		}
	})
}

func writeBlocks(b *testing.B, w io.Writer, block []byte, n int) {
	b.Helper()
	for range n {
		if _, err := w.Write(block); err != nil {
			b.Fatal(err)
		}
	}
}

// BenchmarkReader measures decoding and encoding: small strings to events.
func BenchmarkReader(b *testing.B) {
	const n = 200_000
	w := newRDB()
	for i := range n {
		w.op(0).str(fmt.Sprint("key:", i)).str(fmt.Sprint("value-", i*7))
	}
	s := commit(b, "", Config{MaxBytes: 1 << 30}, w.end(true))
	set := testSettings(1 << 20)
	enc := event.NewEncoder(set.Settings)
	var buf []byte
	b.ReportAllocs()
	for b.Loop() {
		err := NewReader(s, set, 0).Run(b.Context(), func(e *event.Event) error {
			buf = enc.Append(buf[:0], e)
			return nil
		})
		if err != nil {
			b.Fatal(err)
		}
	}
	b.ReportMetric(float64(b.N)*n/b.Elapsed().Seconds(), "keys/s")
}
