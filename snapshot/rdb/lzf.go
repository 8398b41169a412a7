package rdb

import (
	"encoding/binary"
	"io"
)

// LZF as lzf_d.c of the servers reads it: a control byte below 32 starts a run of 1 to 32 literal bytes; any other is a
// back reference of 3 to 264 bytes at most 8192 bytes back.
const (
	lzfWindow   = 1 << 13
	lzfMaxRun   = 264
	lzfMaxRatio = 88 // a reference of 3 bytes gives at most 264
)

const errLZF = corrupt("the LZF data is damaged")

// lzfDecompress decompresses src into dst, which must be exactly as long as the result.
func lzfDecompress(dst, src []byte) error {
	i, o := 0, 0
	for i < len(src) {
		c := int(src[i])
		i++
		if c < 32 {
			c++
			if c > len(src)-i || c > len(dst)-o {
				return errLZF
			}
			if len(src)-i >= 32 && len(dst)-o >= 32 { // words are faster than a call; what is too much is written over
				for k := 0; k < c; k += 8 {
					binary.LittleEndian.PutUint64(dst[o+k:], binary.LittleEndian.Uint64(src[i+k:]))
				}
			} else {
				copy(dst[o:o+c], src[i:i+c])
			}
			i += c
			o += c
			continue
		}
		n := c >> 5
		if n == 7 {
			if i >= len(src) {
				return errLZF
			}
			n += int(src[i])
			i++
		}
		n += 2
		if i >= len(src) {
			return errLZF
		}
		ref := o - (c&0x1f)<<8 - int(src[i]) - 1
		i++
		if ref < 0 || n > len(dst)-o {
			return errLZF
		}
		lzfCopy(dst, o, ref, n)
		o += n
	}
	if o != len(dst) {
		return errLZF
	}
	return nil
}

// lzfCopy copies n bytes from ref to o, where the two may overlap: then the copied bytes repeat.
func lzfCopy(dst []byte, o, ref, n int) {
	if o-ref >= 8 && len(dst)-o >= n+8 { // by words: what is too much is written over
		for k := 0; k < n; k += 8 {
			binary.LittleEndian.PutUint64(dst[o+k:], binary.LittleEndian.Uint64(dst[ref+k:]))
		}
		return
	}
	for n > 0 {
		m := min(n, o-ref)
		copy(dst[o:o+m], dst[ref:ref+m])
		o += m
		n -= m
		// What was copied prolongs the pattern at ref, so the next step may copy twice as much.
	}
}

// lzfReader decompresses the next left bytes of an input while they are read.
type lzfReader struct {
	in   *input
	left uint64 // compressed bytes to come
	out  uint64 // decompressed bytes to come

	win  []byte // the last bytes decompressed: at least lzfWindow where there were as many
	r, w int    // win[r:w] is decompressed and not handed out
}

func (z *lzfReader) reset(in *input, compressed, size uint64) {
	z.in, z.left, z.out, z.r, z.w = in, compressed, size, 0, 0
	if z.win == nil {
		z.win = make([]byte, 8*lzfWindow)
	}
}

// Read implements [io.Reader].
func (z *lzfReader) Read(b []byte) (int, error) {
	if z.r == z.w {
		if err := z.decode(); err != nil {
			return 0, err
		}
	}
	n := copy(b, z.win[z.r:z.w])
	z.r += n
	return n, nil
}

// decode decompresses until the window is full. The window is handed out whole before that, so r is w.
func (z *lzfReader) decode() error {
	if z.left == 0 {
		if z.out != 0 {
			return errLZF
		}
		return io.EOF
	}
	if z.w > lzfWindow {
		copy(z.win, z.win[z.w-lzfWindow:z.w])
		z.w = lzfWindow
		z.r = z.w
	}
	for z.left > 0 && len(z.win)-z.w >= lzfMaxRun {
		if err := z.token(); err != nil {
			return err
		}
	}
	return nil
}

// token decompresses one run or reference; there is room for it in the window.
func (z *lzfReader) token() error {
	c, err := z.compressed(1)
	if err != nil {
		return err
	}
	ctrl := int(c[0])
	if ctrl < 32 {
		run, err := z.compressed(ctrl + 1)
		if err != nil {
			return err
		}
		return z.wrote(copy(z.win[z.w:], run))
	}
	n := ctrl >> 5
	if n == 7 {
		if c, err = z.compressed(1); err != nil {
			return err
		}
		n += int(c[0])
	}
	n += 2
	if c, err = z.compressed(1); err != nil {
		return err
	}
	ref := z.w - (ctrl&0x1f)<<8 - int(c[0]) - 1
	if ref < 0 {
		return errLZF
	}
	lzfCopy(z.win, z.w, ref, n)
	return z.wrote(n)
}

func (z *lzfReader) wrote(n int) error {
	if uint64(n) > z.out {
		return errLZF
	}
	z.w += n
	z.out -= uint64(n)
	return nil
}

func (z *lzfReader) compressed(n int) ([]byte, error) {
	if uint64(n) > z.left {
		return nil, errLZF
	}
	z.left -= uint64(n)
	return z.in.next(n)
}
