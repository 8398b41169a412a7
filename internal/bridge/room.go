package bridge

import (
	"context"
	"fmt"
	"time"

	"golang.org/x/sys/unix"
)

// defaultRoomRetry is how long the bridge waits on a full disk before it looks again: nobody tells when others make room.
const defaultRoomRetry = 5 * time.Second

func (c *Config) roomRetry() time.Duration {
	if c.RoomRetry > 0 {
		return c.RoomRetry
	}
	return defaultRoomRetry
}

// roomMargin is what must be free beyond the snapshot itself, in bytes: its metadata, and the stream behind it.
const roomMargin = 16 << 20

// awaitRoom waits until the disk has room for what did not fit: the log of a complete snapshot, or another try at a
// snapshot, which would cost the source a fork in vain. The sink takes from the older log meanwhile, which makes room.
func (b *Bridge) awaitRoom(ctx context.Context) error {
	for told := false; ; told = true {
		b.mu.Lock()
		ch := b.changed
		wants, err := b.tryRoomLocked()
		b.mu.Unlock()
		if err != nil || wants == 0 {
			return err
		}
		if !told {
			b.log.Warn("the disk is full; the source is asked again when there is room for the snapshot", "bytes", wants)
		}
		if err := awaitFor(ctx, ch, b.cfg.roomRetry()); err != nil {
			return err
		}
	}
}

// tryRoomLocked gives the bytes that are still missing room, 0 = none. b.mu is held, and no link runs.
func (b *Bridge) tryRoomLocked() (wants int64, err error) {
	if b.unlogged != nil {
		if err := b.adoptLocked(b.unlogged); err != nil {
			if noSpace(err) {
				return roomMargin, nil
			}
			return 0, err
		}
	}
	if b.needRoom == 0 {
		return 0, nil
	}
	free, err := b.cfg.freeSpace(b.dir)
	if err != nil {
		return 0, err
	}
	if want := b.needRoom + roomMargin; free < want {
		return want, nil
	}
	b.needRoom = 0
	return 0, nil
}

func (c *Config) freeSpace(dir string) (int64, error) {
	if c.FreeSpace != nil {
		return c.FreeSpace(dir)
	}
	var st unix.Statfs_t
	if err := unix.Statfs(dir, &st); err != nil {
		return 0, fmt.Errorf("asking for the free space of the data directory: %w", err)
	}
	return int64(st.Bavail) * st.Bsize, nil
}

// awaitFor is await that gives up after d, which is no error.
func awaitFor(ctx context.Context, ch <-chan struct{}, d time.Duration) error {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-ch:
		return nil
	case <-timer.C:
		return nil
	case <-ctx.Done():
		return context.Cause(ctx)
	}
}
