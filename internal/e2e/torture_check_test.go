//go:build e2e

package e2e

import (
	"fmt"
	"strings"
)

// verdict is what the check has found.
type verdict struct {
	Events, IDs, Outside                     int64
	Commands, Transactions                   int64 // of the recording that had to come out
	Generations                              []generationSeen
	Lost, Duplicated, Reordered, Wrong, Torn int64
	problems                                 problems
}

// generationSeen is a generation as the sink has it.
type generationSeen struct {
	Gen, Offset int64
	Reason      string
	Snapshot    int64 // events of the snapshot
	Complete    bool  // the snapshot has its end
	Stream      int64 // events of the stream behind it
}

func (v *verdict) ok() bool {
	return v.Lost+v.Duplicated+v.Reordered+v.Wrong+v.Torn == 0 && len(v.problems.list) == 0
}

func (v *verdict) String() string {
	var gens []string
	for _, g := range v.Generations {
		gens = append(gens, fmt.Sprintf("%d (%s at offset %d: %d snapshot events, %d stream events)", g.Gen, g.Reason, g.Offset, g.Snapshot, g.Stream))
	}
	return fmt.Sprintf("%d events, %d ids and %d heartbeats and history marks; %d commands and %d transactions were expected; "+
		"lost %d, duplicated %d, reordered %d, wrong %d, transactions torn %d; generations: %s",
		v.Events, v.IDs, v.Outside, v.Commands, v.Transactions, v.Lost, v.Duplicated, v.Reordered, v.Wrong, v.Torn, strings.Join(gens, ", "))
}

// judge compares the events of a sink, a file for each partition, with a recording of the source's stream up to the
// offset end.
func judge(files []string, rec *recording, end int64) (*verdict, error) {
	m, err := newMerger(files)
	if err != nil {
		return nil, err
	}
	defer m.close()
	v := &verdict{}
	w, ok, err := m.next()
	for ok && err == nil {
		w, ok, err = v.generation(m, rec, end, w)
	}
	if err != nil {
		return nil, err
	}
	late, err := m.sortLate()
	if err != nil {
		return nil, err
	}
	v.Events, v.IDs, v.Outside, v.Duplicated, v.Reordered = m.events, m.ids, m.outside, m.duplicated, late
	// What came late was missing at its place: once is enough.
	v.Lost = max(0, v.Lost-late)
	for _, text := range m.problems.list {
		v.problems.add("%s", text)
	}
	v.problems.more += m.problems.more
	v.Wrong += m.misplaced
	return v, nil
}

// generation checks all events of one generation, the first of which is w, and returns the first one of the next.
func (v *verdict) generation(m *merger, rec *recording, end int64, w wire) (next wire, more bool, err error) {
	g := generationSeen{Gen: w.Source.Gen, Offset: w.Source.Offset, Reason: w.Reason}
	if w.Op != "m" || w.Kind != "snapshot_begin" || w.Source.Seq != 0 {
		v.Wrong++
		v.problems.add("generation %d begins with %s (%s %s) instead of snapshot_begin", g.Gen, w.ID, w.Op, w.Kind)
	}
	if n := len(v.Generations); n > 0 {
		if prev := fmt.Sprintf("%010d:", v.Generations[n-1].Gen); !strings.HasPrefix(w.Prev, prev) {
			v.Wrong++
			v.problems.add("generation %d names %q as the position before it, want one that begins %q", g.Gen, w.Prev, prev)
		}
	}
	var stream []merged
	for more = true; more && err == nil && w.Source.Gen == g.Gen; w, more, err = m.next() {
		switch {
		case w.Op == "r" || w.Op == "m" && strings.HasPrefix(w.Kind, "snapshot_") || w.Source.Offset == g.Offset:
			if int64(w.Source.Seq) != g.Snapshot || w.Source.Offset != g.Offset || g.Complete {
				v.Lost++
				v.problems.add("%s: number %d of the snapshot was expected", w.ID, g.Snapshot)
				g.Snapshot = int64(w.Source.Seq)
			}
			g.Snapshot++
			if w.Kind == "snapshot_end" {
				g.Complete = true
				if w.Events != g.Snapshot {
					v.Wrong++
					v.problems.add("%s counts %d events, %d have come", w.ID, w.Events, g.Snapshot)
				}
			}
		case !g.Complete:
			v.Wrong++
			v.problems.add("%s comes before the end of the snapshot", w.ID)
			fallthrough
		default:
			e, err := w.compact()
			if err != nil {
				v.Wrong++
				v.problems.add("%v", err)
			}
			stream = append(stream, e)
		}
	}
	if err != nil {
		return w, false, err
	}
	g.Stream = int64(len(stream))
	v.Generations = append(v.Generations, g)
	until := int64(0) // a later generation declares the gap behind this one
	if !more {
		until = end
		if !g.Complete {
			v.Lost++
			v.problems.add("the snapshot of generation %d has no end", g.Gen)
		}
	}
	return w, more, v.stream(&g, stream, rec, until)
}

// stream compares the stream events of a generation with what the recording expects behind its snapshot, up to the last
// event or the offset until. A branch of the history that no server has any more counts as much as the trunk: keyfeed may
// have published it before.
func (v *verdict) stream(g *generationSeen, events []merged, rec *recording, until int64) error {
	var best *comparison
	for _, path := range rec.paths(g.Offset) {
		c := &comparison{gen: g.Gen, events: events, until: until}
		if len(events) > 0 {
			c.until = max(c.until, events[len(events)-1].offset)
		}
		err := rec.walk(path, func(u unit) error { return c.unit(u, g.Offset) })
		if err != nil {
			return err
		}
		c.rest()
		if best == nil || c.faults() < best.faults() {
			best = c
		}
		if best.faults() == 0 {
			break
		}
	}
	v.Commands += best.commands
	v.Transactions += best.transactions
	v.Lost += best.lost
	v.Wrong += best.wrong
	v.Torn += best.torn
	for _, text := range best.problems.list {
		v.problems.add("%s", text)
	}
	v.problems.more += best.problems.more
	return nil
}

// comparison walks the units of a path and the events of a generation side by side.
type comparison struct {
	gen    int64
	events []merged // those not compared yet
	until  int64    // units that end above it are not expected

	commands, transactions, lost, wrong, torn int64
	problems                                  problems
}

func (c *comparison) faults() int64 { return c.lost + c.wrong + c.torn }

// unit compares one unit. A unit that has begun to come out has to come out whole, whatever until says.
func (c *comparison) unit(u unit, from int64) error {
	if len(u.cmds) == 0 || u.cmds[0].end <= from {
		return nil
	}
	if u.cmds[0].end > c.until {
		return errEnough
	}
	type place struct {
		want content
		cmd  *command
		seq  int32
		n    int32
	}
	var places []place
	for i := range u.cmds {
		cmd := &u.cmds[i]
		all := expected(*cmd)
		for seq, want := range all {
			places = append(places, place{want, cmd, int32(seq), int32(len(all))})
		}
	}
	c.commands += int64(len(u.cmds))
	txn := u.multi > 0 && len(places) > 1
	if txn {
		c.transactions++
	}
	lost := 0
	for i, p := range places {
		e, ok := c.take(p.cmd.end, p.seq)
		switch {
		case !ok:
			lost++
			c.lost++
			c.problems.add("lost: %s, event %d of %.100q in database %d", c.id(p.cmd.end, p.seq), p.seq, p.cmd.argv, p.cmd.db)
		case e.content != p.want || e.n != p.n:
			c.wrong++
			c.problems.add("%s is not event %d of %d of %.100q in database %d", c.id(p.cmd.end, p.seq), p.seq, p.n, p.cmd.argv, p.cmd.db)
		case !txn && e.txnAt != 0:
			c.torn++
			c.problems.add("%s is in a transaction, but its command %.100q was alone", c.id(p.cmd.end, p.seq), p.cmd.argv)
		case txn && (e.txnAt != u.multi || int(e.txnSeq) != i || e.txnLast != (i == len(places)-1) ||
			e.txnSize != 0 && int(e.txnSize) != len(places)):
			c.torn++
			c.problems.add("%s says txn %d, number %d of %d, last %v; want txn %d, number %d of %d",
				c.id(p.cmd.end, p.seq), e.txnAt, e.txnSeq, e.txnSize, e.txnLast, u.multi, i, len(places))
		}
	}
	if txn && lost > 0 && lost < len(places) {
		c.torn++
	}
	return nil
}

// take returns the event at a place. What stands before it belongs to no place.
func (c *comparison) take(offset int64, seq int32) (merged, bool) {
	for len(c.events) > 0 {
		e := c.events[0]
		if e.offset > offset || e.offset == offset && e.seq > seq {
			return e, false
		}
		c.events = c.events[1:]
		if e.offset == offset && e.seq == seq {
			return e, true
		}
		c.invented(e)
	}
	return merged{}, false
}

func (c *comparison) invented(e merged) {
	c.wrong++
	c.problems.add("%s is no event of the recording", c.id(e.offset, e.seq))
}

// rest holds that no events are left when the path has ended.
func (c *comparison) rest() {
	for _, e := range c.events {
		c.invented(e)
	}
	c.events = nil
}

func (c *comparison) id(offset int64, seq int32) string {
	return fmt.Sprintf("%010d:%020d:%010d", c.gen, offset, seq)
}
