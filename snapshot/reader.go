package snapshot

import (
	"context"
	"errors"
	"fmt"
	"io"
	"sync/atomic"

	"keyfeed/internal/event"
	"keyfeed/snapshot/rdb"
)

// Reader gives the events of a spool.
type Reader struct {
	spool *Spool
	set   Settings
	from  int64

	// What Progress tells; written by Run.
	bytes, keys, events atomic.Int64
}

// Progress tells how far a Reader has come.
type Progress struct {
	Bytes, TotalBytes int64
	Keys              int64
	KeysHint          uint64 // the snapshot holds at least so many keys; 0 = unknown
	Events            int64  // including those passed over because they were stored already
}

// NewReader returns a reader of s whose Run hands out the events from number from on: those before are stored already.
func NewReader(s *Spool, set Settings, from int64) *Reader {
	if set.Gen == 0 {
		set.Gen = s.meta.Gen
	}
	return &Reader{spool: s, set: set, from: from}
}

// Progress may be called by any goroutine at any time.
func (r *Reader) Progress() Progress {
	return Progress{
		Bytes: r.bytes.Load(), TotalBytes: r.spool.meta.Size, Keys: r.keys.Load(), KeysHint: r.spool.meta.Keys,
		Events: r.events.Load(),
	}
}

// Run decodes the spool and calls handle for each event, in order. Events are valid during the call only. It returns nil
// after the last event, the error of handle unchanged, the cause of ctx's end, an error that wraps [ErrSettings] when
// the snapshot has fewer events than are said to be stored, or an error that tells what is wrong with the file. It
// starts no goroutine. Each call begins anew.
func (r *Reader) Run(ctx context.Context, handle func(*event.Event) error) error {
	r.bytes.Store(0)
	r.keys.Store(0)
	r.events.Store(0)
	f, err := r.spool.at.open(rdbFile)
	if err != nil {
		return fmt.Errorf("opening spool: %w", err)
	}
	defer func() { _ = f.Close() }()
	e := newEmitter(ctx, r, handle)
	if r.set.Gap {
		err = e.gap()
	} else {
		err = e.snapshot(f)
	}
	if errors.Is(err, errHandler) {
		return e.err
	}
	if err != nil {
		return fmt.Errorf("decoding spool: %w", err)
	}
	if e.seq < r.from {
		return fmt.Errorf("decoding spool: %w: %d events are stored, the snapshot has %d", ErrSettings, r.from, e.seq)
	}
	return nil
}

// snapshot gives snapshot_begin, what the file holds, snapshot_end.
func (e *emitter) snapshot(f file) error {
	begin := event.NewSnapshotBegin(e.stamp(), e.begin())
	if err := e.emit(&begin); err != nil {
		return err
	}
	m := e.r.spool.meta
	e.decoder = rdb.NewDecoder(io.NewSectionReader(f, 0, m.Size), rdb.Config{
		// Not below MaxBytes: what fits into an event is never left out. Not above it either way: what does not is.
		MaxElement: max(1<<20, e.r.set.MaxBytes),
		Again:      f,
	})
	if err := e.decoder.Decode(e); err != nil {
		return err
	}
	e.progress()
	end := event.NewSnapshotEnd(e.stamp(), event.End{
		Keys: e.keys, Events: e.seq + 1, Bytes: m.Size,
		Ms:      max(m.CommittedMs-m.ArrivedMs, 0), // stored, so that the event is the same each time (invariant 5)
		Skipped: e.skips.list(),
	})
	return e.emit(&end)
}

// gap gives the one event that stands for a snapshot where none is published.
func (e *emitter) gap() error {
	gap := event.NewGap(e.stamp(), e.begin())
	return e.emit(&gap)
}

func (e *emitter) stamp() event.Stamp {
	m := e.r.spool.meta
	return event.Stamp{Gen: e.r.set.Gen, Offset: m.Offset, Seq: e.seq, TsMs: m.ArrivedMs}
}

func (e *emitter) begin() event.Begin {
	m := e.r.spool.meta
	return event.Begin{
		Reason: e.r.set.Reason, Server: m.Server, ServerVersion: m.ServerVersion, RDBVersion: m.RDBVersion,
		ReplID: m.ReplID, Prev: e.r.set.Prev,
	}
}
