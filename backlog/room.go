package backlog

import (
	"context"
	"errors"
	"fmt"
	"time"
)

// noSpaceRetry is how long WaitRoom waits at most when the disk is full, since others may have made room on it.
const noSpaceRetry = 5 * time.Second

// WaitRoom returns nil once the log is below 80 % of its limit and the chunk that was refused last would fit. When the disk
// was full it also waits until something was removed, but no longer than five seconds from the failed write. It needs
// [Log.Run], which removes what is published, and a log that ends at a unit end: see [Log.CutToUnit].
func (l *Log) WaitRoom(ctx context.Context) error {
	w := newWaiter()
	for {
		l.forgetNoSpace()
		if err := l.letGo(); err != nil {
			return err
		}
		l.mu.Lock()
		if l.err != nil {
			defer l.mu.Unlock()
			return l.err
		}
		if l.hasRoom() {
			l.roomWaiters.remove(w)
			l.mu.Unlock()
			return nil
		}
		l.roomWaiters.add(w)
		retry, timed := time.Until(l.noSpaceAt.Add(noSpaceRetry)), l.noSpace > 0
		l.mu.Unlock()
		if err := w.wait(ctx, retry, timed); err != nil {
			l.mu.Lock()
			defer l.mu.Unlock()
			l.roomWaiters.remove(w)
			return err
		}
	}
}

// forgetNoSpace takes the disk for one with room some time after it was full.
func (l *Log) forgetNoSpace() {
	l.mu.Lock()
	defer l.mu.Unlock()
	if time.Since(l.noSpaceAt) >= noSpaceRetry {
		l.noSpace = 0
	}
}

// wait returns nil when the waiter was woken, or after d where the wait is timed.
func (w *waiter) wait(ctx context.Context, d time.Duration, timed bool) error {
	var timeout <-chan time.Time
	if timed {
		t := time.NewTimer(d)
		defer t.Stop()
		timeout = t.C
	}
	select {
	case <-w.wake:
	case <-timeout:
	case <-ctx.Done():
		return ctx.Err()
	}
	return nil
}

// letGo begins a new segment when the log is over its limit, since what is published can be removed only from segments that are
// not being written. Append does so when it refuses a chunk; but the log may have been opened with less room than it had
// before, or end with a unit larger than that, and then nobody appends until there is room. On a full disk it does so when
// all is published: a header may fit where a chunk did not, and what goes then is room.
func (l *Log) letGo() error {
	if !l.writer.TryLock() {
		return nil // by Append
	}
	defer l.writer.Unlock()
	l.mu.Lock()
	noSpace, noSpaceAt := l.noSpace, l.noSpaceAt
	rolls := l.err == nil && !l.hasRoom() && (noSpace == 0 || l.published >= l.tail.Offset) &&
		!l.active.empty() && l.tail.Offset == l.tail.Unit.Offset
	l.mu.Unlock()
	if !rolls {
		return nil
	}
	err := l.roll()
	if err != nil && !errors.Is(err, ErrFull) {
		return fmt.Errorf("beginning a segment: %w", err)
	}
	if err != nil && noSpace > 0 { // it was noted before, and the wait counts from then
		l.mu.Lock()
		defer l.mu.Unlock()
		l.noSpace, l.noSpaceAt = noSpace, noSpaceAt
	}
	return nil
}

// HasRoom reports whether [Log.WaitRoom] would return nil at once.
func (l *Log) HasRoom() bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.hasRoom()
}

// hasRoom is what WaitRoom waits for. The caller holds mu.
func (l *Log) hasRoom() bool {
	limit := l.cfg.MaxBytes
	if l.noSpace > 0 && (limit == 0 || l.noSpace < limit) {
		limit = l.noSpace
	}
	return l.fits(l.wanted) && (limit == 0 || l.size < limit/10*8)
}
