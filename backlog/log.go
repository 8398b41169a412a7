package backlog

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"time"

	"keyfeed/internal/change"
)

// Log is the replication stream of one generation on disk: one writer, any number of cursors.
//
// Append, AppendHistory, CutToUnit, CutTo and CutAt are the writer's, one call at a time. Everything else may be called by any
// goroutine at any time. [Log.Run] must run for fsync, retention and [Log.WaitRoom] to work.
type Log struct {
	dir string
	cfg Config
	fs  FS
	log *slog.Logger
	gen uint64

	// Lock order: writer, maintain, mu.
	writer   sync.Mutex // held by the one who writes to the log; also lets him read tail without mu
	maintain sync.Mutex // held by whoever syncs, seals or removes files
	scratch  []byte     // owned by the writer: one small frame

	wakeRun chan struct{} // holds one signal: there is something to remove

	mu          sync.Mutex // guards all below
	segs        []*segment // in stream order, never empty
	active      *segment   // the last of segs, being written; the writer may read it and its size without mu
	tail        Tail
	size        int64 // bytes on disk
	synced      int64 // see Synced
	published   int64 // see Trim
	cuts        int   // number of cuts so far
	dirDirty    bool  // a file was created or removed since the last SyncDir
	wanted      int64 // bytes of the frame that the limit refused last; 0 = none since the last one that fit
	noSpace     int64 // size when the disk was full; 0 = it is not
	noSpaceAt   time.Time
	err         error // why the log no longer works; sticky
	cursors     map[*Cursor]struct{}
	tailWaiters waiters // for bytes to read
	roomWaiters waiters // for bytes to be removed
}

// Tail is the end of a log.
type Tail struct {
	Offset int64           // the last stream byte logged
	Unit   change.Position // the end of the last whole unit logged: Unit.Offset <= Offset
}

// Create makes a new log in dir, which exists and holds no segment (else [ErrExists]). When it returns, the empty log
// is durable.
func Create(dir string, cfg Config, origin Origin) (*Log, error) {
	cfg, err := cfg.withDefaults()
	if err != nil {
		return nil, err
	}
	if err := origin.validate(); err != nil {
		return nil, err
	}
	names, err := segmentNames(cfg.FS, dir)
	if err != nil {
		return nil, err
	}
	if len(names) > 0 {
		return nil, fmt.Errorf("creating log in %s: %w", dir, ErrExists)
	}
	seg, err := createSegment(cfg.FS, dir, header{
		gen: origin.Gen, start: origin.Offset, replid: origin.ReplID, db: origin.DB, created: time.Now().UnixMilli(),
	})
	if err != nil {
		return nil, noSpaceIsFull(err)
	}
	err = errors.Join(seg.file.Sync(), cfg.FS.SyncDir(dir))
	if err != nil {
		return nil, errors.Join(fmt.Errorf("syncing new log: %w", err), seg.file.Close(), cfg.FS.Remove(seg.path))
	}
	seg.syncedSize = seg.size
	return newLog(dir, cfg, []*segment{seg}, Tail{
		Offset: origin.Offset,
		Unit:   change.Position{Gen: origin.Gen, Offset: origin.Offset, DB: origin.DB, ReplID: origin.ReplID},
	}), nil
}

func newLog(dir string, cfg Config, segs []*segment, tail Tail) *Log {
	l := &Log{
		dir: dir, cfg: cfg, fs: cfg.FS, gen: tail.Unit.Gen,
		log:       cfg.Logger.With("dir", dir),
		segs:      segs,
		active:    segs[len(segs)-1],
		tail:      tail,
		synced:    tail.Unit.Offset,
		published: segs[0].head.start,
		wakeRun:   make(chan struct{}, 1),
		cursors:   make(map[*Cursor]struct{}),
		scratch:   make([]byte, 0, smallFrame),
	}
	for _, s := range segs {
		l.size += s.diskSize()
	}
	l.reserve()
	return l
}

// segmentNames lists the segments in dir in stream order. A name that only looks like a segment's is an error: better
// to ask than to leave out what may be part of the log.
func segmentNames(fs FS, dir string) ([]string, error) {
	all, err := fs.List(dir)
	if err != nil {
		return nil, fmt.Errorf("listing log: %w", err)
	}
	var names []string
	for _, name := range all {
		if !strings.HasSuffix(name, segmentSuffix) {
			continue
		}
		if _, ok := parseSegmentName(name); !ok {
			return nil, fmt.Errorf("listing log: %s is not the name of a segment; move it away", filepath.Join(dir, name))
		}
		names = append(names, name)
	}
	return names, nil
}

// Gen is the generation of the log.
func (l *Log) Gen() uint64 { return l.gen }

// Dir is the directory of the log.
func (l *Log) Dir() string { return l.dir }

// Tail is the end of the log.
func (l *Log) Tail() Tail {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.tail
}

// Head is the first offset that a cursor can start from. It is a unit end.
func (l *Log) Head() int64 {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.segs[0].head.start
}

// Synced is the last unit end that is durable: what may be acknowledged to the source (invariant 1). A cut sets it back
// to the cut. In memory it follows [Log.Sync] like on disk, although nothing there is durable.
func (l *Log) Synced() int64 {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.synced
}

// Size is the length of all segments together, in bytes.
func (l *Log) Size() int64 {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.size
}

// MaxBytes is the configured limit in bytes; 0 = none.
func (l *Log) MaxBytes() int64 { return l.cfg.MaxBytes }

// Err is why the log no longer works: nil while it does, [ErrClosed] after Close, else the error that broke it.
func (l *Log) Err() error {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.err
}

// Close makes what is logged durable and ends the log: all later calls, and cursors that wait, return [ErrClosed]. It is
// idempotent. The files stay.
func (l *Log) Close() error {
	l.writer.Lock()
	defer l.writer.Unlock()
	err := l.Sync()
	if errors.Is(err, ErrFull) { // see finish
		err = nil
	}
	l.maintain.Lock()
	defer l.maintain.Unlock()
	l.mu.Lock()
	defer l.mu.Unlock()
	if errors.Is(l.err, ErrClosed) {
		return nil
	}
	l.err = ErrClosed
	l.tailWaiters.wakeAll()
	l.roomWaiters.wakeAll()
	for _, s := range l.segs {
		if s.file != nil {
			if cerr := s.file.Close(); err == nil {
				err = cerr
			}
			s.file = nil
		}
	}
	return err
}

// fail breaks the log for good: what is on disk is no longer known.
func (l *Log) fail(err error) error {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.err == nil {
		l.err = err
		l.tailWaiters.wakeAll()
		l.roomWaiters.wakeAll()
		l.log.LogAttrs(context.Background(), slog.LevelError, "the backlog has failed", slog.Any("err", err))
	}
	return l.err
}

// noSpaceIsFull makes "no space left" and "over quota" wrap ErrFull.
func noSpaceIsFull(err error) error {
	if errors.Is(err, syscall.ENOSPC) || errors.Is(err, syscall.EDQUOT) {
		return fmt.Errorf("%w: %w", ErrFull, err)
	}
	return err
}
