package bridge

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"sync/atomic"

	"keyfeed/backlog"
	"keyfeed/snapshot"
)

// generation is one full sync and the stream that follows it.
type generation struct {
	dir string // empty when everything is kept in memory

	// The fields below are guarded by Bridge.mu; what they point to has its own rules.
	meta  meta
	keys  keyCount        // of the source, as counted last while this generation was the newest
	spool *snapshot.Spool // nil while it is being received, and after it was published
	log   *backlog.Log    // nil while the spool is being received

	full atomic.Bool // the log refused a chunk and the link has not asked since

	seals    context.Context //nolint:containedctx // ends when nothing is appended any more
	sealNow  context.CancelFunc
	newer    context.Context //nolint:containedctx // ends when a newer generation can be published
	newerNow context.CancelFunc
	stop     context.CancelFunc // ends the log's Run; nil before it began
	stopped  chan struct{}      // closed when the log's Run has returned
}

func newGeneration(dir string, m meta) *generation {
	g := &generation{dir: dir, meta: m}
	g.seals, g.sealNow = context.WithCancel(context.Background())
	g.newer, g.newerNow = context.WithCancel(context.Background())
	return g
}

// hasSnapshot reports whether the spool is there, complete and verified (invariant 7), and not yet published.
func (g *generation) hasSnapshot() bool { return g.spool != nil }

func (g *generation) isSealed() bool { return g.seals.Err() != nil }

// seal ends the log: what follows its last whole unit will not come.
func (g *generation) seal() error {
	if g.isSealed() {
		return nil
	}
	if _, err := g.log.CutToUnit(); err != nil {
		return fmt.Errorf("cutting the log to its last unit: %w", err)
	}
	g.sealNow()
	return nil
}

const genPrefix = "gen-"

// load reads the generations of an earlier run, oldest first, and removes what cannot be used: a spool that was not
// complete when the process ended.
func (b *Bridge) load() error {
	if b.memory() {
		return nil
	}
	entries, err := os.ReadDir(b.dir)
	if err != nil {
		return fmt.Errorf("reading the data directory: %w", err)
	}
	var gens []*generation
	for _, e := range entries {
		digits, ok := strings.CutPrefix(e.Name(), genPrefix)
		if !ok || !e.IsDir() {
			continue
		}
		if strings.HasSuffix(digits, removedSuffix) { // the process died meanwhile
			if err := os.RemoveAll(filepath.Join(b.dir, e.Name())); err != nil {
				return fmt.Errorf("removing a generation: %w", err)
			}
			continue
		}
		if _, err := strconv.ParseUint(digits, 10, 64); err != nil {
			continue
		}
		g, err := b.loadGeneration(filepath.Join(b.dir, e.Name()))
		if err != nil {
			return fmt.Errorf("loading %s: %w", e.Name(), err)
		}
		if g != nil {
			gens = append(gens, g)
		}
	}
	slices.SortFunc(gens, func(x, y *generation) int { return cmp.Compare(x.meta.Gen, y.meta.Gen) })
	gens, unlogged, err := b.splitUnlogged(gens)
	if err != nil {
		return err
	}
	for i, g := range gens {
		if i < len(gens)-1 {
			if err := g.seal(); err != nil {
				return err
			}
			g.newerNow()
		}
		b.log.Info("found a generation on disk", "gen", g.meta.Gen, "snapshot_pending", g.hasSnapshot(),
			"head", g.log.Head(), "tail", g.log.Tail().Unit.Offset)
	}
	b.mu.Lock() // the pages show the bridge already
	defer b.mu.Unlock()
	b.gens, b.unlogged = gens, unlogged
	return nil
}

// loadGeneration returns nil when the directory held nothing of use and was removed.
func (b *Bridge) loadGeneration(dir string) (*generation, error) {
	discard := func(why string) (*generation, error) {
		b.log.Warn("removing an unfinished generation", "dir", filepath.Base(dir), "why", why)
		return nil, removeDir(dir)
	}
	logged, err := hasLog(dir)
	if err != nil {
		return nil, err
	}
	m, err := readMeta(dir)
	switch {
	case errors.Is(err, fs.ErrNotExist) && !logged:
		return discard("gen.json was not written yet")
	case errors.Is(err, fs.ErrNotExist): // it is durable before there is a log
		return nil, fmt.Errorf("%w: %s is gone, but there is a log beside it. Put it back, or move the directory away; "+
			"keyfeed resumes from the sink's position then", ErrOperator, filepath.Join(dir, metaFile))
	case err != nil:
		return nil, err
	}
	g := newGeneration(dir, m)
	if !g.meta.Published {
		g.spool, err = snapshot.Open(dir, b.spoolConfig())
		switch {
		case errors.Is(err, snapshot.ErrNoSpool), errors.Is(err, snapshot.ErrIncomplete):
			if !logged {
				return discard("the snapshot was not complete")
			}
			g.meta.Begun, g.meta.Published = true, true // a log is made when the spool is complete: this one was removed because it is in the sink
		case err != nil:
			return nil, fmt.Errorf("%w: %w. Move %s away; keyfeed resumes from the sink's position or takes a new snapshot", ErrOperator, err, dir)
		}
	}
	if g.meta.Published { // the process may have ended between the note and the removal
		if err := snapshot.Clear(dir); err != nil {
			return nil, fmt.Errorf("removing a published spool: %w", err)
		}
	}
	g.log, err = backlog.Open(dir, b.logConfig())
	if errors.Is(err, backlog.ErrNoLog) && g.spool != nil {
		return g, nil // the process ended between the end of the snapshot and the first byte of the stream
	}
	if errors.Is(err, backlog.ErrNoLog) {
		return discard("it has no log")
	}
	if _, ok := errors.AsType[*backlog.CorruptError](err); ok || errors.Is(err, backlog.ErrVersion) {
		err = fmt.Errorf("%w: %w", ErrOperator, err)
	}
	return g, err
}

// hasLog reports whether the directory of a generation holds a segment.
func hasLog(dir string) (bool, error) {
	names, err := filepath.Glob(filepath.Join(dir, "*.seg"))
	if err != nil {
		return false, fmt.Errorf("looking for a log: %w", err)
	}
	return len(names) > 0, nil
}

// newGenerationLocked makes the directory of a generation, with its gen.json. b.mu is held.
func (b *Bridge) newGenerationLocked(m meta) (*generation, error) {
	if b.memory() {
		return newGeneration("", m), nil
	}
	dir := filepath.Join(b.dir, fmt.Sprintf(genPrefix+"%010d", m.Gen))
	if err := removeDir(dir); err != nil { // what could not be removed before; no generation has this number
		return nil, fmt.Errorf("clearing the directory of a generation: %w", err)
	}
	g := newGeneration(dir, meta{})
	err := os.Mkdir(dir, 0o750)
	if err == nil {
		err = osDir(b.dir).sync()
	}
	if err == nil {
		err = b.saveMeta(g, m)
	}
	if err != nil {
		return nil, errors.Join(fmt.Errorf("making the directory of a generation: %w", err), os.RemoveAll(dir))
	}
	return g, nil
}

// saveMeta stores m durably, then makes it the meta of g. b.mu is held, or g is not shared yet.
func (b *Bridge) saveMeta(g *generation, m meta) error {
	if g.dir != "" {
		if err := writeMeta(g.dir, m, b.cfg.Reserve); err != nil {
			return err
		}
	}
	g.meta = m
	return nil
}

// origin is where the stream of a generation with a snapshot starts.
func (g *generation) origin() backlog.Origin {
	m := g.spool.Meta()
	return backlog.Origin{Gen: g.meta.Gen, ReplID: m.ReplID, Offset: m.Offset, DB: m.DB}
}

func (b *Bridge) createLog(g *generation, o backlog.Origin) (*backlog.Log, error) {
	if b.memory() {
		return backlog.NewMemory(b.logConfig(), o)
	}
	l, err := backlog.Create(g.dir, b.logConfig(), o)
	if err != nil {
		return nil, fmt.Errorf("making the log: %w", err)
	}
	return l, nil
}

// counted is how many keys the source held last in g, as far as anybody has counted.
func (g *generation) counted() keyCount {
	if !g.keys.Known && g.meta.Keys != nil {
		return keyCount{Keys: *g.meta.Keys, Known: true}
	}
	return g.keys
}

// startLog runs the log's own goroutine until close.
func (b *Bridge) startLog(g *generation) {
	ctx, cancel := context.WithCancel(context.WithoutCancel(b.runCtx))
	g.stop, g.stopped = cancel, make(chan struct{})
	go func() {
		defer close(g.stopped)
		if err := g.log.Run(ctx); err != nil {
			b.fail(fmt.Errorf("keeping the log: %w", err))
		}
	}()
}

// close ends the log's goroutine and closes its files.
func (g *generation) close() error {
	g.sealNow()
	g.newerNow()
	if g.stop != nil {
		g.stop()
		<-g.stopped
	}
	if g.log == nil {
		return nil
	}
	if err := g.log.Close(); err != nil {
		return fmt.Errorf("closing the log: %w", err)
	}
	return nil
}

// removedSuffix names a generation's directory that is being deleted.
const removedSuffix = ".removed"

// removeDir deletes a generation's directory, under another name, which is durable first: a process that dies meanwhile,
// or a power cut, must not leave a log whose gen.json is gone already, which the next start takes for damage.
func removeDir(dir string) error {
	gone := dir + removedSuffix
	if err := os.RemoveAll(gone); err != nil {
		return err
	}
	err := os.Rename(dir, gone)
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	if err == nil {
		err = osDir(filepath.Dir(dir)).sync()
	}
	if err != nil {
		return err
	}
	return os.RemoveAll(gone)
}

// remove closes the generation and deletes what it holds.
func (b *Bridge) remove(g *generation, why string) error {
	b.log.Info("removing a generation from the disk", "gen", g.meta.Gen, "why", why)
	err := g.close()
	if g.dir != "" {
		err = errors.Join(err, removeDir(g.dir))
	}
	if err != nil {
		return fmt.Errorf("removing generation %d: %w", g.meta.Gen, err)
	}
	return nil
}
