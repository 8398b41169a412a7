package backlog

import (
	"errors"
	"fmt"
	"io"
	"path/filepath"
	"time"

	"keyfeed/backlog/internal/vfs"
	"keyfeed/internal/change"
)

// SegmentInfo describes a segment file.
type SegmentInfo struct {
	Path    string
	Bytes   int64     // length of the file
	Created time.Time // when the segment was begun
	Start   change.Position
	// Start is the state of the stream at the segment's start; the zero Position when the header is damaged.
}

// FrameInfo describes a frame of a segment.
type FrameInfo struct {
	Item   Item  // the content; empty for a seal
	Sealed bool  // the frame is the seal: the segment is complete and durable, and nothing may follow
	At     int64 // where in the file the frame begins
	Bytes  int64 // its length in the file, header included
}

// Visitor is what [Inspect] reports to. A nil function is left out; an error from one ends the inspection with it.
type Visitor struct {
	Segment func(SegmentInfo) error
	Frame   func(FrameInfo) error // the bytes of the chunk are valid during the call
	// Damage is called where a segment cannot be read on; the inspection goes on with the next segment. torn says that
	// opening the log would take it for the tail of the last write and cut it.
	Damage func(damage *CorruptError, torn bool) error
}

// Inspect reads every byte of the log in dir and checks all that can be checked, holes between segments included. It
// changes nothing, and is meant for a log that is not in use. [ErrNoLog] when there is none.
func Inspect(dir string, v Visitor) error { return inspect(vfs.OS{}, dir, v) }

func inspect(fs FS, dir string, v Visitor) error {
	names, err := segmentNames(fs, dir)
	if err != nil {
		return err
	}
	if len(names) == 0 {
		return fmt.Errorf("inspecting %s: %w", dir, ErrNoLog)
	}
	in := inspection{fs: fs, v: v}
	for i, name := range names {
		in.last = i == len(names)-1
		if err := in.segment(filepath.Join(dir, name), name); err != nil {
			return err
		}
	}
	return nil
}

// ReadSegment calls fn for every item of one segment file, with the state of the stream at the segment's start; the
// bytes of a chunk are valid during the call. It ends with [CorruptError] at the first damage, a torn tail included.
func ReadSegment(path string, fn func(start change.Position, item Item) error) error {
	var start change.Position
	in := inspection{fs: vfs.OS{}, v: Visitor{
		Segment: func(s SegmentInfo) error { start = s.Start; return nil },
		Frame: func(f FrameInfo) error {
			if f.Sealed {
				return nil
			}
			return fn(start, f.Item)
		},
		Damage: func(d *CorruptError, _ bool) error { return d },
	}}
	return in.segment(path, filepath.Base(path))
}

// inspection walks over segments. unit is the last unit end whose bytes are all there from the head on.
type inspection struct {
	fs   FS
	v    Visitor
	last bool            // the segment is the newest
	prev change.Position // where the segment before ended; zero at the first, and after damage
	unit int64
}

func (in *inspection) segment(path, name string) error {
	f, err := in.fs.OpenRead(path)
	if err != nil {
		return fmt.Errorf("opening segment: %w", err)
	}
	defer f.Close()
	size, err := f.Size()
	if err != nil {
		return fmt.Errorf("sizing segment: %w", err)
	}
	info := SegmentInfo{Path: path, Bytes: size}
	head, err := readHeader(f, size, name)
	if isDamage(err) {
		start, _ := parseSegmentName(name)
		return errors.Join(in.tell(info), in.damaged(f, corrupt(path, 0, start, in.unitOr(start), err), size, start))
	}
	if err != nil {
		return fmt.Errorf("segment %s: %w", path, err)
	}
	info.Start = change.Position{Gen: head.gen, Offset: head.start, DB: head.db, ReplID: head.replid}
	info.Created = time.UnixMilli(head.created)
	if err := in.tell(info); err != nil {
		return err
	}
	if !in.prev.IsZero() && in.prev != info.Start {
		gap := corrupt(path, 0, in.prev.Offset, in.prev.Offset, fmt.Errorf("%w: the segment begins at %v, the one before it ends at %v", errGap, info.Start, in.prev))
		if err := in.report(gap, false); err != nil {
			return err
		}
	} else {
		in.unit = head.start
	}
	return in.frames(path, newFrames(f, head, size, false), info.Start)
}

func (in *inspection) frames(path string, r *frames, unit change.Position) error {
	for {
		f, err := r.read()
		switch {
		case errors.Is(err, io.EOF):
			in.prev = unit
			return nil
		case isDamage(err):
			return in.damaged(r.src, corrupt(path, r.pos, r.next, unit.Offset, err), r.limit, r.next)
		case err != nil:
			return fmt.Errorf("reading segment: %w", err)
		}
		if f.unitEnd {
			unit.Offset, unit.DB, unit.ReplID = f.end(), f.db, r.replid
			in.unit = unit.Offset
		}
		if in.v.Frame == nil {
			continue
		}
		if err := in.v.Frame(FrameInfo{Item: f.item(), Sealed: f.kind == kindSeal, At: f.at, Bytes: f.size()}); err != nil {
			return err
		}
	}
}

func (in *inspection) tell(info SegmentInfo) error {
	if in.v.Segment == nil {
		return nil
	}
	return in.v.Segment(info)
}

// damaged reports damage and whether it is that of a torn tail.
func (in *inspection) damaged(src io.ReaderAt, d *CorruptError, size, next int64) error {
	in.prev = change.Position{}
	whole := errors.Is(d.Err, errGap) || errors.Is(d.Err, errHistory) || errors.Is(d.Err, errAfterSeal)
	if !whole && in.last {
		var err error
		if whole, err = followedByFrame(src, d.Offset, size, next); err != nil {
			return fmt.Errorf("reading segment: %w", err)
		}
	}
	return in.report(d, in.last && !whole)
}

func (in *inspection) report(d *CorruptError, torn bool) error {
	if in.v.Damage == nil {
		return nil
	}
	return in.v.Damage(d, torn)
}

// unitOr is the last unit end known, else the given one.
func (in *inspection) unitOr(start int64) int64 {
	if in.unit > 0 {
		return in.unit
	}
	return start
}

// item is the content of a frame; empty for a seal.
func (f frame) item() Item {
	switch f.kind {
	case kindData:
		return Item{Chunk: change.Chunk{Start: f.start, Data: f.payload, Arrived: f.arrived, UnitEnd: f.unitEnd, DB: f.db}}
	case kindHistory:
		return Item{History: &History{
			Offset: f.start, DB: f.db, Arrived: f.arrived,
			Prev: string(f.payload[:replIDSize]), ReplID: string(f.payload[replIDSize:]),
		}}
	default:
		return Item{}
	}
}
