package discard

import (
	"context"
	"fmt"
	"sync/atomic"

	"keyfeed/internal/change"
	"keyfeed/sinks"
	"keyfeed/sinks/internal/local"
)

// Config says where the position is kept.
type Config struct {
	PositionFile string // in the data directory; "" keeps the position in memory
	MaxRecords   int    // counted before their position is stored; 65536
	MaxBytes     int    // of these; 16 MiB
}

// Sink counts records. It implements [sinks.Sink] and [sinks.Describer].
type Sink struct {
	*local.Sink

	positionFile string
	counts       *counts
}

type counts struct{ records, bytes atomic.Int64 }

var (
	_ sinks.Sink      = (*Sink)(nil)
	_ sinks.Describer = (*Sink)(nil)
)

// New returns a sink that is not open.
func New(cfg Config) *Sink {
	c := &counts{}
	return &Sink{
		positionFile: cfg.PositionFile,
		counts:       c,
		Sink: local.New(local.Config{
			Name:       "discard",
			Path:       cfg.PositionFile,
			MaxRecords: cfg.MaxRecords,
			MaxBytes:   cfg.MaxBytes,
			Append:     c.add,
			Write:      func([]byte) error { return nil },
			Sync:       func() error { return nil },
		}),
	}
}

// Records is how many records were written since New, repeats included. Any goroutine may call it.
func (s *Sink) Records() int64 { return s.counts.records.Load() }

// Bytes is the sum of len(Value)+len(Key) of these records. Any goroutine may call it.
func (s *Sink) Bytes() int64 { return s.counts.bytes.Load() }

// Describe returns one line for people.
func (s *Sink) Describe(context.Context) (string, error) {
	where := s.positionFile
	if where == "" {
		where = "memory"
	}
	return fmt.Sprintf("discard, %d records so far, position in %s: %v", s.Records(), where, s.Confirmed()), nil
}

func (c *counts) add(dst []byte, records []change.Record) []byte {
	bytes := 0
	for i := range records {
		bytes += len(records[i].Value) + len(records[i].Key)
	}
	c.records.Add(int64(len(records)))
	c.bytes.Add(int64(bytes))
	return dst
}
