package backlog

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"time"

	"keyfeed/internal/change"
)

// CutToUnit drops what was logged after the last unit end and returns that end: where to ask the source to continue. The
// bytes dropped are the ones that it sends again; a crash does not bring them back. Cursors are not touched, because none
// is ever past a unit end.
func (l *Log) CutToUnit() (change.Position, error) {
	if !l.writer.TryLock() {
		return change.Position{}, ErrConcurrentWrite
	}
	defer l.writer.Unlock()
	return l.cut(l.tail.Unit.Offset)
}

// CutTo drops everything after the last unit end at or before offset that a frame ends with, and returns that end. It is
// for a failover after which the source's history and ours part at offset. History frames at the cut stay. The cut is
// durable on return. Cursors that have delivered more get [OutOfRangeError]; so does an offset before the head.
func (l *Log) CutTo(offset int64) (change.Position, error) {
	if !l.writer.TryLock() {
		return change.Position{}, ErrConcurrentWrite
	}
	defer l.writer.Unlock()
	return l.cut(offset)
}

// cut does both. The caller holds writer.
func (l *Log) cut(offset int64) (change.Position, error) {
	l.maintain.Lock()
	defer l.maintain.Unlock()
	if err := l.Err(); err != nil {
		return change.Position{}, err
	}
	old := l.tail
	if old.Offset == old.Unit.Offset && offset >= old.Offset {
		return old.Unit, nil
	}
	to, err := l.locate(min(offset, old.Unit.Offset))
	if err != nil {
		return change.Position{}, err
	}
	return to.pos, l.cutBehind(to, to.at, to.pos.Offset)
}

// cutBehind cuts at a frame's end, which is the place or inside the unit after it: at is where in the file of the place,
// end where in the stream. The caller holds writer and maintain.
func (l *Log) cutBehind(to place, at, end int64) error {
	dropped := l.tail.Offset - end
	gone := l.cutList(to, at, end)
	if err := l.cutFiles(to.seg, gone); err != nil {
		return l.fail(fmt.Errorf("cutting log: %w", err))
	}
	l.reserve()
	l.log.LogAttrs(context.Background(), slog.LevelInfo, "cut the backlog", slog.Int64("to_offset", end),
		slog.Int64("dropped_bytes", dropped), slog.Int("dropped_segments", len(gone)))
	return nil
}

// cutList makes the log end at a place as far as memory goes, and returns the segments after it.
func (l *Log) cutList(to place, at, end int64) (gone []*segment) {
	l.mu.Lock()
	defer l.mu.Unlock()
	for i := len(l.segs) - 1; l.segs[i] != to.seg; i-- {
		gone = append(gone, l.segs[i])
		l.segs[i].removed = true
		l.size -= l.segs[i].diskSize()
	}
	l.segs = l.segs[:len(l.segs)-len(gone)]
	l.active = to.seg
	l.size -= to.seg.diskSize() - at
	l.noSpace = min(l.noSpace, l.size) // the source sends again what is cut: what that frees is no room for more
	to.seg.size, to.seg.visible, to.seg.end, to.seg.sealed = at, to.at, end, false
	to.seg.publishedAt = time.Time{} // it is being written again
	l.tail = Tail{Offset: end, Unit: to.pos}
	l.synced = min(l.synced, to.pos.Offset)
	l.published = min(l.published, to.pos.Offset)
	l.cuts++
	for c := range l.cursors {
		// A cursor may be about to deliver bytes that it has read already. It looks at this under mu before it does.
		if c.offset > to.pos.Offset {
			c.state = cursorLost
		} else {
			c.state = max(c.state, cursorStale)
		}
	}
	l.tailWaiters.wakeAll()
	l.roomWaiters.wakeAll()
	return gone
}

// cutFiles makes the files follow, newest first and each step durable, so that a power cut leaves no hole.
func (l *Log) cutFiles(last *segment, gone []*segment) error {
	for _, s := range gone {
		if s.file != nil {
			if err := s.file.Close(); err != nil {
				return err
			}
			s.file = nil
		}
		if err := errors.Join(l.fs.Remove(s.path), l.fs.SyncDir(l.dir)); err != nil {
			return err
		}
	}
	if last.file == nil {
		f, err := l.fs.Open(last.path)
		if err != nil {
			return err
		}
		last.file = f
	}
	if err := errors.Join(last.file.Truncate(last.size), last.file.Sync()); err != nil {
		return err
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	last.syncedSize = last.size
	return nil
}
