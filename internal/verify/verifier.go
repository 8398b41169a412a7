package verify

import (
	"context"
	"fmt"
	"maps"
	"slices"
	"sync/atomic"
	"time"

	"golang.org/x/time/rate"
)

// Options says what to compare and how.
type Options struct {
	Source, Target Server

	// Rounds is how often a key that differs is looked at again before it is reported; 0 reports it at once. Pause comes
	// before the first of these, and doubles for each one after it.
	Rounds int
	Pause  time.Duration

	// Tolerance is how far deadlines may be apart where one of the servers tells only the time left, and delivery times
	// of pending entries, which servers tell only so.
	Tolerance time.Duration

	// MaxRate is how many keys are read a second, from each server; elements of large keys, and pieces of large strings,
	// count like keys. 0 is no limit.
	MaxRate int

	// IdleLimit is after how much idle time a connection is made anew: servers may close it (their setting timeout). The
	// default is 20 s.
	IdleLimit time.Duration

	ShowValues bool // put values, cut to 64 bytes, into differences

	// Ignore says of which keys nothing is said, on either side; nil: none.
	Ignore func(db int, key string) bool

	// Report is told of each key that differs, by the goroutine of Run. Its error ends Run.
	Report func(Finding) error
}

// Summary is what has been done so far.
type Summary struct {
	Keys     int64 // of the source, compared
	Extra    int64 // of the target, looked up in the source
	Total    int64 // keys of both sides, as they said when they were last asked
	Elements int64 // of large keys
	Looks    int64 // taken again at keys that differed
	Waiting  int64 // keys that wait for another look
	Healed   int64 // differed at first, and not in a later look
	Expired  int64 // on one side only, and over by the clock of the other
	Soon     int64 // deadlines not compared: within a minute on the source, later on the target

	Different int64 // keys and libraries of functions
}

// Verifier compares two servers, once.
type Verifier struct {
	opts           Options
	source, target *side
	limit          *rate.Limiter // nil: none
	batch          int           // keys that are compared together
	recheck        recheck
	done           map[int]bool // databases

	count struct {
		keys, extra, total, elements, looks, waiting, healed, expired, soon, different atomic.Int64
	}
}

// maxBatch is how many keys are compared together at most.
const maxBatch = 500

// New returns a Verifier. It connects in Run.
func New(o Options) *Verifier {
	if o.IdleLimit <= 0 {
		o.IdleLimit = 20 * time.Second
	}
	v := &Verifier{opts: o, batch: maxBatch, done: map[int]bool{}}
	v.recheck = newRecheck(o.Rounds)
	if o.MaxRate > 0 {
		v.batch = min(max(o.MaxRate/4, 1), maxBatch)
		v.limit = rate.NewLimiter(rate.Limit(o.MaxRate), v.batch)
	}
	return v
}

// Progress is what has been done so far. Any goroutine may call it, at any time.
func (v *Verifier) Progress() Summary {
	c := &v.count
	return Summary{
		Keys: c.keys.Load(), Extra: c.extra.Load(), Total: c.total.Load(), Elements: c.elements.Load(),
		Looks: c.looks.Load(), Waiting: c.waiting.Load(), Healed: c.healed.Load(),
		Expired: c.expired.Load(), Soon: c.soon.Load(), Different: c.different.Load(),
	}
}

// Run connects, compares everything and disconnects. The summary tells whether the servers are equal only when the error
// is nil: after an error some keys were not compared. It is called once.
func (v *Verifier) Run(ctx context.Context) (Summary, error) {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	err := v.run(ctx)
	if err != nil && ctx.Err() != nil {
		err = fmt.Errorf("stopped before the end: %w", context.Cause(ctx))
	}
	return v.Progress(), err
}

func (v *Verifier) run(ctx context.Context) (err error) {
	if v.source, err = open(ctx, sourceName, v.opts.Source, v.opts.IdleLimit); err != nil {
		return err
	}
	defer v.source.close()
	if v.target, err = open(ctx, targetName, v.opts.Target, v.opts.IdleLimit); err != nil {
		return err
	}
	defer v.target.close()
	for {
		if err := v.pace(ctx, 0); err != nil {
			return err
		}
		db, more, err := v.next()
		if err != nil {
			return err
		}
		if !more {
			break
		}
		if err := v.database(ctx, db); err != nil {
			return err
		}
		v.done[db] = true
	}
	if err := v.drain(ctx); err != nil {
		return err
	}
	if err := v.pace(ctx, 0); err != nil {
		return err
	}
	return v.functions()
}

// next is the lowest database that a side has keys in and that is not done. Both are asked each time: a database may
// have got its first key meanwhile.
func (v *Verifier) next() (db int, more bool, err error) {
	var a, b map[int]int64
	err = v.both(func(d *side) (err error) {
		*of(d, &a, &b), err = d.databases()
		return err
	})
	if err != nil {
		return 0, false, err
	}
	total := int64(0)
	for _, n := range slices.AppendSeq(slices.Collect(maps.Values(a)), maps.Values(b)) {
		total += n
	}
	v.count.total.Store(total)
	dbs := slices.AppendSeq(slices.Collect(maps.Keys(a)), maps.Keys(b))
	slices.Sort(dbs)
	for _, db := range dbs {
		if !v.done[db] {
			return db, true, nil
		}
	}
	return 0, false, nil
}

// report hands on what differs.
func (v *Verifier) report(f Finding) error {
	v.count.different.Add(1)
	if v.opts.Report == nil {
		return nil
	}
	if err := v.opts.Report(f); err != nil {
		return fmt.Errorf("reporting a difference: %w", err)
	}
	return nil
}

// pace waits until n more keys may be read. No answer may be due on the connections for data.
func (v *Verifier) pace(ctx context.Context, n int) error {
	if err := ctx.Err(); err != nil {
		return fmt.Errorf("comparing: %w", err)
	}
	for ; n > 0 && v.limit != nil; n -= v.limit.Burst() {
		if err := v.limit.WaitN(ctx, min(n, v.limit.Burst())); err != nil {
			return fmt.Errorf("waiting for the rate limit: %w", err)
		}
	}
	if err := v.source.refresh(ctx, &v.source.data); err != nil {
		return err
	}
	return v.target.refresh(ctx, &v.target.data)
}
