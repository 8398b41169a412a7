package snapshot

import (
	"context"
	"errors"
	"fmt"
	"io"
	"time"
)

// writeBuffer is the size of the writes to the file, in bytes.
const writeBuffer = 1 << 20

// Writer receives one RDB. One goroutine uses it.
//
// The file is written first and read back for its checksum by a goroutine of the Writer's own, which follows the
// writes out of the page cache: it never makes the line wait. It starts with the first full buffer and has ended when
// Commit or Abort returns; every Writer ends with one of them.
type Writer struct {
	cfg    Config
	at     place
	file   file
	meta   Meta
	buf    []byte
	size   int64 // bytes received
	stored int64 // of them, in the file
	expect int64 // bytes announced, -1 = not told
	sum    *summer
	err    error // the first error; kept
	ended  bool
}

// Create begins a spool in dir, which must exist and belong to this spool alone; what an earlier one left there is
// removed. An empty dir keeps the spool in memory.
func Create(dir string, cfg Config, o Origin) (*Writer, error) {
	at := cfg.place(dir)
	if dir == "" && cfg.at == nil && cfg.MaxBytes <= 0 {
		return nil, errors.New("creating spool in memory: MaxBytes is not set")
	}
	if err := removeFiles(at); err != nil {
		return nil, fmt.Errorf("creating spool: %w", err)
	}
	f, err := at.create(rdbFile)
	if err != nil {
		return nil, fmt.Errorf("creating spool: %w", classify(err))
	}
	return &Writer{cfg: cfg, at: at, file: f, meta: newMeta(o), expect: -1, buf: make([]byte, 0, writeBuffer)}, nil
}

// ID is the random id of the spool.
func (w *Writer) ID() string { return w.meta.ID }

// Size is how many bytes have been received.
func (w *Writer) Size() int64 { return w.size }

// Expect tells how many bytes will come; -1 when the source does not say. It is called once, before the first Write.
// More than Config.MaxBytes makes the first Write fail.
func (w *Writer) Expect(n int64) {
	w.expect = n
	if err := w.limit(n); err != nil && w.err == nil {
		w.err = err
	}
}

func (w *Writer) limit(n int64) error {
	if w.cfg.MaxBytes > 0 && n > w.cfg.MaxBytes {
		return fmt.Errorf("receiving snapshot: %w: it has %d bytes or more, the limit is %d", ErrTooLarge, n, w.cfg.MaxBytes)
	}
	return nil
}

// Write takes the next bytes of the RDB. The first error is returned by all later calls; it wraps [ErrTooLarge] or
// [ErrFull] where it is one of these.
func (w *Writer) Write(p []byte) (int, error) {
	if w.err == nil {
		w.err = w.limit(w.size + int64(len(p)))
	}
	if w.err != nil {
		return 0, w.err
	}
	w.size += int64(len(p))
	n := len(p)
	for len(p) > 0 {
		k := copy(w.buf[len(w.buf):cap(w.buf)], p)
		w.buf = w.buf[:len(w.buf)+k]
		p = p[k:]
		if len(w.buf) == cap(w.buf) {
			if w.err = w.flush(); w.err != nil {
				return 0, w.err
			}
		}
	}
	return n, nil
}

func (w *Writer) flush() error {
	if len(w.buf) == 0 {
		return nil
	}
	err := w.cfg.reserve(len(w.buf))
	if err == nil {
		_, err = w.file.Write(w.buf)
	}
	if err != nil {
		return fmt.Errorf("writing spool: %w", classify(err))
	}
	w.stored += int64(len(w.buf))
	w.buf = w.buf[:0]
	if w.sum == nil {
		w.sum = startSummer(w.file)
	}
	w.sum.advance(w.stored)
	return nil
}

// Commit is called when the RDB is whole. It verifies it (invariant 7) and makes it durable; until it has returned, Open
// finds no complete spool. An error that wraps [ErrDamaged] says that what was received is not a whole RDB; one that
// holds an [*rdb.UnsupportedError], that this version cannot read it. Abort must follow every error.
func (w *Writer) Commit(ctx context.Context) (*Spool, error) {
	if w.err == nil {
		w.err = w.commit(ctx)
	}
	if w.err != nil {
		return nil, w.err
	}
	w.ended = true
	return &Spool{at: w.at, meta: w.meta}, nil
}

func (w *Writer) commit(ctx context.Context) error {
	if err := w.flush(); err != nil {
		return err
	}
	if w.expect >= 0 && w.size != w.expect {
		return fmt.Errorf("receiving snapshot: %w: %d bytes came, %d were announced", ErrDamaged, w.size, w.expect)
	}
	if w.sum == nil {
		return fmt.Errorf("receiving snapshot: %w: it is empty", ErrDamaged)
	}
	sum, err := w.sum.finish(ctx, w.size)
	w.sum = nil
	if err != nil {
		return fmt.Errorf("summing snapshot: %w", err)
	}
	if err := verify(ctx, w.file, &w.meta, w.size, sum); err != nil {
		return fmt.Errorf("verifying snapshot: %w", err)
	}
	if err := w.file.Sync(); err != nil {
		return fmt.Errorf("syncing spool: %w", classify(err))
	}
	if err := w.file.Close(); err != nil {
		return fmt.Errorf("closing spool: %w", classify(err))
	}
	w.meta.Size = w.size
	w.meta.CommittedMs = time.Now().UnixMilli()
	if err := w.storeMeta(); err != nil {
		return fmt.Errorf("storing spool metadata: %w", classify(err))
	}
	return nil
}

// storeMeta makes the spool complete: the rename is the point from which Open finds it.
func (w *Writer) storeMeta() error {
	raw, err := w.meta.encode()
	if err != nil {
		return err
	}
	if err := w.cfg.reserve(len(raw)); err != nil {
		return err
	}
	f, err := w.at.create(metaNewFile)
	if err != nil {
		return err
	}
	if _, err = f.Write(raw); err == nil {
		err = f.Sync()
	}
	if err = errors.Join(err, f.Close()); err != nil {
		return err
	}
	if err := w.at.rename(metaNewFile, metaFile); err != nil {
		return err
	}
	return w.at.sync()
}

// Abort ends the Writer and deletes what it wrote. After a successful Commit it does nothing.
func (w *Writer) Abort() error {
	if w.ended {
		return nil
	}
	w.ended = true
	if w.err == nil {
		w.err = errors.New("the spool was aborted")
	}
	if w.sum != nil {
		w.sum.stop()
	}
	_ = w.file.Close() // its content is not wanted any more; it may be closed already
	return removeFiles(w.at)
}

var _ io.Writer = (*Writer)(nil)
