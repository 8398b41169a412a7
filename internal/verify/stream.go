package verify

import (
	"context"
	"fmt"
	"strconv"
	"strings"
)

// streamInfo is what XINFO STREAM tells and both servers must agree on. Old servers tell less; what only one of them
// tells is not compared.
type streamInfo map[string]string

// scalars of a stream. The first and the last entry are compared with the entries; the rest is how it is stored.
func isStreamScalar(name string) bool {
	switch name {
	case "length", "last-generated-id", "max-deleted-entry-id", "entries-added":
		return true
	}
	return false
}

// stream compares scalars, entries and groups of a stream.
func (v *Verifier) stream(ctx context.Context, s *subject) (found []Difference, changed bool, err error) {
	var a, b streamInfo
	var moved [2]bool
	err = v.both(func(d *side) error {
		d.data.use(s.db)
		return d.data.ask(tolerant(of(d, &moved[0], &moved[1]), func(r *reader) (err error) {
			*of(d, &a, &b), err = readScalars(r, isStreamScalar)
			return err
		}), "XINFO", "STREAM", s.key)
	})
	if err != nil || moved[0] || moved[1] {
		return nil, true, err
	}
	for _, name := range []string{"length", "last-generated-id", "max-deleted-entry-id", "entries-added"} {
		x, inA := a[name]
		y, inB := b[name]
		switch {
		case !inA || !inB || x == y:
		case name == "length":
			found = append(found, between(WhatSize, "", x, y))
		default:
			found = append(found, between(WhatStream, name, x, y))
		}
	}
	entries, changed, err := v.entries(ctx, s)
	if err != nil || changed {
		return nil, changed, err
	}
	groups, changed, err := v.groups(ctx, s)
	return append(append(found, entries...), groups...), changed, err
}

// readScalars reads an array of names and values and keeps the values that wanted names. Null is the text "unknown".
func readScalars(r *reader, wanted func(string) bool) (map[string]string, error) {
	m := map[string]string{}
	return m, r.fields(func(name string) error {
		if !wanted(name) {
			return r.skip()
		}
		text, ok, err := r.scalar()
		if !ok {
			text = "unknown"
		}
		m[name] = text
		return err
	})
}

// entry is one of a stream, or a pending one of a group.
type entry struct {
	id  string
	sum digest
}

// entries compares two streams from their first entries on, up to the first difference.
func (v *Verifier) entries(ctx context.Context, s *subject) (found []Difference, changed bool, err error) {
	const step = 256
	for start := "-"; start != ""; {
		if err := v.pace(ctx, step); err != nil {
			return nil, false, err
		}
		var a, b []entry
		var moved [2]bool
		err := v.both(func(d *side) error {
			d.data.use(s.db)
			return d.data.ask(tolerant(of(d, &moved[0], &moved[1]), func(r *reader) (err error) {
				*of(d, &a, &b), err = d.readEntries(r)
				return err
			}), "XRANGE", s.key, start, "+", "COUNT", strconv.Itoa(step))
		})
		if err != nil || moved[0] || moved[1] {
			return nil, true, err
		}
		for i := range max(len(a), len(b)) {
			if d, differs := entryDifference(a, b, i); differs {
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

// entryDifference compares the i-th of two runs of entries in the order of ids. One of them may have fewer.
func entryDifference(a, b []entry, i int) (Difference, bool) {
	switch {
	case i >= len(b), i < len(a) && idLess(a[i].id, b[i].id):
		return between(WhatEntry, "entry "+a[i].id, "", missing), true
	case i >= len(a), a[i].id != b[i].id:
		return between(WhatEntry, "entry "+b[i].id, missing, ""), true
	}
	return Difference{What: WhatEntry, Where: "entry " + a[i].id}, a[i].sum != b[i].sum
}

// readEntries reads the answer to XRANGE. Fields count in their order, repeated ones too.
func (d *side) readEntries(r *reader) ([]entry, error) {
	n, err := r.array()
	if err != nil {
		return nil, err
	}
	var out []entry
	for range n {
		if err := r.arrayOf(2); err != nil {
			return nil, err
		}
		var e entry
		if e.id, err = r.text(); err != nil {
			return nil, err
		}
		if e.sum, err = d.dig.ordered(r); err != nil {
			return nil, err
		}
		out = append(out, e)
	}
	return out, nil
}

// parseID reads an entry's id.
func parseID(id string) (ms, seq uint64, err error) {
	a, b, ok := strings.Cut(id, "-")
	if ok {
		if ms, err = strconv.ParseUint(a, 10, 64); err == nil {
			seq, err = strconv.ParseUint(b, 10, 64)
		}
	}
	if !ok || err != nil {
		return 0, 0, fmt.Errorf("reading a reply: %w: an entry's id", errProtocol)
	}
	return ms, seq, nil
}

// after is the smallest id above id, "" when there is none. Servers before 6.2 know no exclusive ranges.
func after(id string) (string, error) {
	ms, seq, err := parseID(id)
	if err != nil {
		return "", err
	}
	if seq++; seq == 0 {
		if ms++; ms == 0 {
			return "", nil
		}
	}
	return strconv.FormatUint(ms, 10) + "-" + strconv.FormatUint(seq, 10), nil
}

// idLess orders ids; what is no id comes first.
func idLess(a, b string) bool {
	am, as, errA := parseID(a)
	bm, bs, errB := parseID(b)
	if errA != nil || errB != nil {
		return errA != nil && errB == nil
	}
	return am < bm || am == bm && as < bs
}
