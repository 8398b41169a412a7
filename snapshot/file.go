package snapshot

import (
	"context"
	"errors"
	"fmt"
	"io"
	"time"

	"keyfeed/internal/event"
)

// DecodeFile gives the events of an RDB file that was not received from a source: generation 1 unless set names one,
// offset 0. The checksum is verified at the end, so the events before it are handed out even if it is wrong; the error
// says so then.
func DecodeFile(ctx context.Context, f io.ReaderAt, size int64, set Settings, handle func(*event.Event) error) error {
	m := newMeta(Origin{Gen: 1, ArrivedMs: time.Now().UnixMilli()})
	m.Size = size
	head := &header{m: &m}
	if err := head.read(f, size); err != nil {
		return fmt.Errorf("reading the file: %w", damaged(err))
	}
	return NewReader(&Spool{at: single{f}, meta: m}, set, 0).Run(ctx, handle)
}

// single is the place of a file that is only read.
type single struct{ f io.ReaderAt }

var errReadOnly = errors.New("the file is only read")

func (s single) open(string) (file, error) { return readOnly{s.f}, nil }
func (single) create(string) (file, error) { return nil, errReadOnly }
func (single) rename(string, string) error { return errReadOnly }
func (single) remove(string) error         { return errReadOnly }
func (single) sync() error                 { return errReadOnly }

type readOnly struct{ io.ReaderAt }

// Write refuses.
func (readOnly) Write([]byte) (int, error) { return 0, errReadOnly }

// Close leaves the file to the caller.
func (readOnly) Close() error { return nil }

// Sync refuses.
func (readOnly) Sync() error { return errReadOnly }
