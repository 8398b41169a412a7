package resp_test

import (
	"bytes"
	"math/rand/v2"
	"testing"

	"keyfeed/internal/resp"
)

// stream is size bytes of SET commands with 100-byte values.
func stream(size int) []byte {
	one := resp.AppendCommand(nil, []byte("SET"), []byte("key:000000000001"), bytes.Repeat([]byte("v"), 100))
	return bytes.Repeat(one, size/len(one))
}

// mixed is about size bytes of commands of several shapes with arguments of random lengths.
func mixed(size int) []byte {
	rnd := rand.New(rand.NewPCG(1, 2))
	word := func(n int) []byte { return bytes.Repeat([]byte("x"), rnd.IntN(n)) }
	var out []byte
	for len(out) < size {
		switch rnd.IntN(4) {
		case 0:
			out = resp.AppendCommand(out, []byte("SET"), word(30), word(1500))
		case 1:
			out = resp.AppendCommand(out, []byte("HSET"), word(30), word(20), word(50), word(20), word(50))
		case 2:
			out = resp.AppendCommand(out, []byte("DEL"), word(30))
		case 3:
			out = resp.AppendCommand(out, []byte("PEXPIREAT"), word(30), []byte("1795311247088"))
		}
	}
	return out
}

func BenchmarkScanner(b *testing.B) {
	b.Run("same", func(b *testing.B) { scan(b, stream(256<<10)) })
	b.Run("mixed", func(b *testing.B) { scan(b, mixed(256<<10)) })
}

func scan(b *testing.B, buf []byte) {
	b.Helper()
	s := resp.NewScanner(resp.Limits{})
	b.SetBytes(int64(len(buf)))
	b.ReportAllocs()
	for b.Loop() {
		for at := 0; at < len(buf); {
			at += s.Skip(buf[at:])
			n, _, err := s.Next(buf[at:])
			if err != nil {
				b.Fatal(err)
			}
			at += n
		}
	}
}

func BenchmarkCommand(b *testing.B) {
	buf := stream(256 << 10)
	var args [][]byte
	b.SetBytes(int64(len(buf)))
	b.ReportAllocs()
	for b.Loop() {
		for at := 0; at < len(buf); {
			var n int
			var err error
			if args, n, err = resp.Command(buf[at:], args); err != nil {
				b.Fatal(err)
			}
			at += n
		}
	}
}
