package rdb

import (
	"crypto/sha256"
	"hash"
)

// tap collects bytes up to a bound, and beyond it only their SHA-256.
type tap struct {
	max  int
	buf  []byte
	over hash.Hash // set once there were more than max bytes
	n    int64
	sum  hash.Hash64 // of all bytes, when not nil
}

func (t *tap) reset(limit int) {
	t.max, t.buf, t.over, t.n, t.sum = limit, t.buf[:0], nil, 0, nil
}

func (t *tap) write(b []byte) {
	t.n += int64(len(b))
	if t.sum != nil {
		_, _ = t.sum.Write(b) // a hash never fails
	}
	if t.over == nil && len(t.buf)+len(b) <= t.max {
		t.buf = append(t.buf, b...)
		return
	}
	if t.over == nil {
		t.over = sha256.New()
		t.over.Write(t.buf)
	}
	t.over.Write(b)
}

// data is what was collected.
func (t *tap) data() ([]byte, *Oversize) {
	if t.over == nil {
		return t.buf, nil
	}
	o := &Oversize{Bytes: t.n}
	t.over.Sum(o.SHA256[:0])
	return nil, o
}
