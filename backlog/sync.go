package backlog

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"slices"
	"time"
)

// retainEvery is the time between two looks for segments that have become old enough to be removed.
const retainEvery = time.Second

// Run syncs the log every Config.Sync while bytes arrive and removes what is published and need not be kept. It returns
// nil after ctx has ended, having synced once more, and an error when the log has failed: then nothing that was not
// acknowledged may be. It starts no other goroutine.
//
//nolint:contextcheck // an fsync cannot be cancelled, and what it logs belongs to no request
func (l *Log) Run(ctx context.Context) error {
	syncs := time.NewTicker(l.cfg.Sync)
	defer syncs.Stop()
	retains := time.NewTicker(retainEvery)
	defer retains.Stop()
	quiet := quieted{log: l.log, every: time.Minute}
	for {
		var err error
		select {
		case <-ctx.Done():
			return l.finish()
		case <-syncs.C:
			err = l.Sync()
		case <-retains.C:
			err = l.retain(time.Now())
		case <-l.wakeRun:
			err = l.retain(time.Now())
		}
		switch broken := l.Err(); {
		case errors.Is(broken, ErrClosed):
			return nil
		case broken != nil:
			return broken
		case err != nil: // no room for a seal, or a file that cannot be removed: the next round tries again
			quiet.warn(ctx, err)
		}
	}
}

// finish is the last sync of Run. Where a seal finds no room, all is durable, and Open can do without the seal.
func (l *Log) finish() error {
	if err := l.Sync(); err != nil && !errors.Is(err, ErrClosed) && !errors.Is(err, ErrFull) {
		return fmt.Errorf("syncing at the end: %w", err)
	}
	return nil
}

// Sync makes all that is logged durable before it returns, and moves [Log.Synced] to the last unit end of that. An error
// of fsync breaks the log for good, because after it the kernel may have dropped the very pages that a second fsync
// would report as written. [ErrFull] does not: there was no room to seal a segment, and Synced stays behind until there
// is.
func (l *Log) Sync() error {
	l.maintain.Lock()
	defer l.maintain.Unlock()
	l.mu.Lock()
	if l.err != nil {
		defer l.mu.Unlock()
		return l.err
	}
	var rolled []*segment
	for i := len(l.segs) - 2; i >= 0 && !l.segs[i].sealed; i-- {
		rolled = append(rolled, l.segs[i])
	}
	active, size := l.active, l.active.size
	target := l.tail.Unit.Offset
	dirDirty := l.dirDirty
	l.dirDirty = false
	dirty := size > active.syncedSize
	l.mu.Unlock()

	// The order is what recovery relies on: that the files exist, then each older segment with a seal, then the newest.
	// So a byte that was ever called durable has only sealed segments before it.
	if dirDirty {
		if err := l.fs.SyncDir(l.dir); err != nil {
			return l.fail(fmt.Errorf("syncing directory of the log: %w", err))
		}
	}
	var noSeal error
	for _, s := range slices.Backward(rolled) {
		if err := l.syncSegment(s, s.size); err != nil {
			return err
		}
		if noSeal == nil {
			noSeal = l.seal(s)
		}
		if noSeal != nil && !errors.Is(noSeal, ErrFull) {
			return noSeal
		}
	}
	if dirty {
		if err := l.syncSegment(active, size); err != nil {
			return err
		}
	}
	if noSeal != nil { // all is durable, so that published segments can go; but recovery would not know
		return noSeal
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	l.synced = target
	return nil
}

// syncSegment makes a segment durable, which had size bytes before the call. The caller holds maintain.
func (l *Log) syncSegment(s *segment, size int64) error {
	if err := s.file.Sync(); err != nil {
		return l.fail(fmt.Errorf("syncing segment: %w", err))
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	s.syncedSize = max(s.syncedSize, size)
	return nil
}

// seal says at the end of a segment, which is durable and no longer written, that it is. The caller holds maintain.
func (l *Log) seal(s *segment) error {
	l.mu.Lock()
	next := l.after(s)
	replid, db, size := next.head.replid, next.head.db, s.size
	l.mu.Unlock()
	h := frameHeader{
		kind: kindSeal, unitEnd: true, length: replIDSize, db: db, start: s.end, arrived: time.Now().UnixMilli(),
		sum: checksum([]byte(replid)),
	}
	frame := append(appendFrameHeader(make([]byte, 0, sealSize), h), replid...)
	if _, err := s.file.WriteAt(frame, size); err != nil {
		if terr := s.file.Truncate(size); terr != nil {
			return l.fail(fmt.Errorf("taking back a failed seal: %w", errors.Join(terr, err)))
		}
		return fmt.Errorf("sealing segment: %w", noSpaceIsFull(err))
	}
	s.file.Reserve(0)
	if err := s.file.Sync(); err != nil {
		return l.fail(fmt.Errorf("syncing segment: %w", err))
	}
	if err := s.file.Close(); err != nil {
		return l.fail(fmt.Errorf("closing segment: %w", err))
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	s.sealed, s.file = true, nil
	l.size += sealSize
	l.synced = max(l.synced, s.end)
	return nil
}

// after is the segment that follows s. The caller holds mu; s is not the last one.
func (l *Log) after(s *segment) *segment {
	for i := len(l.segs) - 1; i > 0; i-- {
		if l.segs[i-1] == s {
			return l.segs[i]
		}
	}
	return nil
}

// quieted logs one of many warnings of Run.
type quieted struct {
	log   *slog.Logger
	every time.Duration
	last  time.Time
	count int
}

func (q *quieted) warn(ctx context.Context, err error) {
	q.count++
	now := time.Now()
	if !q.last.IsZero() && now.Sub(q.last) < q.every {
		return
	}
	q.log.LogAttrs(ctx, slog.LevelWarn, "upkeep of the backlog did not succeed and is tried again",
		slog.Any("err", err), slog.Int("times", q.count))
	q.last, q.count = now, 0
}
