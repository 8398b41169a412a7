package backlog

import (
	"errors"
	"fmt"
	"io"
	"slices"

	"keyfeed/internal/change"
)

// UnitEndAtOrBefore is the last unit end at or before offset that a frame ends with, with the database and the
// replication id there. For an offset after the last whole unit it is the end of that; before the head it is
// [OutOfRangeError].
func (l *Log) UnitEndAtOrBefore(offset int64) (change.Position, error) {
	at, err := l.locate(min(offset, l.Tail().Unit.Offset))
	return at.pos, err
}

// Verify returns nil when the log can continue a sink's position: same generation, offset from the head to the last
// whole unit, a replication id that was valid there, and the same database where the log knows it, which is at the end
// of a frame. A range that does not fit gives [OutOfRangeError], anything else [ErrForeign]. Counts and spools inside
// the position are not the log's business.
func (l *Log) Verify(p change.Position) error {
	if p.Gen != l.gen {
		return fmt.Errorf("%w: generation %d, the log holds %d", ErrForeign, p.Gen, l.gen)
	}
	at, err := l.locate(p.Offset)
	if err != nil {
		return err
	}
	valid := p.ReplID == at.pos.ReplID
	if !valid && p.Offset == at.seg.head.start { // before a change of history at this very offset
		valid, err = l.validAtStart(at, p.ReplID)
		if err != nil {
			return err
		}
	}
	switch {
	case !valid: // invariant 4
		return fmt.Errorf("%w: replication id %s at stream offset %d, the log holds %s", ErrForeign, p.ReplID, p.Offset, at.pos.ReplID)
	case at.pos.Offset == p.Offset && at.pos.DB != p.DB:
		return fmt.Errorf("%w: database %d at stream offset %d, the log holds %d", ErrForeign, p.DB, p.Offset, at.pos.DB)
	}
	return nil
}

// validAtStart reports whether replid is one of the ids that were valid at the start of a segment, before the history
// frames that stand there.
func (l *Log) validAtStart(at place, replid string) (bool, error) {
	src, err := l.fs.OpenRead(at.seg.path)
	if err != nil {
		return false, l.openFailed(err, at.seg, at.seg.head.start)
	}
	defer src.Close()
	r := newFrames(src, at.seg.head, at.at, true)
	for r.replid != replid {
		switch f, err := r.read(); {
		case errors.Is(err, io.EOF):
			return false, nil
		case err != nil:
			return false, fmt.Errorf("reading segment: %w", err)
		case f.kind != kindHistory:
			return false, nil
		}
	}
	return true, nil
}

// cutSince reports whether the log was cut since it had been cut n times.
func (l *Log) cutSince(n int) bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.cuts != n
}

// place is a unit end in a log: where in the stream and where in which file.
type place struct {
	pos change.Position
	seg *segment
	at  int64
}

// locate finds the last unit end at or before offset that a frame ends with.
func (l *Log) locate(offset int64) (place, error) {
	l.mu.Lock()
	seg := l.find(offset)
	if err := l.err; err != nil {
		l.mu.Unlock()
		return place{}, err
	}
	if seg == nil || offset > l.tail.Unit.Offset {
		defer l.mu.Unlock()
		return place{}, l.outOfRange(offset)
	}
	visible, cuts := seg.visible, l.cuts
	l.mu.Unlock()

	src, err := l.fs.OpenRead(seg.path)
	if err != nil {
		return place{}, l.openFailed(err, seg, offset)
	}
	defer src.Close()
	at := place{seg: seg, at: headerSize, pos: change.Position{
		Gen: l.gen, Offset: seg.head.start, DB: seg.head.db, ReplID: seg.head.replid,
	}}
	r := newFrames(src, seg.head, visible, true)
	for {
		f, err := r.read()
		switch {
		case errors.Is(err, io.EOF):
			return at, nil
		case isDamage(err):
			if l.cutSince(cuts) {
				return l.locate(offset)
			}
			return place{}, corrupt(seg.path, r.pos, r.next, at.pos.Offset, err)
		case err != nil:
			return place{}, fmt.Errorf("reading segment: %w", err)
		case f.end() > offset:
			return at, nil
		}
		if f.unitEnd {
			at.at = r.pos
			at.pos.Offset, at.pos.DB, at.pos.ReplID = f.end(), f.db, r.replid
		}
	}
}

// find is the last segment that begins at or before offset; nil when offset is before the head. The caller holds mu.
func (l *Log) find(offset int64) *segment {
	for _, s := range slices.Backward(l.segs) {
		if s.head.start <= offset {
			return s
		}
	}
	return nil
}

// outOfRange is the error for an offset. The caller holds mu.
func (l *Log) outOfRange(offset int64) error {
	return &OutOfRangeError{Offset: offset, Head: l.segs[0].head.start, Tail: l.tail.Unit.Offset}
}

// openFailed explains why a segment could not be opened: it may have been trimmed between the look and the opening.
func (l *Log) openFailed(err error, seg *segment, offset int64) error {
	l.mu.Lock()
	defer l.mu.Unlock()
	if seg.removed || l.segs[0].head.start > seg.head.start {
		return l.outOfRange(offset)
	}
	return fmt.Errorf("opening segment: %w", err)
}
