package rdb

import (
	"errors"
	"fmt"
	"hash"
	"io"
)

// input is a buffered reader whose consumers look into its buffer instead of copying out of it.
//
// buf[r:w] is read and not consumed. A view has no src: it lies over bytes that are all there already.
type input struct {
	buf  []byte
	r, w int
	base int64 // stream offset of buf[0]
	src  io.Reader

	// Consumed bytes are hashed and copied late, when the buffer is refilled: in large runs instead of one by one.
	sum  hash.Hash64
	tap  *tap
	done int // buf[:done] has been given to sum and tap
}

// offset is the stream offset of the next byte.
func (in *input) offset() int64 { return in.base + int64(in.r) }

// reset makes in a buffered reader of src, keeping its buffer.
func (in *input) reset(src io.Reader, base int64) {
	in.r, in.w, in.base, in.src, in.done = 0, 0, base, src, 0
}

// view makes in a view of b.
func (in *input) view(b []byte) {
	in.buf, in.r, in.w, in.base, in.src, in.done = b, 0, len(b), 0, nil, 0
}

// fixed reports whether slices of the buffer stay valid until the next reset.
func (in *input) fixed() bool { return in.src == nil }

// next consumes n bytes and returns them, borrowed until the next call of any method.
func (in *input) next(n int) ([]byte, error) {
	if in.w-in.r < n {
		if err := in.fill(n); err != nil {
			return nil, err
		}
	}
	b := in.buf[in.r : in.r+n : in.r+n]
	in.r += n
	return b, nil
}

// byte consumes one byte.
func (in *input) byte() (byte, error) {
	if in.r == in.w {
		if err := in.fill(1); err != nil {
			return 0, err
		}
	}
	b := in.buf[in.r]
	in.r++
	return b, nil
}

// need makes sure that n bytes are in the buffer, consuming none.
func (in *input) need(n int) error {
	if in.w-in.r >= n {
		return nil
	}
	return in.fill(n)
}

// settle gives the consumed bytes to sum and tap.
func (in *input) settle() {
	if in.done < in.r {
		if in.sum != nil {
			_, _ = in.sum.Write(in.buf[in.done:in.r]) // a hash never fails
		}
		if in.tap != nil {
			in.tap.write(in.buf[in.done:in.r])
		}
		in.done = in.r
	}
}

// fill reads until n bytes are in the buffer. It moves what the buffer holds.
func (in *input) fill(n int) error {
	if in.src == nil {
		return errTruncated
	}
	in.settle()
	if in.r > 0 {
		copy(in.buf, in.buf[in.r:in.w])
		in.base += int64(in.r)
		in.w -= in.r
		in.r, in.done = 0, 0
	}
	for empty := 0; in.w < n; {
		if in.w == len(in.buf) {
			// Invariant 6: the buffer doubles only when it is full of bytes that were read, however large n is.
			in.buf = append(in.buf, make([]byte, max(len(in.buf), minBuffer))...)
		}
		m, err := in.src.Read(in.buf[in.w:])
		in.w += m
		if m > 0 {
			empty = 0
			continue // an error that came with bytes comes again
		}
		if errors.Is(err, io.EOF) {
			return errTruncated
		}
		if err != nil {
			return fmt.Errorf("reading RDB: %w", err)
		}
		if empty++; empty == 100 {
			return fmt.Errorf("reading RDB: %w", io.ErrNoProgress)
		}
	}
	return nil
}

// atEnd reports whether no byte is left.
func (in *input) atEnd() (bool, error) {
	if in.r < in.w {
		return false, nil
	}
	err := in.fill(1)
	if errors.Is(err, errTruncated) {
		return true, nil
	}
	return false, err
}

// part is a reader of the next left bytes of an input.
type part struct {
	in   *input
	left uint64
}

// Read implements [io.Reader].
func (p *part) Read(b []byte) (int, error) {
	if p.left == 0 {
		return 0, io.EOF
	}
	if err := p.in.need(1); err != nil {
		return 0, err
	}
	n := min(len(b), p.in.w-p.in.r)
	if uint64(n) > p.left {
		n = int(p.left)
	}
	copy(b, p.in.buf[p.in.r:p.in.r+n])
	p.in.r += n
	p.left -= uint64(n)
	return n, nil
}
