package bridge

import (
	"errors"
	"fmt"

	"keyfeed/backlog"
)

// adoptLocked makes a generation whose spool is complete the newest one: it gets its log, and can be published. Where the
// disk has no room for the log, the spool is kept and resume tries again (P6: it cost the source a fork). b.mu is held,
// and no link appends.
func (b *Bridge) adoptLocked(g *generation) error {
	log, err := b.createLog(g, g.origin())
	if errors.Is(err, backlog.ErrFull) {
		b.unlogged = g
		b.broadcastLocked()
		return err
	}
	b.unlogged = nil
	if err != nil {
		return errors.Join(err, b.remove(g, "its log could not be made"))
	}
	g.log = log
	if err := b.supersedeLocked(); err != nil {
		return errors.Join(err, g.close())
	}
	b.startLog(g)
	b.gens = append(b.gens, g)
	// Whatever the planner has asked for since, it did not know of this generation, which continues any position.
	b.forceFull, b.firstAsk, b.askSink, b.dropWanted = "", false, false, false
	b.broadcastLocked()
	return nil
}

// supersedeLocked ends the older generations: nothing will follow in their logs. b.mu is held.
func (b *Bridge) supersedeLocked() error {
	if err := b.replacePendingLocked(); err != nil {
		return err
	}
	for _, old := range b.gens {
		if err := old.seal(); err != nil {
			return fmt.Errorf("sealing the log of generation %d: %w", old.meta.Gen, err)
		}
		old.newerNow()
	}
	return b.answered()
}

// splitUnlogged takes out of gens, which are in order, what a crash or a full disk left without a log. One that is not the
// newest has been replaced.
func (b *Bridge) splitUnlogged(gens []*generation) (logged []*generation, unlogged *generation, err error) {
	for i, g := range gens {
		switch {
		case g.log != nil:
			logged = append(logged, g)
		case i == len(gens)-1:
			unlogged = g
		default:
			if err := b.remove(g, "a newer generation replaces it"); err != nil {
				return nil, nil, err
			}
		}
	}
	return logged, unlogged, nil
}
