package backlog

import (
	"context"
	"errors"
	"fmt"
	"io"

	"keyfeed/backlog/internal/vfs"
	"keyfeed/internal/change"
)

// Item is what a cursor delivers: a chunk of the stream, or, where History is not nil, a change of the replication id.
type Item struct {
	Chunk   change.Chunk
	History *History
}

// History says that from Offset on the stream belongs to another replication id. Offsets go on.
type History struct {
	Offset  int64  // the last stream byte under Prev
	DB      int    // the database selected there
	Prev    string // replication id before
	ReplID  string // replication id after
	Arrived int64  // Unix ms when it was logged
}

type cursorState uint8

const (
	cursorGood  cursorState = iota
	cursorStale             // the log was cut behind it: what it has buffered may be gone
	cursorLost              // the log was cut before what it has delivered
)

// Cursor reads a log forwards from a unit end, whole units only: chunks of a unit larger than a frame are delivered when
// the end of the unit is logged. One goroutine uses it; any number of cursors read at a time, beside the writer.
type Cursor struct {
	l      *Log
	wait   *waiter
	frames *frames  // reads file
	file   vfs.File // of seg
	broken error    // what Next gives for good
	skip   int64    // bytes of the stream before this offset are left out: the start may lie inside a frame

	seg    *segment    // written by the cursor's goroutine under l.mu
	offset int64       // guarded by l.mu
	state  cursorState // guarded by l.mu
	closed bool        // guarded by l.mu
}

// Cursor makes a cursor that delivers what follows offset, which must be a unit end from [Log.Head] to the end of the
// last whole unit, else [OutOfRangeError]. Unit ends inside a frame are not known to the log: the caller has the offset
// from a decoder or a sink. Changes of history at offset itself are delivered. The cursor holds a file and a buffer of
// 1 MiB until Close.
func (l *Log) Cursor(offset int64) (*Cursor, error) {
	return l.newCursor(offset, "")
}

// CursorAt makes a cursor that continues at a position between units which [Log.Verify] accepts. Unlike [Log.Cursor] it
// leaves out the changes of history at the position's offset that led to its replication id.
func (l *Log) CursorAt(p change.Position) (*Cursor, error) {
	if err := l.Verify(p); err != nil {
		return nil, err
	}
	return l.newCursor(p.Offset, p.ReplID)
}

func (l *Log) newCursor(offset int64, replid string) (*Cursor, error) {
	c := &Cursor{l: l, wait: newWaiter(), offset: offset, skip: offset}
	l.mu.Lock()
	seg := l.find(offset)
	switch {
	case l.err != nil:
		defer l.mu.Unlock()
		return nil, l.err
	case seg == nil || offset > l.tail.Unit.Offset:
		defer l.mu.Unlock()
		return nil, l.outOfRange(offset)
	}
	c.seg = seg
	l.cursors[c] = struct{}{} // from here on it hears of cuts
	l.mu.Unlock()
	if err := c.seek(offset, replid); err != nil {
		return nil, errors.Join(err, c.Close())
	}
	return c, nil
}

// seek opens the cursor's segment and moves to the first frame that holds what follows offset.
func (c *Cursor) seek(offset int64, replid string) error {
	if c.file == nil {
		if err := c.open(); err != nil {
			return err
		}
	}
	visible, cuts := c.visible()
	r := newFrames(c.file, c.seg.head, visible, true)
	for {
		pos, next, id := r.pos, r.next, r.replid
		f, err := r.read()
		var leave bool
		switch {
		case errors.Is(err, io.EOF):
			leave = true
		case isDamage(err):
			if _, now := c.visible(); now != cuts { // a cut came between
				return c.seek(offset, replid)
			}
			return corrupt(c.seg.path, r.pos, r.next, c.seg.head.start, err)
		case err != nil:
			return fmt.Errorf("reading segment: %w", err)
		case f.kind == kindHistory:
			leave = f.start == offset && (replid == "" || id == replid)
		default:
			leave = f.end() > offset
		}
		if leave {
			c.frames.pos, c.frames.next, c.frames.replid = pos, next, id
			return nil
		}
	}
}

// Next returns the next item. It blocks, without polling, until there is a whole unit, ctx ends, or the log is closed or
// broken. The item's bytes are valid until the next call of Next or Close.
//
// [OutOfRangeError] means that the log was cut, or trimmed, under the cursor; [CorruptError] that it is damaged. Neither
// goes away. What was logged before the log broke is delivered before the error.
func (c *Cursor) Next(ctx context.Context) (Item, error) {
	for {
		if err := c.prepare(ctx); err != nil {
			return Item{}, err
		}
		f, rerr := c.frames.read()
		item, again, err := c.deliver(f, rerr)
		if err != nil || !again {
			return item, err
		}
	}
}

// Ready reports whether Next would return at once. It is how a reader learns that it has caught up.
func (c *Cursor) Ready() bool {
	c.l.mu.Lock()
	defer c.l.mu.Unlock()
	if c.state == cursorLost || c.closed || c.broken != nil || c.l.err != nil || c.frames.pos < c.seg.visible {
		return true
	}
	for i := len(c.l.segs) - 1; i >= 0 && c.l.segs[i] != c.seg && c.l.segs[i].head.start >= c.offset; i-- {
		if c.l.segs[i].visible > headerSize {
			return true
		}
	}
	return false
}

// Offset is the stream offset up to which the cursor has delivered, inclusive.
func (c *Cursor) Offset() int64 {
	c.l.mu.Lock()
	defer c.l.mu.Unlock()
	return c.offset
}

// Close ends the cursor; a Next that waits is not woken, its ctx does that. It is idempotent.
func (c *Cursor) Close() error {
	c.l.mu.Lock()
	delete(c.l.cursors, c)
	c.l.tailWaiters.remove(c.wait)
	file := c.file
	c.file, c.closed = nil, true
	c.l.mu.Unlock()
	if file == nil {
		return nil
	}
	return file.Close()
}

// prepare waits until there is a frame to read, and sets the reader to see it.
func (c *Cursor) prepare(ctx context.Context) error {
	for {
		c.l.mu.Lock()
		next, err := c.look()
		wait := err == nil && next == nil && c.frames.pos >= c.frames.limit
		if wait {
			c.l.tailWaiters.add(c.wait)
		}
		c.l.mu.Unlock()
		switch {
		case err != nil:
			return err
		case wait:
			select {
			case <-c.wait.wake:
			case <-ctx.Done():
				return ctx.Err()
			}
		case next == nil:
			return nil
		default:
			if err := c.moveTo(next); err != nil {
				c.broken = err
				return err
			}
		}
	}
}

// look decides what to do: there is more in this segment (the reader's limit is past its place), go on to the next one
// (it is returned), or wait (neither). The caller holds mu.
func (c *Cursor) look() (next *segment, err error) {
	switch {
	case c.closed:
		return nil, ErrClosed
	case c.broken != nil:
		return nil, c.broken
	case c.state == cursorLost:
		return nil, c.l.outOfRange(c.offset)
	case c.state == cursorStale:
		c.frames.forget()
		c.state = cursorGood
	}
	c.frames.limit = c.seg.visible
	switch {
	case c.frames.pos < c.frames.limit:
		return nil, nil
	case c.seg == c.l.active:
		return nil, c.l.err
	}
	// The offset is a unit end here and the end of seg, so the next segment begins there, unless it has been trimmed.
	for _, s := range c.l.segs {
		if s.head.start == c.frames.next && s != c.seg {
			return s, nil
		}
	}
	return nil, c.l.outOfRange(c.offset)
}

// moveTo goes on to the start of the next segment.
func (c *Cursor) moveTo(next *segment) error {
	c.l.mu.Lock()
	file := c.file
	c.seg, c.file = next, nil
	c.l.mu.Unlock()
	if file != nil {
		if err := file.Close(); err != nil {
			return fmt.Errorf("closing segment: %w", err)
		}
	}
	return c.open()
}

// open opens the cursor's segment at its first frame.
func (c *Cursor) open() error {
	file, err := c.l.fs.OpenRead(c.seg.path)
	if err != nil {
		return c.l.openFailed(err, c.seg, c.offset)
	}
	if c.frames == nil {
		c.frames = newFrames(file, c.seg.head, headerSize, false)
	} else {
		c.frames.forget()
		c.frames.src, c.frames.pos, c.frames.limit = file, headerSize, headerSize
		c.frames.next, c.frames.replid = c.seg.head.start, c.seg.head.replid
	}
	c.l.mu.Lock()
	defer c.l.mu.Unlock()
	c.file = file
	return nil
}

// visible is how far the segment may be read now, and after how many cuts.
func (c *Cursor) visible() (limit int64, cuts int) {
	c.l.mu.Lock()
	defer c.l.mu.Unlock()
	return c.seg.visible, c.l.cuts
}

// deliver turns a frame as read into an item. again asks for another round: a cut came between, or there is nothing in
// the frame for this cursor.
func (c *Cursor) deliver(f frame, err error) (item Item, again bool, _ error) {
	c.l.mu.Lock()
	defer c.l.mu.Unlock()
	switch {
	case c.state == cursorStale && (err != nil || f.kind == kindData):
		// What was read may no longer be part of the log, or be half of what was there and half of what is. Read it
		// again. (A history frame at this place was not cut off: the offset does not move with it.)
		c.state = cursorGood
		c.frames.forget()
		if err == nil {
			c.frames.pos, c.frames.next = f.at, f.start
		}
		return Item{}, true, nil
	case c.state == cursorLost || c.closed:
		return Item{}, true, nil // the next round says why
	case isDamage(err):
		return Item{}, false, corrupt(c.seg.path, c.frames.pos, c.frames.next, c.offset, err)
	case err != nil:
		return Item{}, false, fmt.Errorf("reading segment: %w", err)
	}
	c.offset = max(c.offset, f.end())
	if f.kind == kindData && f.end() <= c.skip {
		return Item{}, true, nil
	}
	item = f.item()
	if at := c.skip - f.start; at > 0 && f.kind == kindData {
		item.Chunk.Start, item.Chunk.Data = c.skip, item.Chunk.Data[at:]
	}
	return item, false, nil
}
