package bridge

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"slices"
	"sync"
	"time"

	"golang.org/x/sync/errgroup"

	"keyfeed/backlog"
	"keyfeed/ingest"
	"keyfeed/internal/change"
	"keyfeed/internal/event"
	"keyfeed/internal/pump"
	"keyfeed/sinks"
	"keyfeed/snapshot"
)

// Policy of what happens when bytes are lost for good.
const (
	PolicyFail   = "fail"
	PolicyResync = "resync"
	PolicyBlock  = "block"
)

// Snapshot modes: docs/configuration.md, KEYFEED_SNAPSHOT_MODE.
const (
	SnapshotWhenNeeded  = "when_needed"
	SnapshotAlways      = "always"
	SnapshotInitialOnly = "initial_only"
	SnapshotNever       = "never"
)

// Config is how a bridge behaves.
type Config struct {
	Name    string // of the source
	DataDir string // locked by the caller
	Memory  bool   // nothing is kept on disk, and DataDir is not used

	Source  ingest.Config
	Backlog backlog.Config
	Spool   snapshot.Config
	Pump    pump.Config

	MaxBytes     int // largest encoded event
	BinaryAlways bool
	Publish      bool // PUBLISH becomes an event
	Filter       pump.Filter
	FailUnknown  bool // an unknown command ends Run with ErrOperator
	FailOversize bool // an event whose content had to be left out ends Run with ErrOperator

	Quiet time.Duration // a fenced process stands by until no other writer was seen for so long; 0 = see standby.go

	SinkPatience     time.Duration // how long a full sync waits for a sink that is not open yet; 0 = a minute, negative = it does not
	StallTimeout     time.Duration // nothing moves for so long: it is reported; 0 = 2 minutes
	CountEvery       time.Duration // how often the source is asked for its number of keys; 0 = every minute
	MaxShrink        int           // percent of the keys that a full sync may take away without an operator's approval; 0 = all
	FullSyncsPerHour int           // how many may begin in an hour; 0 = any number, without a pause between

	SnapshotMode  string
	OnHistoryLoss string // PolicyFail or PolicyResync
	OnSinkLoss    string
	OnBacklogFull string // PolicyBlock or PolicyResync
	AckPublished  bool   // acknowledge to the source what the sink has confirmed, not what is durable here

	FreeSpace func(dir string) (int64, error) // bytes free where dir is; nil = ask the system
	RoomRetry time.Duration                   // how often a full disk is looked at again; default 5s
	Reserve   func(bytes int) error           // called before metadata is written; a seam for tests of a full disk

	Logger *slog.Logger
}

// Bridge carries one source to one sink.
type Bridge struct {
	cfg  Config
	log  *slog.Logger
	sink sinks.Sink
	pump *pump.Pump
	dir  string

	census census

	runCtx context.Context //nolint:containedctx // set once by Run, before anything is started
	fail   context.CancelCauseFunc

	mu        sync.Mutex
	gens      []*generation // oldest first; guarded by mu
	receiving *generation   // whose spool is being received; guarded by mu
	unlogged  *generation   // whose spool is complete, but the disk had no room for its log; see adopt.go; guarded by mu
	aside     []*generation // closed: they do not continue the sink's position, the source has not said yet that it does; guarded by mu
	replica   *ingest.Replica
	changed   chan struct{} // closed and replaced at every change that a planner may wait for; guarded by mu

	sinkPos   change.Position // what the sink held when it was opened last; guarded by mu
	sinkKnown bool            // the sink was opened; guarded by mu
	tally     tally           // what sinkPos counts; guarded by mu
	confirmed change.Position // guarded by mu

	standing bool // another keyfeed writes to the sink, and this one waits; guarded by mu
	detached bool // the source is left alone until the sink's position is placed; see standby.go; guarded by mu
	placed   bool // the planner has compared the sink's position with the disk; guarded by mu

	// What the next attempt to reach the source must do differently; guarded by mu.
	forceFull  string             // reason of the full sync to ask for; empty = ask for what Resume finds
	askSink    bool               // the logs were put aside: the sink's position is asked for
	sinkBehind bool               // of askSink: the position is behind what the logs hold, or beside it
	informed   bool               // INFO told the source's history before the last PSYNC
	needRoom   int64              // bytes that the last snapshot needed and the disk did not have; 0 = it had
	firstAsk   bool               // no attempt has succeeded in this run
	restart    context.CancelFunc // ends the replication link so that Run starts it anew
	dropWanted bool               // drop all generations before the link starts anew
	asked      ingest.Resume      // what the link was told last
	maxRecord  int                // the largest record that the sink stores; 0 = unknown
	publishing *snapshot.Reader   // of the snapshot being published, or the last one

	budget       budget            // guarded by mu
	turn         turn              // guarded by mu
	sinkDue      time.Time         // until when a full sync waits for the sink's position; zero = none had to; guarded by mu
	stall        *Stall            // what stands still, nil = nothing; guarded by mu
	keys         keyCount          // guarded by mu
	identity     identity          // of the source; guarded by mu
	inspected    ingest.ServerInfo // what INFO told before the last PSYNC; guarded by mu
	approved     bool              // an operator's request for a snapshot has not been answered yet; guarded by mu
	requestFresh bool              // an operator's request for a snapshot has not been tried yet; guarded by mu
}

// New returns a bridge that has not started.
func New(cfg Config, sink sinks.Sink) *Bridge {
	b := &Bridge{
		cfg: cfg, log: cfg.Logger, census: census{log: cfg.Logger}, sink: sink, changed: make(chan struct{}), firstAsk: true,
		dir: filepath.Join(cfg.DataDir, "sources", cfg.Name),
	}
	cfg.Pump.Logger, cfg.Pump.Keys = cfg.Logger, b.keysHeld
	cfg.Pump.ForgetLost = cfg.OnSinkLoss == PolicyResync
	b.pump = pump.New(sink, b, cfg.Pump)
	b.budget = newBudget(&b.cfg, b.dir)
	return b
}

// Run carries changes until ctx ends (nil), the work is done (nil), or an error needs an operator. It returns when all
// of its goroutines have ended and the files are closed.
func (b *Bridge) Run(ctx context.Context) (err error) {
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	b.runCtx, b.fail = ctx, cancel
	if !b.memory() {
		if err := os.MkdirAll(b.dir, 0o750); err != nil {
			return fmt.Errorf("making the source's directory: %w", err)
		}
	}
	if err := b.loadIdentity(); err != nil {
		return err
	}
	if err := b.load(); err != nil {
		return err
	}
	if err := b.standBy(ctx); err != nil || ctx.Err() != nil {
		return errors.Join(err, b.closeAll())
	}
	requested, err := b.requested()
	if err != nil {
		return fmt.Errorf("looking for a request: %w", err)
	}
	fresh, err := b.fresh()
	if err != nil {
		return fmt.Errorf("looking for a request: %w", err)
	}
	b.mu.Lock()
	b.requestFresh, b.approved = fresh, requested
	err = b.budget.load(time.Now())
	if err == nil && !b.memory() {
		err = readState(b.dir, keysFile, &b.keys)
	}
	if requested {
		b.forceFull = event.ReasonRequested
	}
	for _, g := range b.gens {
		b.startLog(g)
	}
	b.mu.Unlock()
	defer func() { err = errors.Join(err, b.closeAll()) }()
	if err != nil {
		return err
	}

	g, gctx := errgroup.WithContext(ctx)
	g.Go(func() error { return b.runLink(gctx) })
	g.Go(func() error { return b.countKeys(gctx) })
	g.Go(func() error { return b.watchStalls(gctx) })
	g.Go(func() error {
		if err := b.pump.Run(gctx); err != nil || gctx.Err() != nil {
			return err
		}
		return errDone
	})
	err = b.fenced(g.Wait())
	if cause := context.Cause(ctx); errors.Is(err, context.Canceled) && cause != nil && !errors.Is(cause, context.Canceled) {
		err = cause
	}
	if errors.Is(err, errDone) || errors.Is(err, context.Canceled) {
		return nil
	}
	return err
}

// runLink keeps one replica attached; a restart begins it anew with what Resume says then.
func (b *Bridge) runLink(ctx context.Context) error {
	for {
		lctx, cancel := context.WithCancel(ctx)
		r, err := b.newLink(cancel)
		if err != nil {
			cancel()
			return err
		}
		err = r.Run(lctx)
		restarted := lctx.Err() != nil && ctx.Err() == nil
		cancel()
		if !restarted {
			return err
		}
	}
}

// newLink makes the replica of the next turn, which restart ends. Whatever asked for a restart before, it is done
// here, while no link runs: a planner that finds no link to restart has its wish read when the first one is made.
func (b *Bridge) newLink(restart context.CancelFunc) (*ingest.Replica, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	if err := b.dropIfWantedLocked(); err != nil {
		return nil, err
	}
	r, err := ingest.New(b.cfg.Source, (*store)(b))
	if err != nil {
		return nil, fmt.Errorf("%w: the source: %w", ErrOperator, err)
	}
	b.restart, b.replica = restart, r
	return r, nil
}

func (b *Bridge) closeAll() error {
	b.mu.Lock()
	defer b.mu.Unlock()
	var errs []error
	for _, g := range b.gens {
		errs = append(errs, g.close())
	}
	b.gens = nil
	return errors.Join(errs...)
}

// broadcastLocked wakes everybody who waits in await. b.mu is held.
func (b *Bridge) broadcastLocked() {
	close(b.changed)
	b.changed = make(chan struct{})
}

// await waits for a change after the one that ch belongs to.
func await(ctx context.Context, ch <-chan struct{}) error {
	select {
	case <-ch:
		return nil
	case <-ctx.Done():
		return context.Cause(ctx)
	}
}

// newestLocked is the newest generation that can be published, nil without one. b.mu is held.
func (b *Bridge) newestLocked() *generation {
	if len(b.gens) == 0 {
		return nil
	}
	return b.gens[len(b.gens)-1]
}

func (b *Bridge) logConfig() backlog.Config {
	c := b.cfg.Backlog
	c.Logger = b.log
	return c
}

// memory reports whether nothing is kept on disk.
func (b *Bridge) memory() bool { return b.cfg.Memory }

func (b *Bridge) spoolConfig() snapshot.Config { return b.cfg.Spool }

// nextGen numbers a generation: the second of its FULLRESYNC, or one more than the last known. b.mu is held.
func (b *Bridge) nextGenLocked(arrivedMs int64) uint64 {
	gen := uint64(max(time.UnixMilli(arrivedMs).Unix(), 1))
	for _, g := range slices.Concat(b.gens, b.aside) {
		gen = max(gen, g.meta.Gen+1)
	}
	return max(gen, b.sinkPos.Gen+1, b.confirmed.Gen+1)
}
