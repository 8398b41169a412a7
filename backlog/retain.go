package backlog

import (
	"context"
	"fmt"
	"log/slog"
	"time"
)

// Trim notes that everything up to and including offset is published, as of now. [Log.Run] then removes whole segments,
// except what Config.RetainBytes and RetainAge keep: a broker may lose its last seconds. Trim itself does not wait for
// the disk; a lower offset than before does nothing.
func (l *Log) Trim(offset int64, now time.Time) {
	l.mu.Lock()
	l.published = max(l.published, min(offset, l.tail.Unit.Offset))
	news := l.stamp(now)
	l.mu.Unlock()
	switch {
	case !news:
	case l.cfg.hardLimit:
		_ = l.retain(now) // in memory it neither waits nor fails, but for a log that is closed
	default:
		select {
		case l.wakeRun <- struct{}{}:
		default:
		}
	}
}

// Published is the highest offset given to [Log.Trim]; after opening a log its head.
func (l *Log) Published() int64 {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.published
}

// stamp notes when segments became published as a whole, and reports whether one did. The caller holds mu.
func (l *Log) stamp(now time.Time) (news bool) {
	for _, s := range l.segs {
		if s == l.active || s.end > l.published {
			break
		}
		if s.publishedAt.IsZero() {
			s.publishedAt = now
			news = true
		}
	}
	return news
}

// retain removes the segments that are published and need not be kept at the time now, oldest first.
func (l *Log) retain(now time.Time) error {
	l.maintain.Lock()
	defer l.maintain.Unlock()
	for {
		l.mu.Lock()
		if l.err != nil {
			defer l.mu.Unlock()
			return l.err
		}
		l.stamp(now)
		first := l.segs[0]
		if !l.removable(first, now) {
			l.mu.Unlock()
			return nil
		}
		// Out of the list first: from here on no cursor begins in it. One that is inside goes on with its own handle.
		l.segs = l.segs[1:]
		l.mu.Unlock()
		if err := l.removeOldest(first); err != nil {
			return err
		}
	}
}

// removable decides on the oldest segment. The caller holds mu.
func (l *Log) removable(s *segment, now time.Time) bool {
	// What follows must be durable, else a power cut now could leave no log at all. In memory there is nothing to wait for.
	if s == l.active || s.publishedAt.IsZero() || l.segs[1].syncedSize == 0 && !l.cfg.hardLimit {
		return false
	}
	var stay int64 // published bytes that stay without this one
	for _, o := range l.segs[1:] {
		if !o.publishedAt.IsZero() {
			stay += o.diskSize()
		}
	}
	return stay >= l.cfg.RetainBytes || now.Sub(s.publishedAt) >= l.cfg.RetainAge || !l.hasRoom()
}

// removeOldest deletes the file of a segment that was taken out of the list. Each removal is made durable before the
// next one, so that a power cut cannot leave a hole. The caller holds maintain.
func (l *Log) removeOldest(s *segment) error {
	if err := l.fs.Remove(s.path); err != nil {
		l.mu.Lock()
		defer l.mu.Unlock()
		l.segs = append([]*segment{s}, l.segs...)
		return fmt.Errorf("removing published segment: %w", err)
	}
	if s.file != nil { // published before it was sealed
		if err := s.file.Close(); err != nil {
			return l.fail(fmt.Errorf("closing published segment: %w", err))
		}
	}
	if err := l.fs.SyncDir(l.dir); err != nil {
		return l.fail(fmt.Errorf("syncing directory of the log: %w", err))
	}
	l.log.LogAttrs(context.Background(), slog.LevelDebug, "removed published segment",
		slog.Int64("from_offset", s.head.start), slog.Int64("to_offset", s.end))
	l.mu.Lock()
	defer l.mu.Unlock()
	s.removed, s.file = true, nil
	l.size -= s.diskSize()
	l.roomWaiters.wakeAll()
	return nil
}
