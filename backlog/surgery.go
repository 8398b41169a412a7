package backlog

import (
	"errors"
	"fmt"
	"path/filepath"
	"slices"

	"keyfeed/backlog/internal/vfs"
	"keyfeed/internal/change"
)

// CutPlan says what an operator's cut keeps and drops. Nothing has happened until Apply.
type CutPlan struct {
	Keep           change.Position // the unit end at which the log will end; zero when nothing is left of it
	File           string          // the segment that is shortened; empty when nothing is left of the log
	FileBytes      int64           // its length in bytes after the cut
	DroppedBytes   int64           // bytes of files that go, headers and damage included
	DroppedFiles   []string        // segments that go as a whole, in stream order
	DroppedThrough int64           // the log was known to reach this stream offset; the source must send what is after Keep again

	fs  FS
	dir string
}

// PlanCut works out how to cut the log in dir down to the last unit end at or before offset that a frame ends with and
// before which all is intact. It is for a log that is not in use and that [Open] refuses. [ErrNoLog] when there is none.
func PlanCut(dir string, offset int64) (*CutPlan, error) { return planCut(vfs.OS{}, dir, offset) }

func planCut(fs FS, dir string, offset int64) (*CutPlan, error) {
	p := &CutPlan{fs: fs, dir: dir}
	names, err := segmentNames(fs, dir)
	if err != nil {
		return nil, err
	}
	if len(names) == 0 {
		return nil, fmt.Errorf("cutting log in %s: %w", dir, ErrNoLog)
	}
	whole := true // all segments so far are intact and reach up to the next
	err = inspect(fs, dir, Visitor{
		Segment: func(s SegmentInfo) error {
			whole = whole && !s.Start.IsZero() && s.Start.Offset <= offset && (p.Keep.IsZero() || p.Keep == s.Start)
			p.DroppedThrough = max(p.DroppedThrough, s.Start.Offset)
			if whole {
				p.Keep, p.File, p.FileBytes, p.DroppedFiles = s.Start, s.Path, headerSize, nil
				p.DroppedBytes = s.Bytes - headerSize
			} else {
				p.DroppedFiles = append(p.DroppedFiles, s.Path)
				p.DroppedBytes += s.Bytes
			}
			return nil
		},
		Frame: func(f FrameInfo) error {
			if !f.Sealed && f.Item.History == nil {
				p.DroppedThrough = max(p.DroppedThrough, f.Item.Chunk.End())
			}
			p.keep(f, whole, offset)
			return nil
		},
		Damage: func(*CorruptError, bool) error { whole = false; return nil },
	})
	if err != nil {
		return nil, err
	}
	return p, nil
}

// keep moves the cut behind a frame when that is allowed.
func (p *CutPlan) keep(f FrameInfo, whole bool, offset int64) {
	switch h := f.Item.History; {
	case !whole || f.Sealed:
		return
	case h != nil:
		p.Keep.ReplID = h.ReplID
	case f.Item.Chunk.End() > offset || !f.Item.Chunk.UnitEnd:
		return
	default:
		p.Keep.Offset, p.Keep.DB = f.Item.Chunk.End(), f.Item.Chunk.DB
	}
	p.DroppedBytes -= f.At + f.Bytes - p.FileBytes
	p.FileBytes = f.At + f.Bytes
}

// Apply does the cut, newest segment first and each step durable. After an error make a new plan.
func (p *CutPlan) Apply() error {
	for _, path := range slices.Backward(p.DroppedFiles) {
		if err := errors.Join(p.fs.Remove(path), p.fs.SyncDir(p.dir)); err != nil {
			return fmt.Errorf("removing %s: %w", filepath.Base(path), err)
		}
	}
	if p.File == "" {
		return nil
	}
	f, err := p.fs.Open(p.File)
	if err != nil {
		return fmt.Errorf("opening segment: %w", err)
	}
	if err := errors.Join(f.Truncate(p.FileBytes), f.Sync(), f.Close()); err != nil {
		return fmt.Errorf("cutting segment: %w", err)
	}
	return nil
}
