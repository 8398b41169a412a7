package command_test

import (
	"bytes"
	"testing"

	"keyfeed/internal/change"
	"keyfeed/internal/command"
	"keyfeed/internal/event"
	"keyfeed/internal/resp"
)

const replid = "c19a1ca29e6eedd43c692d0651a914f03e60d271"

// settings are those of most tests: all events, cut only where a test makes them large.
func settings() command.Settings {
	return command.Settings{Settings: event.Settings{Source: "redis", MaxBytes: 512 << 10}}
}

// discard counts what it gets.
type discard struct{ events, units int64 }

func (d *discard) Event(*event.Event) error { d.events++; return nil }

func (d *discard) Unit(change.Position, int64) error { d.units++; return nil }

func sets(n int) []byte {
	var p []byte
	for range n {
		p = resp.AppendCommand(p, []byte("SET"), []byte("key:000000000001"), bytes.Repeat([]byte("v"), 100))
	}
	return p
}

// encodeAll is what the pump does with an event.
type encodeAll struct {
	enc *event.Encoder
	buf []byte
	discard
}

func (h *encodeAll) Event(e *event.Event) error {
	h.buf = h.enc.Append(h.buf[:0], e)
	h.events++
	return nil
}

func benchmark(b *testing.B, h command.Handler, p []byte, commands int) {
	b.Helper()
	d := command.New(settings(), command.Start{Gen: 1, ReplID: replid})
	c := change.Chunk{Data: p, Arrived: 1_795_311_158_000, UnitEnd: true}
	b.ReportAllocs()
	b.SetBytes(int64(len(p)))
	for b.Loop() {
		if err := d.Feed(c, h); err != nil {
			b.Fatal(err)
		}
		c.Start = c.End()
	}
	b.ReportMetric(float64(b.N)*float64(commands)/b.Elapsed().Seconds(), "commands/s")
}

// BenchmarkDecode decodes SETs of 100-byte values.
func BenchmarkDecode(b *testing.B) {
	benchmark(b, &discard{}, sets(1000), 1000)
}

// BenchmarkDecodeEncode decodes them and writes their events.
func BenchmarkDecodeEncode(b *testing.B) {
	benchmark(b, &encodeAll{enc: event.NewEncoder(settings().Settings)}, sets(1000), 1000)
}
