package verify

import (
	"context"
	"strconv"
)

// database compares one database.
func (v *Verifier) database(ctx context.Context, db int) error {
	err := v.scan(ctx, v.source, db, func(refs []ref) error {
		v.count.keys.Add(int64(len(refs)))
		return v.firstLook(ctx, refs)
	})
	if err != nil {
		return err
	}
	return v.scan(ctx, v.target, db, func(refs []ref) error {
		v.count.extra.Add(int64(len(refs)))
		if err := v.pace(ctx, len(refs)); err != nil {
			return err
		}
		refs, err := v.source.lacking(refs)
		if err != nil || len(refs) == 0 {
			return err
		}
		return v.firstLook(ctx, refs)
	})
}

// scan gives the keys of a database in batches of which each has one key or more. A batch is handled while the rest of
// the page waits in the connection.
func (v *Verifier) scan(ctx context.Context, d *side, db int, handle func([]ref) error) error {
	var refs []ref
	bytes := 0
	var failed error // of handle: that is not about this connection
	flush := func() error {
		if len(refs) == 0 {
			return nil
		}
		failed = handle(refs)
		refs, bytes = refs[:0], 0
		return failed
	}
	for cursor := "0"; ; {
		if err := d.refresh(ctx, &d.keys); err != nil {
			return err
		}
		d.keys.use(db)
		err := d.keys.ask(func(r *reader) (err error) {
			if err := r.arrayOf(2); err != nil {
				return err
			}
			if cursor, err = r.text(); err != nil {
				return err
			}
			n, err := r.array()
			if err != nil {
				return err
			}
			for range n {
				key, err := r.text()
				if err != nil {
					return err
				}
				if v.opts.Ignore != nil && v.opts.Ignore(db, key) {
					continue
				}
				refs, bytes = append(refs, ref{db, key}), bytes+len(key)
				if len(refs) >= v.batch || bytes >= roundBytes {
					if err := flush(); err != nil {
						return err
					}
				}
			}
			return nil
		}, "SCAN", cursor, "COUNT", strconv.Itoa(v.batch))
		switch {
		case failed != nil:
			return failed
		case err != nil:
			return explain(d.name, err)
		}
		if cursor == "0" {
			return flush()
		}
	}
}

// lacking returns those of refs that the side does not have.
func (d *side) lacking(refs []ref) ([]ref, error) {
	var out []ref
	d.data.use(refs[0].db)
	for _, k := range refs {
		d.data.do(func(r *reader) error {
			n, err := r.integer()
			if err == nil && n == 0 {
				out = append(out, k)
			}
			return err
		}, "EXISTS", k.key)
	}
	return out, explain(d.name, d.data.flush())
}
