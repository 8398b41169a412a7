package snapshot

import (
	"context"
	"fmt"
	"io"

	"keyfeed/snapshot/rdb"
)

// CountKeys decodes the whole snapshot and counts its keys over all databases, past deadlines included. It ends with the
// cause of ctx when that ends first.
func (s *Spool) CountKeys(ctx context.Context) (int64, error) {
	f, err := s.at.open(rdbFile)
	if err != nil {
		return 0, fmt.Errorf("opening spool: %w", err)
	}
	defer func() { _ = f.Close() }() // it was only read
	c := &counter{checker: checker{ctx: ctx}}
	d := rdb.NewDecoder(io.NewSectionReader(f, 0, s.meta.Size), rdb.Config{Again: f})
	if err := d.Decode(c); err != nil {
		return 0, fmt.Errorf("counting keys: %w", damaged(err))
	}
	return c.keys, nil
}

// counter is a checker that counts.
type counter struct {
	checker

	keys int64
}

// Key implements [rdb.Visitor].
func (c *counter) Key(k *rdb.Key) error {
	c.keys++
	return c.checker.Key(k)
}
