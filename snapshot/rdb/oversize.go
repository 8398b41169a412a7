package rdb

import (
	"crypto/sha256"
	"hash"
	"io"
)

// Oversize describes byte strings that were read and not kept.
type Oversize struct {
	Bytes  int64
	SHA256 [32]byte // of the strings, one after the other without separators
}

// datum is a byte string of the file; over: it was too large to hold and went to the decoder's digest.
type datum struct {
	b    []byte
	over bool
}

// digest takes the strings of an element that is too large to hold.
type digest struct {
	h    hash.Hash
	n    int64
	open bool // it has some of the element at hand
}

func (g *digest) write(b []byte) {
	if !g.open {
		if g.h == nil {
			g.h = sha256.New()
		}
		g.h.Reset()
		g.n, g.open = 0, true
	}
	g.h.Write(b)
	g.n += int64(len(b))
}

// take ends the element and tells what it was.
func (g *digest) take() *Oversize {
	o := &Oversize{Bytes: g.n}
	g.h.Sum(o.SHA256[:0])
	g.open = false
	return o
}

// Write implements [io.Writer].
func (g *digest) Write(b []byte) (int, error) {
	g.write(b)
	return len(b), nil
}

// tooLarge reads a string of n bytes into the digest of the element. The strings of the element that came before it
// are held: they go first.
func (d *Decoder) tooLarge(r io.Reader, n uint64) (datum, error) {
	if !d.over.open {
		d.over.write(d.before)
		d.stream.giveUp(&d.over)
	}
	m, err := io.Copy(&d.over, r)
	if err == nil && uint64(m) != n {
		err = errTruncated
	}
	return datum{over: true}, err
}

// omit delivers an element of which the digest has all strings.
func (d *Decoder) omit() error {
	if err := d.begin(); err != nil {
		return err
	}
	return d.v.Omitted(d.over.take())
}

// named splits a name into what a visitor gets.
func (d *Decoder) named(v datum) ([]byte, *Oversize) {
	if v.over {
		return nil, d.over.take()
	}
	return v.b, nil
}
