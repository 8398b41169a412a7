package replay

import (
	"errors"
	"fmt"
)

// group is what the next MULTI … EXEC holds: whole events, and transactions of the source whole. A group is executed, and
// answered, before anything of the next one is sent: one that the target refuses as a whole must not be followed by another
// that it takes.
type group struct {
	whole batch // complete events
	block batch // events of the transaction that is open
	// sending says that the transaction is too large to wait for: MULTI and its beginning are with the target, alone in
	// their group.
	sending bool
	sent    []origin // of the commands that are; the first maxOrigins of them
	failed  error    // the first answer that stops the replay; the others are read all the same
}

// maxOrigins bounds what is remembered of the commands of a transaction, for messages.
const maxOrigins = 100_000

func (g *group) reset() {
	g.whole.reset()
	g.block.reset()
	g.sending, g.sent = false, nil
}

func (g *group) remember(from []origin) {
	g.sent = append(g.sent, from[:min(len(from), maxOrigins-len(g.sent))]...)
}

// send adds a command of the event at hand to the group.
func (r *Replayer) send(id string, args ...[]byte) {
	b := &r.group.whole
	if r.txn != "" {
		b = &r.group.block
	}
	b.add(id, r.db, args...)
}

// bound keeps the group small. It is called between events.
func (r *Replayer) bound() error {
	switch {
	case r.txn == "" && r.group.whole.full():
		return r.Commit()
	case r.txn != "" && r.group.block.full():
		return r.sendBlock()
	}
	return nil
}

// closeBlock ends a transaction of the source.
func (r *Replayer) closeBlock() error {
	g := &r.group
	if !g.sending {
		g.whole.join(&g.block)
		g.block.reset()
		return nil
	}
	if err := r.sendBlock(); err != nil {
		return err
	}
	g.sending = false
	r.book.reach(r.stats.LastID)
	return r.exec()
}

// sendBlock sends what has come of the open transaction, which then waits in the target's memory for its end.
func (r *Replayer) sendBlock() error {
	g := &r.group
	if !g.sending {
		if err := r.Commit(); err != nil {
			return err
		}
		g.sending = true
		r.multi()
	}
	r.p.queueBatch(&g.block)
	g.remember(g.block.from)
	g.block.reset()
	return r.p.flush()
}

// dropBlock forgets a transaction whose end will not come.
func (r *Replayer) dropBlock(id string) error {
	g := &r.group
	g.block.reset()
	r.txn = ""
	if !g.sending {
		return nil
	}
	g.sending, g.sent = false, nil
	r.p.db = noDB // what the SELECTs would have selected
	if err := r.p.send(id, nil, []byte("DISCARD")); err != nil {
		return err
	}
	return r.book.guard(r.p) // DISCARD has dropped it
}

// Commit applies every complete event and waits for the answers. What is open, a transaction or a value, stays open.
func (r *Replayer) Commit() error {
	g := &r.group
	if g.sending {
		return nil
	}
	if len(g.whole.from) > 0 || r.book.moved() {
		r.multi()
		r.p.queueBatch(&g.whole)
		g.remember(g.whole.from)
		g.whole.reset()
		if err := r.exec(); err != nil {
			return err
		}
	}
	return r.p.flush()
}

// direct makes the commands of the pipeline run at once, in db: those whose answers decide what comes next. They cannot be
// in a group; the bookmark stays before their value until the value is complete, so that it is written again from its start.
// Nor do they notice another replay: one that takes over meanwhile may find a value of the snapshot half written.
func (r *Replayer) direct(id string, db int) error {
	if err := r.Commit(); err != nil {
		return err
	}
	return r.p.selectDB(id, db)
}

func (r *Replayer) multi() {
	r.p.queue(waiting{origin: origin{r.stats.LastID, "MULTI"}}, []byte("MULTI"))
}

// exec ends the group: it writes the bookmark, executes all of it or nothing, and judges the answers.
func (r *Replayer) exec() error {
	inexact := r.stats.Inexact
	var b batch
	b.reset()
	r.book.write(&b, &r.stats)
	r.p.queueBatch(&b)
	g := &r.group
	ours := len(b.from)
	r.p.queue(waiting{origin: origin{r.stats.LastID, "EXEC"}, each: func(i, n int, rep *reply) error {
		if err := r.executed(i, n, n-ours, rep); err != nil && g.failed == nil {
			g.failed = err
		}
		return nil
	}}, []byte("EXEC"))
	if err := r.book.guard(r.p); err != nil {
		return err
	}
	if err := r.p.flush(); err != nil {
		return err
	}
	failed := g.failed
	g.sent, g.failed = nil, nil
	r.book.written()
	r.stats.Applied, r.stats.AppliedID = r.stats.Events, r.book.reached(r.stats.LastID)
	if r.book != nil && r.stats.Inexact > inexact {
		// The rest of the group was executed and the bookmark is behind it: the next run must know what this one saw.
		r.multi()
		return errors.Join(failed, r.exec())
	}
	return failed
}

// executed judges answer i of n to a group, the last of which belong to the bookmark.
func (r *Replayer) executed(i, n, events int, rep *reply) error {
	if n == 0 {
		return fmt.Errorf("%w: %s was changed by somebody else", ErrFenced, bookmarkKey)
	}
	err := rep.err()
	if err == nil {
		return nil
	}
	at := origin{r.stats.LastID, "EXEC"}
	switch {
	case n == 1 && events <= 0:
		return r.refused(at.id, at.cmd, err)
	case i >= events:
		return fmt.Errorf("%w: writing %s: %w", ErrTarget, bookmarkKey, err)
	case i < len(r.group.sent):
		at = r.group.sent[i]
	}
	return r.refused(at.id, at.cmd, err)
}

// queued holds that a command was taken into the transaction. One that was not undoes all of it.
func queued(o origin, r *reply) error {
	err := r.err()
	if err == nil {
		return nil
	}
	if state := stateError(o.cmd, err); state != nil {
		return state
	}
	return fmt.Errorf("%w: %w", ErrTarget, InexactError{
		ID: o.id, What: "refused",
		Text: fmt.Sprintf("it refused %s, so nothing of its group was applied: %v: is it as new as the source?", o.cmd, err),
	})
}
