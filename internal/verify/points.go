package verify

import "strconv"

// points reads some elements of a hash, set or zset by name. Of a member of a set only its presence counts.
func (d *side) points(s *subject, names []string, show bool, moving *bool) ([]content, error) {
	out := make([]content, len(names))
	d.data.use(s.db)
	switch s.kind {
	case kindHash:
		d.data.do(tolerant(moving, func(r *reader) (err error) {
			if err := r.arrayOf(len(names)); err != nil {
				return err
			}
			for i := range out {
				if out[i], err = d.dig.content(r, show); err != nil {
					return err
				}
			}
			return nil
		}), append([]string{"HMGET", s.key}, names...)...)
	case kindSet:
		for i, name := range names {
			d.data.do(tolerant(moving, func(r *reader) error {
				n, err := r.integer()
				out[i].present = n == 1
				return err
			}), "SISMEMBER", s.key, name)
		}
	case kindZset:
		for i, name := range names {
			d.data.do(tolerant(moving, func(r *reader) (err error) {
				out[i], err = readScore(r)
				return err
			}), "ZSCORE", s.key, name)
		}
	}
	return out, d.data.flush()
}

// readScore reads a score, or null for a member that is not there.
func readScore(r *reader) (content, error) {
	text, ok, err := r.scalar()
	if err != nil || !ok {
		return content{}, err
	}
	bits, err := scoreBits(text)
	c := content{present: true}
	copy(c.sum[:], strconv.AppendUint(nil, bits, 16))
	return c, err
}

// fieldTimes are the deadlines of some fields: Unix ms, -1 none, -2 no such field.
type fieldTimes struct{ source, target []int64 }

// fieldDeadlines asks both servers. One that does not know deadlines of fields has none, nor has anything but a hash.
func (v *Verifier) fieldDeadlines(s *subject, names []string, moving *bool) (fieldTimes, error) {
	var t fieldTimes
	var moved [2]bool
	err := v.both(func(d *side) error {
		times := make([]int64, len(names))
		*of(d, &t.source, &t.target) = times
		for i := range times {
			times[i] = noDeadline
		}
		if s.kind != kindHash || !d.fieldTTL || of(d, s.source, s.target).plain {
			return nil
		}
		flag := of(d, &moved[0], &moved[1])
		d.data.use(s.db)
		args := append([]string{"HPEXPIRETIME", s.key, "FIELDS", strconv.Itoa(len(names))}, names...)
		return d.data.ask(tolerant(flag, func(r *reader) error {
			n, err := r.array()
			if err != nil {
				return err
			}
			*flag = n != len(names) // the key is gone
			for i := range n {
				t, err := r.integer()
				if err != nil {
					return err
				}
				if i < len(times) {
					times[i] = t
				}
			}
			return nil
		}), args...)
	})
	*moving = moved[0] || moved[1]
	return t, err
}
