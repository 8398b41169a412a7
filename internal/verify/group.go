package verify

import (
	"context"
	"fmt"
	"maps"
	"slices"
	"strconv"
)

// groups compares the consumer groups of a stream. What is held is the groups of one stream and the consumers of one
// group; pending entries are read by pages. When a consumer was last seen is not compared: it is not replicated.
func (v *Verifier) groups(ctx context.Context, s *subject) (found []Difference, changed bool, err error) {
	wanted := func(name string) bool { return name == "last-delivered-id" || name == "entries-read" }
	a, b, changed, err := v.named(s, wanted, "XINFO", "GROUPS", s.key)
	if err != nil || changed {
		return nil, changed, err
	}
	for _, name := range union(a, b) {
		where := "group " + strconv.Quote(name)
		if d, one := oneSided(WhatGroup, where, a, b, name); one {
			found = append(found, d)
			continue
		}
		found = append(found, scalarDifferences(WhatGroup, where, a[name], b[name])...)
		consumers, changed, err := v.consumers(s, name, where)
		if err != nil || changed {
			return nil, changed, err
		}
		pending, changed, err := v.pending(ctx, s, name, where)
		if err != nil || changed {
			return nil, changed, err
		}
		found = append(append(found, consumers...), pending...)
	}
	return found, false, nil
}

// consumers compares the consumers of a group by name and by how many entries each owns.
func (v *Verifier) consumers(s *subject, group, where string) (found []Difference, changed bool, err error) {
	a, b, changed, err := v.named(s, func(name string) bool { return name == "pending" }, "XINFO", "CONSUMERS", s.key, group)
	if err != nil || changed {
		return nil, changed, err
	}
	for _, name := range union(a, b) {
		where := where + " consumer " + strconv.Quote(name)
		if d, one := oneSided(WhatConsumer, where, a, b, name); one {
			found = append(found, d)
			continue
		}
		found = append(found, scalarDifferences(WhatConsumer, where, a[name], b[name])...)
	}
	return found, false, nil
}

// named asks both sides for an array of arrays of names and values, and gives them by the value of "name".
func (v *Verifier) named(s *subject, wanted func(string) bool, command ...string) (a, b map[string]map[string]string, changed bool, err error) {
	var moved [2]bool
	err = v.both(func(d *side) error {
		all := map[string]map[string]string{}
		*of(d, &a, &b) = all
		d.data.use(s.db)
		return d.data.ask(tolerant(of(d, &moved[0], &moved[1]), func(r *reader) error {
			n, err := r.array()
			if err != nil {
				return err
			}
			for range n {
				m, err := readScalars(r, func(name string) bool { return name == "name" || wanted(name) })
				if err != nil {
					return err
				}
				name := m["name"]
				delete(m, "name")
				all[name] = m
			}
			return nil
		}), command...)
	})
	return a, b, moved[0] || moved[1], err
}

func union(a, b map[string]map[string]string) []string {
	names := slices.AppendSeq(slices.Collect(maps.Keys(a)), maps.Keys(b))
	slices.Sort(names)
	return slices.Compact(names)
}

// oneSided tells of a name that only one side has.
func oneSided(what, where string, a, b map[string]map[string]string, name string) (Difference, bool) {
	_, inA := a[name]
	_, inB := b[name]
	switch {
	case !inA:
		return between(what, where, missing, ""), true
	case !inB:
		return between(what, where, "", missing), true
	}
	return Difference{}, false
}

// scalarDifferences compares what both sides tell.
func scalarDifferences(what, where string, a, b map[string]string) (found []Difference) {
	for _, name := range slices.Sorted(maps.Keys(a)) {
		if other, ok := b[name]; ok && other != a[name] {
			found = append(found, between(what, where+" "+name, a[name], other))
		}
	}
	return found
}

// owed is a pending entry: who owns it, since when, delivered how often.
type owed struct {
	id, owner string
	delivered int64 // Unix ms
	count     int64
}

// pending compares the entries of a group that are not acknowledged, by pages, up to the first difference.
func (v *Verifier) pending(ctx context.Context, s *subject, group, where string) (found []Difference, changed bool, err error) {
	const step = 256
	for start := "-"; start != ""; {
		if err := v.pace(ctx, step); err != nil {
			return nil, false, err
		}
		var a, b []owed
		var moved [2]bool
		var now, end clocks
		err := v.both(func(d *side) error {
			began := of(d, &now.source, &now.target)
			d.data.use(s.db)
			d.data.do(timeInto(began), "TIME")
			d.data.do(tolerant(of(d, &moved[0], &moved[1]), func(r *reader) (err error) {
				*of(d, &a, &b), err = readOwed(r, *began)
				return err
			}), "XPENDING", s.key, group, start, "+", strconv.Itoa(step))
			return d.data.ask(timeInto(of(d, &end.source, &end.target)), "TIME")
		})
		if err != nil || moved[0] || moved[1] {
			return nil, true, err
		}
		unsure := span(now, end)
		for i := range max(len(a), len(b)) {
			if d, differs := v.owedDifference(a, b, i, unsure); differs {
				d.Where = where + " entry " + d.Where
				return []Difference{d}, false, nil
			}
		}
		v.count.elements.Add(int64(len(a)))
		start = ""
		if len(a) == step {
			if start, err = after(a[step-1].id); err != nil {
				return nil, false, err
			}
		}
	}
	return nil, false, nil
}

// owedDifference compares the i-th of two runs of pending entries in the order of ids.
func (v *Verifier) owedDifference(a, b []owed, i int, unsure int64) (Difference, bool) {
	switch {
	case i >= len(b), i < len(a) && idLess(a[i].id, b[i].id):
		return between(WhatPending, a[i].id, "", missing), true
	case i >= len(a), a[i].id != b[i].id:
		return between(WhatPending, b[i].id, missing, ""), true
	}
	x, y := a[i], b[i]
	switch {
	case x.owner != y.owner:
		return between(WhatPending, x.id+" owner", strconv.Quote(x.owner), strconv.Quote(y.owner)), true
	case x.count != y.count:
		return between(WhatPending, x.id+" delivery count", strconv.FormatInt(x.count, 10), strconv.FormatInt(y.count, 10)), true
	case !v.loose(x.delivered, y.delivered, unsure): // computed from the time that it is idle
		return between(WhatPending, x.id+" delivery time", deadlineText(x.delivered), deadlineText(y.delivered)), true
	}
	return Difference{}, false
}

// readOwed reads the answer to XPENDING with a range.
func readOwed(r *reader, now int64) ([]owed, error) {
	n, err := r.array()
	if err != nil {
		return nil, err
	}
	var out []owed
	for range n {
		if err := r.arrayOf(4); err != nil {
			return nil, err
		}
		var e owed
		if e.id, err = r.text(); err != nil {
			return nil, err
		}
		if e.owner, err = r.text(); err != nil {
			return nil, err
		}
		idle, err := r.integer()
		if err != nil {
			return nil, err
		}
		if e.count, err = r.integer(); err != nil {
			return nil, fmt.Errorf("a delivery count: %w", err)
		}
		e.delivered = now - idle
		out = append(out, e)
	}
	return out, nil
}
