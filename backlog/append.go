package backlog

import (
	"errors"
	"fmt"
	"math"
	"time"

	"keyfeed/internal/change"
)

// smallFrame is the frame size, in bytes, up to which header and payload are copied together and written by one call.
// Above it the copy costs more than the second call: see BenchmarkAppend.
const smallFrame = 64 << 10

// Append logs a chunk. It does not wait for the disk: [Log.Sync] and [Log.Run] do. Data is not kept.
//
// The chunk must continue the log ([ErrGap]) and hold at most [MaxChunk] bytes; an empty one does nothing. [ErrFull]
// and errors of the write leave the log as it was; the same chunk may be tried again.
func (l *Log) Append(c change.Chunk) error {
	if !l.writer.TryLock() {
		return ErrConcurrentWrite
	}
	defer l.writer.Unlock()
	switch {
	case c.Start != l.tail.Offset:
		return fmt.Errorf("%w: it starts at stream offset %d, the log ends at %d", ErrGap, c.Start, l.tail.Offset) // invariant 4
	case len(c.Data) > MaxChunk || c.DB < 0 || c.DB > math.MaxInt32 || c.Start > math.MaxInt64-2*MaxChunk:
		return fmt.Errorf("%w: %d bytes at stream offset %d, db %d", ErrChunk, len(c.Data), c.Start, c.DB)
	case len(c.Data) == 0:
		return l.Err()
	}
	if err := l.makeRoom(frameHeaderSize + int64(len(c.Data))); err != nil {
		return err
	}
	err := l.write(frameHeader{
		kind: kindData, unitEnd: c.UnitEnd, length: len(c.Data), db: c.DB, start: c.Start, arrived: c.Arrived,
	}, c.Data)
	if err != nil {
		return fmt.Errorf("appending to log: %w", err)
	}
	return nil
}

// AppendHistory logs that the source's history goes on under another replication id from here on. The log must be at a
// unit end ([ErrInUnit]): the source resends what is after it. An id that is the current one does nothing.
func (l *Log) AppendHistory(replid string) error {
	if !l.writer.TryLock() {
		return ErrConcurrentWrite
	}
	defer l.writer.Unlock()
	switch {
	case !change.IsReplID(replid):
		return fmt.Errorf("appending history: %q is not a replication id", replid)
	case l.tail.Offset != l.tail.Unit.Offset:
		return ErrInUnit
	case replid == l.tail.Unit.ReplID:
		return l.Err()
	}
	// A history frame stands at the start of a segment. So the id is one and the same in all the rest of it, and a
	// segment that ends at this offset can be trimmed without taking a history that is not published yet with it.
	if !l.active.empty() {
		if err := l.roll(); err != nil {
			return fmt.Errorf("appending history: %w", err)
		}
	}
	err := l.write(frameHeader{
		kind: kindHistory, unitEnd: true, length: historySize, db: l.tail.Unit.DB, start: l.tail.Offset,
		arrived: time.Now().UnixMilli(),
	}, []byte(l.tail.Unit.ReplID+replid))
	if err != nil {
		return fmt.Errorf("appending history: %w", err)
	}
	return nil
}

// makeRoom begins a new segment when the frame of n bytes asks for one, and refuses the frame when the log is full. Both
// happen between units only: a unit that has begun is never stopped by the limit (except in memory, where the limit is a
// hard one), nor spread over two segments.
func (l *Log) makeRoom(n int64) error {
	betweenUnits := l.tail.Offset == l.tail.Unit.Offset
	if !betweenUnits && !l.cfg.hardLimit {
		return l.Err()
	}
	active := l.active
	err := l.refuse(n)
	if errors.Is(err, ErrFull) && l.cfg.hardLimit {
		if rerr := l.retain(time.Now()); rerr != nil { // in memory this neither waits nor needs Run
			return rerr
		}
		err = l.refuse(n)
	}
	if err != nil {
		// What is published can be removed only from segments that are not being written, and this one may be all
		// there is after a unit larger than the limit.
		if errors.Is(err, ErrFull) && betweenUnits && !active.empty() {
			err = errors.Join(err, l.roll())
		}
		return err
	}
	if betweenUnits && active.size+n > l.cfg.SegmentBytes && !active.empty() {
		return l.roll()
	}
	return nil
}

// refuse tells whether a frame of n bytes must not be written.
func (l *Log) refuse(n int64) error {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.err == nil && !l.fits(n) {
		l.wanted = n
		return fmt.Errorf("%w: %d bytes of at most %d", ErrFull, l.size, l.cfg.MaxBytes)
	}
	return l.err
}

// fits reports whether the limit allows n bytes more. An empty log takes a frame of any size, unless the limit is a hard
// one: it will not become emptier. The caller holds mu.
func (l *Log) fits(n int64) bool {
	empty := len(l.segs) == 1 && l.active.empty() && !l.cfg.hardLimit
	return l.cfg.MaxBytes == 0 || l.size+n <= l.cfg.MaxBytes || empty
}

// roll begins a new segment at the tail, which is a unit end. The old one is not synced here, lest the source wait for
// the disk: Sync does it before it calls anything of the new one durable.
func (l *Log) roll() error {
	seg, err := createSegment(l.fs, l.dir, header{
		gen: l.gen, start: l.tail.Offset, replid: l.tail.Unit.ReplID, db: l.tail.Unit.DB, created: time.Now().UnixMilli(),
	})
	if err != nil {
		return l.noteNoSpace(err)
	}
	if err := l.activate(seg); err != nil {
		return errors.Join(err, seg.file.Close())
	}
	l.reserve()
	return nil
}

// activate makes seg, a new one, the active segment.
func (l *Log) activate(seg *segment) error {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.err != nil {
		return l.err
	}
	l.segs = append(l.segs, seg)
	l.active = seg
	l.size += seg.size
	l.dirDirty = true
	return nil
}

// reserve asks the file system for what the active segment may grow to, within the limit: appending to blocks that are
// allocated already is faster (BenchmarkDrain). Sealing gives back what was not needed. Only the writer calls it.
func (l *Log) reserve() {
	l.mu.Lock()
	room := l.cfg.SegmentBytes
	if l.cfg.MaxBytes > 0 {
		room = min(room, l.active.size+l.cfg.MaxBytes-l.size)
	}
	l.mu.Unlock()
	l.active.file.Reserve(room)
}

// write writes one frame at the end of the active segment and makes it part of the log; all of it or nothing.
func (l *Log) write(h frameHeader, payload []byte) error {
	if err := l.Err(); err != nil {
		return err
	}
	seg := l.active
	h.sum = checksum(payload)
	frame := appendFrameHeader(l.scratch[:0], h)
	rest := payload
	if len(frame)+len(payload) <= cap(frame) {
		frame, rest = append(frame, payload...), nil
	}
	_, err := seg.file.WriteAt(frame, seg.size)
	if err == nil && rest != nil {
		_, err = seg.file.WriteAt(rest, seg.size+int64(len(frame)))
	}
	if err != nil {
		// Whatever part was written must not stay: a shorter frame written over it would leave its rest behind.
		if terr := seg.file.Truncate(seg.size); terr != nil {
			return l.fail(fmt.Errorf("taking back a failed write: %w", errors.Join(terr, err)))
		}
		return l.noteNoSpace(err)
	}
	n := frameHeaderSize + int64(len(payload))

	l.mu.Lock()
	defer l.mu.Unlock()
	seg.size += n
	l.size += n
	l.noSpace, l.wanted = 0, 0
	l.tail.Offset = h.end()
	seg.end = h.end()
	if h.unitEnd {
		l.tail.Unit.Offset = h.end()
		l.tail.Unit.DB = h.db
		if h.kind == kindHistory {
			l.tail.Unit.ReplID = string(payload[replIDSize:])
		}
		seg.visible = seg.size
		l.tailWaiters.wakeAll()
	}
	return nil
}

// noteNoSpace remembers that the disk is full, so that WaitRoom waits.
func (l *Log) noteNoSpace(err error) error {
	err = noSpaceIsFull(err)
	if errors.Is(err, ErrFull) {
		l.mu.Lock()
		defer l.mu.Unlock()
		l.noSpace, l.noSpaceAt = l.size, time.Now()
	}
	return err
}
