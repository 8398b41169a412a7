package backlog

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"path/filepath"
	"slices"

	"keyfeed/internal/change"
)

// Open opens the log in dir after whatever ended the process that wrote it.
//
// A torn tail is cut at the last whole frame, and said so in the log. Damage anywhere else is a [CorruptError]: then
// nothing was changed. [ErrNoLog] means that there is no log, or none was ever complete. On return all that the log holds
// is durable. The log may end inside a unit; [Log.CutToUnit] drops that part.
func Open(dir string, cfg Config) (*Log, error) {
	cfg, err := cfg.withDefaults()
	if err != nil {
		return nil, err
	}
	names, err := segmentNames(cfg.FS, dir)
	if err != nil {
		return nil, err
	}
	r := recovery{fs: cfg.FS, dir: dir, log: cfg.Logger.With("dir", dir)}
	if err := r.examine(names); err != nil {
		return nil, fmt.Errorf("opening log: %w", err)
	}
	if err := r.apply(); err != nil {
		return nil, fmt.Errorf("repairing the tail of the log: %w", errors.Join(err, r.close()))
	}
	if len(r.segs) == 0 {
		return nil, fmt.Errorf("opening log in %s: %w", dir, ErrNoLog)
	}
	return newLog(dir, cfg, r.segs, r.tail), nil
}

// recovery finds out what of a log is whole. It looks first and changes files only when all is understood.
//
// What it relies on (see Log.Sync): a byte that was ever durable by promise lies in a file whose header is intact, and
// every segment before that file is sealed. So in the segments after the last sealed one, and only there, a power cut
// may have taken anything that was written since the last sync.
type recovery struct {
	fs  FS
	dir string
	log *slog.Logger

	segs []*segment
	tail Tail     // after the last of segs
	drop []string // paths of segments to remove, in stream order
}

// candidate is a segment file before it is known to be part of the log.
type candidate struct {
	path   string
	name   string
	size   int64
	head   header
	bad    error // why there is no head
	seal   frame
	sealed bool
}

func (r *recovery) examine(names []string) error {
	found := make([]candidate, len(names))
	lastSealed := -1
	for i, name := range names {
		c, err := r.probe(name)
		if err != nil {
			return err
		}
		if c.sealed {
			lastSealed = i
		}
		found[i] = c
	}
	for i, c := range found {
		open := i > lastSealed
		whole, err := r.take(c, open, i == len(found)-1)
		if err != nil {
			return err
		}
		if whole {
			continue
		}
		// The log ends here. The next segment is good for something only if nothing is missing before it.
		if i+1 < len(found) && r.continues(found[i+1]) {
			continue
		}
		if i < lastSealed {
			return r.lost(found[i+1])
		}
		for _, d := range found[i+1:] {
			r.dropFile(d, "it was written after bytes that a power cut took")
		}
		break
	}
	if n := len(r.segs); n > 0 { // what comes next is written behind it, so the seal comes off
		r.segs[n-1].sealed = false
	}
	return nil
}

// probe reads both ends of a segment file.
func (r *recovery) probe(name string) (candidate, error) {
	c := candidate{path: filepath.Join(r.dir, name), name: name}
	f, err := r.fs.OpenRead(c.path)
	if err != nil {
		return c, fmt.Errorf("opening segment: %w", err)
	}
	defer f.Close()
	if c.size, err = f.Size(); err != nil {
		return c, fmt.Errorf("sizing segment: %w", err)
	}
	switch c.head, err = readHeader(f, c.size, name); {
	case isDamage(err):
		c.bad = err
		return c, nil
	case err != nil:
		return c, fmt.Errorf("segment %s: %w", c.path, err)
	}
	c.seal, c.sealed, err = readSeal(f, c.size, c.head)
	if err != nil {
		return c, fmt.Errorf("reading seal: %w", err)
	}
	return c, nil
}

// take makes a segment part of the log. whole is false when the log ends inside it, or before it.
func (r *recovery) take(c candidate, open, last bool) (whole bool, err error) {
	f, err := r.fs.OpenRead(c.path)
	if err != nil {
		return false, fmt.Errorf("opening segment: %w", err)
	}
	defer f.Close()
	if c.bad != nil {
		return false, r.takeHeadless(c, f, open)
	}
	if len(r.segs) > 0 && !r.continues(c) {
		// The end of an unsealed segment may be lost at a frame's end as well. A sealed one is whole: then a file is gone.
		if open && !r.segs[len(r.segs)-1].sealed && c.head.start > r.tail.Offset && c.head.gen == r.tail.Unit.Gen {
			r.dropFile(c, "it was written after bytes that a power cut took")
			return false, nil
		}
		return false, r.lost(c)
	}
	if c.sealed && !last {
		r.add(c, c.size-sealSize, c.seal.start, c.seal.db, string(c.seal.payload))
		r.segs[len(r.segs)-1].sealed = true
		return true, nil
	}
	return r.scan(c, f)
}

// takeHeadless handles a segment whose header is damaged: made in vain before a power cut, or hurt later.
func (r *recovery) takeHeadless(c candidate, f io.ReaderAt, open bool) error {
	start, _ := parseSegmentName(c.name)
	unitEnd := start
	if len(r.segs) > 0 {
		unitEnd = r.tail.Unit.Offset
	}
	follows := !open
	if open {
		var err error
		if follows, err = followedByFrame(f, 0, c.size, start); err != nil {
			return fmt.Errorf("reading segment: %w", err)
		}
	}
	if follows {
		return corrupt(c.path, 0, unitEnd, unitEnd, c.bad)
	}
	r.dropFile(c, "its header was never whole")
	return nil
}

// scan reads a segment frame by frame.
func (r *recovery) scan(c candidate, src io.ReaderAt) (whole bool, err error) {
	fr := newFrames(src, c.head, c.size, false)
	unit := change.Position{Gen: c.head.gen, Offset: c.head.start, DB: c.head.db, ReplID: c.head.replid}
	size, visible := int64(headerSize), int64(headerSize)
	for {
		f, err := fr.read()
		if errors.Is(err, io.EOF) {
			whole = true
			break
		}
		if isDamage(err) {
			if err := r.torn(c, fr, unit.Offset, err); err != nil {
				return false, err
			}
			break
		}
		if err != nil {
			return false, fmt.Errorf("reading segment: %w", err)
		}
		if f.kind == kindSeal {
			continue // size stays: should this be the last segment after all, the seal comes off
		}
		size = fr.pos
		if f.unitEnd {
			visible = fr.pos
			unit.Offset, unit.DB, unit.ReplID = f.end(), f.db, fr.replid
		}
	}
	r.add(c, size, unit.Offset, unit.DB, unit.ReplID)
	seg := r.segs[len(r.segs)-1]
	seg.visible, seg.end = visible, fr.next
	r.tail.Offset = fr.next
	if dropped := c.size - size; dropped > 0 && !whole {
		r.log.LogAttrs(context.Background(), slog.LevelWarn, "cut a torn tail off the backlog", slog.String("path", c.path),
			slog.Int64("file_offset", size), slog.Int64("stream_offset", fr.next), slog.Int64("dropped_bytes", dropped))
	}
	return whole, nil
}

// torn returns nil when the damage at the reader's place may be the work of a power cut: nothing that was written whole
// comes after it. A frame that is whole but in the wrong place is never that.
func (r *recovery) torn(c candidate, fr *frames, unitEnd int64, cause error) error {
	follows := errors.Is(cause, errGap) || errors.Is(cause, errHistory) || errors.Is(cause, errAfterSeal) // invariant 4
	if !follows {
		var err error
		if follows, err = followedByFrame(fr.src, fr.pos, c.size, fr.next); err != nil {
			return fmt.Errorf("reading segment: %w", err)
		}
	}
	if follows {
		return corrupt(c.path, fr.pos, fr.next, unitEnd, cause)
	}
	return nil
}

// continues reports whether a segment goes on exactly where the log found so far ends.
func (r *recovery) continues(c candidate) bool {
	return c.bad == nil && len(r.segs) > 0 && r.tail.Offset == r.tail.Unit.Offset && r.tail.Unit == change.Position{
		Gen: c.head.gen, Offset: c.head.start, DB: c.head.db, ReplID: c.head.replid,
	}
}

// lost is the error for a hole in the log before a segment.
func (r *recovery) lost(c candidate) error {
	return corrupt(c.path, 0, r.tail.Offset, r.tail.Unit.Offset, fmt.Errorf(
		"%w: the segment begins at stream offset %d, generation %d, db %d, the log before it ends at %d, generation %d, db %d",
		errGap, c.head.start, c.head.gen, c.head.db, r.tail.Offset, r.tail.Unit.Gen, r.tail.Unit.DB))
}

// add puts a segment at the end of the log.
func (r *recovery) add(c candidate, size, end int64, db int, replid string) {
	r.segs = append(r.segs, &segment{
		head: c.head, path: c.path, size: size, visible: size, syncedSize: size, end: end,
	})
	r.tail = Tail{Offset: end, Unit: change.Position{Gen: c.head.gen, Offset: end, DB: db, ReplID: replid}}
}

func (r *recovery) dropFile(c candidate, why string) {
	r.drop = append(r.drop, c.path)
	r.log.LogAttrs(context.Background(), slog.LevelWarn, "dropped a segment that was never complete",
		slog.String("path", c.path), slog.Int64("dropped_bytes", c.size), slog.String("reason", why))
}

// apply makes the files what examine found, opens for writing what is not sealed, and makes it durable: after a kill
// it may be in the page cache only.
func (r *recovery) apply() error {
	for _, path := range slices.Backward(r.drop) { // newest first, each step durable: no hole at any time
		if err := errors.Join(r.fs.Remove(path), r.fs.SyncDir(r.dir)); err != nil {
			return err
		}
	}
	for _, s := range r.segs {
		if s.sealed {
			continue
		}
		var err error
		if s.file, err = r.fs.Open(s.path); err != nil {
			return err
		}
		if err = errors.Join(s.file.Truncate(s.size), s.file.Sync()); err != nil {
			return err
		}
	}
	if len(r.segs) == 0 {
		return nil
	}
	return r.fs.SyncDir(r.dir)
}

func (r *recovery) close() error {
	var err error
	for _, s := range r.segs {
		if s.file != nil {
			err = errors.Join(err, s.file.Close())
		}
	}
	return err
}
