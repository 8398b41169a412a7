package verify

import (
	"context"
	"fmt"
	"strconv"
)

// Limits of the elements of one key that wait for another look. A key with more is walked anew.
const (
	maxElements     = 128
	maxElementBytes = 64 << 10
)

// members compares hashes, sets and zsets: each element of the source is looked up in the target, then each of the
// target in the source. That needs no count, which is wrong while fields expire, and no memory of what was seen; that
// a scan may return an element twice does not matter.
//
// A large key that is written to differs in some element or other whenever it is walked. So the walk goes on behind a
// difference, and only the elements that differed are looked at again.
func (v *Verifier) members(ctx context.Context, s *subject) (result, error) {
	var out result
	for _, way := range []struct{ from, to *side }{{v.source, v.target}, {v.target, v.source}} {
		w := walk{v: v, s: s, from: way.from, to: way.to, out: &out}
		if err := w.run(ctx); err != nil {
			return result{}, err
		}
		if out.moving || w.full() {
			break
		}
	}
	if len(out.elements) > maxElements || bytesOf(out.elements) > maxElementBytes {
		out.elements = nil
	}
	return out, nil
}

// walk looks up each element that from has in to.
type walk struct {
	v        *Verifier
	s        *subject
	from, to *side
	out      *result
	failed   error // to look up, in the middle of a page

	names  []string // taken and not looked up yet
	values []content
	held   int // bytes of names
}

// full reports whether so many elements differ that it makes no sense to go on.
func (w *walk) full() bool { return len(w.out.elements) > maxElements }

func (w *walk) run(ctx context.Context) error {
	command := map[string]string{kindHash: "HSCAN", kindSet: "SSCAN", kindZset: "ZSCAN"}[w.s.kind]
	count := strconv.FormatInt(w.s.perChunk(), 10)
	for cursor := "0"; ; {
		if err := w.from.refresh(ctx, &w.from.elems); err != nil {
			return err
		}
		w.from.elems.use(w.s.db)
		err := w.from.elems.ask(tolerant(&w.out.moving, func(r *reader) (err error) {
			cursor, err = w.page(ctx, r)
			return err
		}), command, w.s.key, cursor, "COUNT", count)
		switch {
		case w.failed != nil:
			return w.failed
		case err != nil:
			return explain(w.from.name, err)
		}
		if err := w.lookUp(ctx); err != nil {
			return err
		}
		if cursor == "0" || w.full() || w.out.moving {
			return nil
		}
	}
}

// page reads one answer of a scan. Elements are looked up while the rest of the page waits in the connection: a page can
// be as long as the server likes.
func (w *walk) page(ctx context.Context, r *reader) (cursor string, err error) {
	if err := r.arrayOf(2); err != nil {
		return "", err
	}
	if cursor, err = r.text(); err != nil {
		return "", err
	}
	each := 2
	if w.s.kind == kindSet {
		each = 1
	}
	n, err := r.groupsOf(each)
	if err != nil {
		return "", err
	}
	for range n {
		if w.full() || w.out.moving { // only the rest of the page is left to be passed
			for range each {
				if err := r.skip(); err != nil {
					return "", err
				}
			}
			continue
		}
		if err := w.take(r); err != nil {
			return "", err
		}
		if len(w.names) >= smallElements || w.held >= budget {
			if w.failed = w.lookUp(ctx); w.failed != nil {
				return "", w.failed
			}
		}
	}
	return cursor, nil
}

// take reads an element.
func (w *walk) take(r *reader) error {
	name, err := r.text()
	if err != nil {
		return err
	}
	value := content{present: true}
	switch w.s.kind {
	case kindHash:
		value, err = w.from.dig.content(r, w.v.opts.ShowValues)
	case kindZset:
		value, err = readScore(r)
	}
	w.names, w.values, w.held = append(w.names, name), append(w.values, value), w.held+len(name)
	return err
}

// lookUp compares the elements taken with those of the other side, and forgets them.
func (w *walk) lookUp(ctx context.Context) error {
	if len(w.names) == 0 || w.full() || w.out.moving {
		return nil
	}
	if err := w.v.pace(ctx, len(w.names)); err != nil {
		return err
	}
	w.v.count.elements.Add(int64(len(w.names)))
	times, err := w.v.fieldDeadlines(w.s, w.names, &w.out.moving)
	if err != nil || w.out.moving {
		return err
	}
	there, err := w.to.points(w.s, w.names, w.v.opts.ShowValues, &w.out.moving)
	if err != nil || w.out.moving {
		return explain(w.to.name, err)
	}
	for i, name := range w.names {
		a, b := of(w.from, w.values[i], there[i]), of(w.from, there[i], w.values[i])
		w.v.element(w.s, w.out, name, a, b, times.source[i], times.target[i])
	}
	w.names, w.values, w.held = w.names[:0], w.values[:0], 0
	return nil
}

// again compares the elements of a key that differed before.
func (v *Verifier) again(ctx context.Context, s *subject, names []string) (result, error) {
	var out result
	if err := v.pace(ctx, len(names)); err != nil {
		return out, err
	}
	times, err := v.fieldDeadlines(s, names, &out.moving)
	if err != nil || out.moving {
		return out, err
	}
	var a, b []content
	var moved [2]bool
	err = v.both(func(d *side) (err error) {
		*of(d, &a, &b), err = d.points(s, names, v.opts.ShowValues, of(d, &moved[0], &moved[1]))
		return err
	})
	if out.moving = moved[0] || moved[1]; err != nil || out.moving {
		return out, err
	}
	for i, name := range names {
		v.element(s, &out, name, a[i], b[i], times.source[i], times.target[i])
	}
	return out, nil
}

// element compares one element of both sides.
func (v *Verifier) element(s *subject, out *result, name string, a, b content, sourceTime, targetTime int64) {
	differs := func(d Difference) {
		if len(out.elements) == 0 { // one is named for all
			out.differences = append(out.differences, d)
		}
		out.elements = append(out.elements, name)
	}
	where := v.elementName(s.kind, name)
	switch {
	case !a.present && !b.present:
	case !a.present && v.over(targetTime, s.now.source), !b.present && v.over(sourceTime, s.now.target):
		v.count.expired.Add(1)
	case !a.present:
		differs(between(WhatValue, where, missing, b.shown()))
	case !b.present:
		differs(between(WhatValue, where, a.shown(), missing))
	case a.sum != b.sum && s.kind == kindZset:
		differs(Difference{What: WhatScore, Where: where})
	case a.sum != b.sum:
		differs(between(WhatValue, where, a.shown(), b.shown()))
	default:
		switch v.judge(sourceTime, targetTime, true, s.now) {
		case soonGone:
			v.count.soon.Add(1)
		case otherDeadline:
			differs(between(WhatFieldTTL, where, deadlineText(sourceTime), deadlineText(targetTime)))
		case sameDeadline:
		}
	}
}

// elementName names an element. Names of fields are shown like those of keys; members of sets and zsets are values.
func (v *Verifier) elementName(kind, name string) string {
	word, most := "member", headBytes
	switch {
	case kind == kindHash:
		word, most = "field", maxKeyShown
	case !v.opts.ShowValues:
		return "a member"
	}
	if len(name) > most {
		return fmt.Sprintf("%s %q… (%d bytes)", word, name[:most], len(name))
	}
	return word + " " + strconv.Quote(name)
}

func bytesOf(names []string) (n int) {
	for _, name := range names {
		n += len(name)
	}
	return n
}
