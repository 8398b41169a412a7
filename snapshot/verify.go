package snapshot

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"strconv"

	"keyfeed/snapshot/rdb"
)

const (
	opEOF       = 0xff
	firstSummed = 5 // the checksum came with RDB 5
)

// verify checks an RDB of size bytes whose bytes before the last eight give sum, and notes in m what its header says.
func verify(ctx context.Context, f io.ReaderAt, m *Meta, size int64, sum uint64) error {
	head := &header{m: m}
	if err := head.read(f, size); err != nil {
		return damaged(err)
	}
	var tail [1 + crcLen]byte
	if size < int64(len(tail)) {
		return fmt.Errorf("%w: it has %d bytes", ErrDamaged, size)
	}
	if _, err := f.ReadAt(tail[:], size-int64(len(tail))); err != nil && !errors.Is(err, io.EOF) {
		return fmt.Errorf("reading checksum: %w", err)
	}
	stored := binary.LittleEndian.Uint64(tail[1:])
	if stored == 0 || m.RDBVersion < firstSummed {
		return structure(ctx, f, size)
	}
	if stored != sum {
		return fmt.Errorf("%w: its checksum is %016x, its bytes give %016x", ErrDamaged, stored, sum)
	}
	if tail[0] != opEOF {
		return fmt.Errorf("%w: it does not end with the end mark", ErrDamaged)
	}
	return nil
}

// structure decodes the whole file and keeps nothing.
func structure(ctx context.Context, f io.ReaderAt, size int64) error {
	d := rdb.NewDecoder(io.NewSectionReader(f, 0, size), rdb.Config{Again: f})
	return damaged(d.Decode(&checker{ctx: ctx}))
}

// checker looks at ctx from time to time.
type checker struct {
	rdb.Discard
	ctx context.Context //nolint:containedctx // lives for one call of Decode, whose methods cannot be given one
}

// Key implements [rdb.Visitor].
func (c *checker) Key(*rdb.Key) error { return context.Cause(c.ctx) }

// errHeaderRead ends a decoding that has seen enough.
var errHeaderRead = errors.New("the header is read")

// header takes what stands before the first key.
type header struct {
	rdb.Discard
	m *Meta
}

func (h *header) read(f io.ReaderAt, size int64) error {
	d := rdb.NewDecoder(io.NewSectionReader(f, 0, size), rdb.Config{})
	err := d.Decode(h)
	if err != nil && !errors.Is(err, errHeaderRead) {
		return err
	}
	family, version := d.Version()
	h.m.RDBMagic, h.m.RDBVersion = family.String(), version
	return nil
}

// Aux implements [rdb.Visitor].
func (h *header) Aux(name, value []byte) error {
	switch string(name) {
	case "repl-stream-db":
		// -1 when the source had not selected one: then its stream begins with SELECT.
		if db, err := strconv.Atoi(string(value)); err == nil && db >= 0 {
			h.m.DB = db
		}
	case "redis-ver", "valkey-ver":
		if h.m.ServerVersion == "" {
			h.m.ServerVersion = string(value)
		}
	}
	return nil
}

// DBSize implements [rdb.Visitor].
func (h *header) DBSize(_ int, keys, _ uint64) error {
	h.m.Keys = keys
	return errHeaderRead
}

// Key implements [rdb.Visitor].
func (h *header) Key(*rdb.Key) error { return errHeaderRead }
