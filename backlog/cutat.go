package backlog

import (
	"fmt"

	"keyfeed/internal/change"
)

// CutAt drops everything after a position between units that the caller knows to be one, inside a frame too: from a sink
// or a decoder. After a failover the cut belongs at the sink's position when that is after the one which [Log.CutTo]
// would find, lest the log change its history before what the sink holds. The position must be one that [Log.Verify]
// accepts; history frames at it stay.
//
// The frame around the position is written again, shorter. After an error of that write or a crash the log may end before
// that frame, inside a unit: look at [Log.Tail], the source sends that part again. Cursors that are past the last unit
// end before the frame get [OutOfRangeError].
func (l *Log) CutAt(p change.Position) (change.Position, error) {
	if !l.writer.TryLock() {
		return change.Position{}, ErrConcurrentWrite
	}
	defer l.writer.Unlock()
	if err := l.Verify(p); err != nil {
		return change.Position{}, err
	}
	at, err := l.locate(p.Offset)
	if err != nil {
		return change.Position{}, err
	}
	if at.pos.Offset == p.Offset {
		return l.cut(p.Offset)
	}
	f, err := l.around(at, p.Offset)
	if err != nil {
		return change.Position{}, err
	}
	l.maintain.Lock()
	err = l.cutBehind(at, f.at, f.start)
	l.maintain.Unlock()
	if err != nil {
		return change.Position{}, err
	}
	f.length, f.db = int(p.Offset-f.start), p.DB
	if err := l.write(f.frameHeader, f.payload[:f.length]); err != nil {
		return l.tail.Unit, fmt.Errorf("writing the rest of a cut frame: %w", err)
	}
	return l.tail.Unit, nil
}

// around reads the frame that an offset after a place lies in. Only one that ends at a unit end can hold another one.
func (l *Log) around(at place, offset int64) (frame, error) {
	src, err := l.fs.OpenRead(at.seg.path)
	if err != nil {
		return frame{}, l.openFailed(err, at.seg, offset)
	}
	defer src.Close()
	l.mu.Lock()
	visible := at.seg.visible
	l.mu.Unlock()
	r := newFrames(src, at.seg.head, visible, false)
	r.pos, r.next, r.replid = at.at, at.pos.Offset, at.pos.ReplID
	for {
		switch f, err := r.read(); {
		case isDamage(err):
			return frame{}, corrupt(at.seg.path, r.pos, r.next, at.pos.Offset, err)
		case err != nil: // io.EOF included: the caller has verified that the frame is there
			return frame{}, fmt.Errorf("reading segment: %w", err)
		case f.end() < offset:
		case f.kind != kindData || !f.unitEnd || f.end() == offset:
			return frame{}, fmt.Errorf("%w: stream offset %d lies inside a unit", ErrForeign, offset)
		default:
			return f, nil
		}
	}
}
