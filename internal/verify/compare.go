package verify

import (
	"context"
	"strconv"

	"golang.org/x/sync/errgroup"
)

// ref names a key.
type ref struct {
	db  int
	key string
}

// result is what a look at a key found.
type result struct {
	kind        string
	differences []Difference // none: equal
	// elements are those of a hash, set or zset that differ, when these are all: it is enough to look at them again.
	elements []string
	moving   bool // the key became something else while it was looked at
}

// subject is a key that both sides have, with the same type.
type subject struct {
	ref
	kind           string
	source, target *look
	now            clocks
}

// both runs f for each side at the same time, so that a moving key is seen as close to one moment as can be.
func (v *Verifier) both(f func(*side) error) error {
	var g errgroup.Group
	for _, d := range []*side{v.source, v.target} {
		g.Go(func() error { return explain(d.name, f(d)) })
	}
	return g.Wait()
}

// of picks what belongs to a side.
func of[T any](d *side, source, target T) T {
	if d.name == sourceName {
		return source
	}
	return target
}

// compare looks at the keys, all of one database, on both sides. Where a look before found elements that differ, and the
// key is still of that type, those are looked at and not all of them.
func (v *Verifier) compare(ctx context.Context, refs []ref, before map[ref]*result) ([]result, error) {
	a, b := make([]look, len(refs)), make([]look, len(refs))
	var now, end clocks
	err := v.both(func(d *side) (err error) {
		*of(d, &now.source, &now.target), *of(d, &end.source, &end.target), err = d.first(refs, of(d, a, b))
		return err
	})
	if err != nil {
		return nil, err
	}
	now.unsure = span(now, end)
	out := make([]result, len(refs))
	var same []int // have a value to compare
	for i := range refs {
		out[i].differences = v.heads(&a[i], &b[i], now)
		if out[i].kind = a[i].kind; out[i].kind == kindNone {
			out[i].kind = b[i].kind
		}
		if a[i].kind == b[i].kind && a[i].kind != kindNone {
			same = append(same, i)
		}
	}
	if err := v.both(func(d *side) error { return d.sizes(refs, of(d, a, b), same) }); err != nil {
		return nil, err
	}
	rest, err := v.small(refs, a, b, same)
	if err != nil {
		return nil, err
	}
	for _, i := range rest {
		var elements []string
		if last := before[refs[i]]; last != nil && last.kind == a[i].kind {
			elements = last.elements
		}
		more, err := v.detail(ctx, &subject{ref: refs[i], kind: a[i].kind, source: &a[i], target: &b[i], now: now}, elements)
		if err != nil {
			return nil, err
		}
		out[i].differences = append(out[i].differences, more.differences...)
		out[i].elements = more.elements
	}
	return out, nil
}

// heads compares what is known without the value: existence, type, deadline.
func (v *Verifier) heads(a, b *look, now clocks) []Difference {
	switch {
	case a.kind == kindNone && b.kind == kindNone:
		return nil
	case a.kind == kindNone && v.over(b.deadline, now.source), b.kind == kindNone && v.over(a.deadline, now.target):
		v.count.expired.Add(1)
		return nil
	case a.kind == kindNone:
		return []Difference{between(WhatKey, "", missing, "")}
	case b.kind == kindNone:
		return []Difference{between(WhatKey, "", "", missing)}
	case a.kind != b.kind:
		return []Difference{between(WhatType, "", a.kind, b.kind)}
	}
	switch v.judge(a.deadline, b.deadline, v.source.exactTTL && v.target.exactTTL, now) {
	case soonGone:
		v.count.soon.Add(1)
	case otherDeadline:
		return []Difference{between(WhatTTL, "", deadlineText(a.deadline), deadlineText(b.deadline))}
	case sameDeadline:
	}
	return nil
}

// small reads what can be read whole, in rounds, and returns the keys whose values must be looked at in detail.
func (v *Verifier) small(refs []ref, a, b []look, which []int) (rest []int, err error) {
	var round []int
	var bytes int64
	flush := func() error {
		if len(round) == 0 {
			return nil
		}
		if err := v.both(func(d *side) error { return d.contents(refs, of(d, a, b), round) }); err != nil {
			return err
		}
		for _, i := range round {
			if a[i].changed || b[i].changed || a[i].sum != b[i].sum {
				rest = append(rest, i)
			}
		}
		round, bytes = round[:0], 0
		return nil
	}
	for _, i := range which {
		if !isSmall(&a[i], &b[i]) {
			rest = append(rest, i)
			continue
		}
		round, bytes = append(round, i), bytes+a[i].weight()
		if bytes >= roundBytes {
			if err := flush(); err != nil {
				return nil, err
			}
		}
	}
	return rest, flush()
}

// detail compares the values of one key piece by piece, or only some elements of it.
func (v *Verifier) detail(ctx context.Context, s *subject, elements []string) (out result, err error) {
	switch s.kind {
	case kindString:
		out.differences, out.moving, err = v.text(ctx, s)
	case kindList:
		out.differences, out.moving, err = v.list(ctx, s)
	case kindStream:
		out.differences, out.moving, err = v.stream(ctx, s)
	case kindSet, kindHash, kindZset:
		if elements == nil {
			out, err = v.members(ctx, s)
		} else {
			out, err = v.again(ctx, s, elements)
		}
	default:
		out.differences, err = v.dump(s)
	}
	switch {
	case err != nil:
		return result{}, err
	case out.moving:
		return result{differences: []Difference{{What: WhatMoving}}}, nil
	}
	// The count of a hash has fields in it that have expired. That of a set or zset may have changed since it was asked
	// for, when the elements say that there is no difference.
	a, b := s.source.size, s.target.size
	if a != b && s.kind != kindHash && (len(out.differences) > 0 || s.kind == kindString || s.kind == kindList) {
		size := between(WhatSize, "", strconv.FormatInt(a, 10), strconv.FormatInt(b, 10))
		out.differences = append([]Difference{size}, out.differences...)
	}
	return out, nil
}

// perChunk is how many elements of the key to ask for at once, so that about [budget] bytes come.
func (s *subject) perChunk() int64 {
	const unknown, most = 256, 1000
	if s.source.bytes <= 0 || s.source.size <= 0 {
		return unknown
	}
	return min(max(budget/max(s.source.bytes/s.source.size, 1), 1), most)
}
