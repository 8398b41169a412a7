package verify

import (
	"context"
	"fmt"
	"strconv"
)

// text compares two strings by pieces.
func (v *Verifier) text(ctx context.Context, s *subject) (found []Difference, changed bool, err error) {
	size := min(s.source.size, s.target.size)
	for at := int64(0); at < max(size, 1); at += budget {
		end := at + budget - 1
		if err := v.pace(ctx, 1); err != nil {
			return nil, false, err
		}
		var a, b content
		var moved [2]bool
		err := v.both(func(d *side) error {
			d.data.use(s.db)
			return d.data.ask(tolerant(of(d, &moved[0], &moved[1]), func(r *reader) (err error) {
				*of(d, &a, &b), err = d.dig.content(r, v.opts.ShowValues)
				return err
			}), "GETRANGE", s.key, strconv.FormatInt(at, 10), strconv.FormatInt(end, 10))
		})
		if err != nil || moved[0] || moved[1] {
			return nil, true, err
		}
		if a.sum != b.sum {
			where := ""
			if max(s.source.size, s.target.size) > budget {
				where = fmt.Sprintf("bytes %d to %d", at, min(end, max(s.source.size, s.target.size)-1))
			}
			return []Difference{between(WhatValue, where, a.shown(), b.shown())}, false, nil
		}
	}
	return nil, false, nil
}

// list compares two lists from their heads on.
func (v *Verifier) list(ctx context.Context, s *subject) (found []Difference, changed bool, err error) {
	step := s.perChunk()
	for at := int64(0); ; at += step {
		if err := v.pace(ctx, int(step)); err != nil {
			return nil, false, err
		}
		var a, b []content
		var moved [2]bool
		err := v.both(func(d *side) error {
			d.data.use(s.db)
			return d.data.ask(tolerant(of(d, &moved[0], &moved[1]), func(r *reader) (err error) {
				*of(d, &a, &b), err = d.elements(r, v.opts.ShowValues)
				return err
			}), "LRANGE", s.key, strconv.FormatInt(at, 10), strconv.FormatInt(at+step-1, 10))
		})
		if err != nil || moved[0] || moved[1] {
			return nil, true, err
		}
		for i := range min(len(a), len(b)) {
			if a[i].sum != b[i].sum {
				return []Difference{between(WhatValue, elementAt(at+int64(i)), a[i].shown(), b[i].shown())}, false, nil
			}
		}
		switch n := int64(min(len(a), len(b))); {
		case len(a) > len(b):
			return []Difference{between(WhatValue, elementAt(at+n), a[n].shown(), missing)}, false, nil
		case len(b) > len(a):
			return []Difference{between(WhatValue, elementAt(at+n), missing, b[n].shown())}, false, nil
		case n < step:
			return nil, false, nil
		}
		v.count.elements.Add(step)
	}
}

func elementAt(i int64) string { return fmt.Sprintf("element %d", i) }

func (d *side) elements(r *reader, show bool) ([]content, error) {
	n, err := r.array()
	if err != nil {
		return nil, err
	}
	var out []content
	for range n {
		c, err := d.dig.content(r, show)
		if err != nil {
			return nil, err
		}
		out = append(out, c)
	}
	return out, nil
}

// dumpTail is what follows the value in a DUMP payload: the version of the RDB format and a checksum of all.
const dumpTail = 10

// dump compares what cannot be read by element: modules, and types that are newer than this program.
func (v *Verifier) dump(s *subject) ([]Difference, error) {
	var a, b digest
	err := v.both(func(d *side) error {
		d.data.use(s.db)
		return d.data.ask(func(r *reader) error {
			d.dig.h.Reset()
			n, err := r.bulk()
			if err != nil || n < 0 {
				return err
			}
			left := n - dumpTail
			err = r.pieces(n, func(p []byte) {
				if left > 0 {
					d.dig.h.Write(p[:min(left, int64(len(p)))])
				}
				left -= int64(len(p))
			})
			*of(d, &a, &b) = d.dig.sum()
			return err
		}, "DUMP", s.key)
	})
	if err != nil || a == b {
		return nil, err
	}
	return []Difference{{What: WhatValue}}, nil
}
