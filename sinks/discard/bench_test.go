package discard_test

import (
	"testing"

	"keyfeed/internal/change"
	"keyfeed/sinks/discard"
)

// BenchmarkDiscard is what the contract itself costs: batches of 256 events through the window and the writing
// goroutine.
//
//	go test -run '^$' -bench Discard ./sinks/discard
func BenchmarkDiscard(b *testing.B) {
	s := discard.New(discard.Config{})
	defer s.Close()
	if _, err := s.Open(b.Context()); err != nil {
		b.Fatal(err)
	}
	records := make([]change.Record, 256)
	for i := range records {
		records[i] = change.Record{Value: make([]byte, 300), Pos: change.Position{Gen: 1, Offset: int64(i + 1), ReplID: "r"}}
	}
	b.ReportAllocs()
	for n := 0; n < b.N; n += len(records) {
		if err := s.Write(b.Context(), &change.Batch{Records: records}); err != nil {
			b.Fatal(err)
		}
	}
	if err := s.Flush(b.Context()); err != nil {
		b.Fatal(err)
	}
}
