package resp_test

import (
	"bytes"
	"testing"

	"keyfeed/internal/resp"
)

// stream is size bytes of SET commands with 100-byte values.
func stream(size int) []byte {
	one := resp.AppendCommand(nil, []byte("SET"), []byte("key:000000000001"), bytes.Repeat([]byte("v"), 100))
	return bytes.Repeat(one, size/len(one))
}

func BenchmarkScanner(b *testing.B) {
	buf := stream(256 << 10)
	s := resp.NewScanner(resp.Limits{})
	b.SetBytes(int64(len(buf)))
	b.ReportAllocs()
	for b.Loop() {
		for at := 0; at < len(buf); {
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
