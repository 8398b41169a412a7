package backlog

import (
	"errors"
	"fmt"
	"io"
	"slices"
)

// damage marks an error as "these bytes are not what was written", as opposed to a read that failed.
type damage struct{ error }

// Unwrap returns what is wrong.
func (d damage) Unwrap() error { return d.error }

func isDamage(err error) bool {
	_, ok := errors.AsType[damage](err)
	return ok
}

// frame is one frame as read. Its payload is valid until the next read.
type frame struct {
	frameHeader
	at      int64  // its place in the file
	payload []byte // nil for a data frame that was skipped
}

// size is the length of the frame in the file.
func (f frame) size() int64 { return frameHeaderSize + int64(f.length) }

// frames reads the frames of one segment file one after the other, through a buffer of its own.
//
// Every header is checked on the way, with the chain of offsets and ids (invariant 4), and every payload unless skip is
// set. Not for concurrent use.
type frames struct {
	src    io.ReaderAt
	pos    int64  // place in the file of the next frame
	limit  int64  // place in the file where reading ends: the end of the file, or of what may be seen of it
	next   int64  // stream offset at which the next frame must start
	replid string // id that the next history frame must continue
	skip   bool   // leave the payload of data frames out
	sealed bool   // the last frame was a seal

	buf   []byte
	bufAt int64 // buf holds the bytes of the file from here on
}

// bufSkip is the buffer of a reader that leaves payloads out, in bytes.
const bufSkip = 32 << 10

// newFrames reads the segment file src that begins with h, from its first frame up to limit.
func newFrames(src io.ReaderAt, h header, limit int64, skip bool) *frames {
	r := &frames{src: src, pos: headerSize, limit: limit, next: h.start, replid: h.replid, skip: skip}
	if skip {
		r.buf = make([]byte, 0, bufSkip)
	} else {
		r.buf = make([]byte, 0, maxFrame)
	}
	return r
}

// forget drops what is buffered, because the file was changed behind pos.
func (r *frames) forget() { r.buf = r.buf[:0] }

// read returns the next frame; io.EOF when pos has reached limit. A damage error leaves pos where the damage begins.
func (r *frames) read() (frame, error) {
	if r.pos >= r.limit {
		return frame{}, io.EOF
	}
	if r.sealed {
		return frame{}, damage{errAfterSeal}
	}
	head, err := r.window(r.pos, frameHeaderSize)
	if err != nil {
		return frame{}, err
	}
	h, err := parseFrameHeader(head)
	if err != nil {
		return frame{}, damage{err}
	}
	f := frame{frameHeader: h, at: r.pos}
	if r.limit-r.pos < f.size() {
		return frame{}, damage{errFrameShort}
	}
	if !r.skip || h.kind != kindData {
		whole, err := r.window(r.pos, int(f.size()))
		if err != nil {
			return frame{}, err
		}
		f.payload = whole[frameHeaderSize:]
		if checksum(f.payload) != h.sum {
			return frame{}, damage{errFramePayload}
		}
	}
	if err := r.follows(f); err != nil {
		return frame{}, damage{err}
	}
	r.pos += f.size()
	r.next = h.end()
	return f, nil
}

// follows holds invariant 4: frames are contiguous, and so are histories.
func (r *frames) follows(f frame) error {
	if f.start != r.next {
		return fmt.Errorf("%w: it starts at stream offset %d, expected %d", errGap, f.start, r.next)
	}
	switch f.kind {
	case kindHistory:
		if string(f.payload[:replIDSize]) != r.replid {
			return errHistory
		}
		r.replid = string(f.payload[replIDSize:])
	case kindSeal:
		if string(f.payload) != r.replid {
			return errHistory
		}
		r.sealed = true
	case kindData:
	}
	return nil
}

// window returns n bytes of the file from at on, n being at most maxFrame. It reads ahead as far as the buffer goes.
func (r *frames) window(at int64, n int) ([]byte, error) {
	if r.limit-at < int64(n) {
		return nil, damage{errFrameShort}
	}
	off := at - r.bufAt
	if off >= 0 && off+int64(n) <= int64(len(r.buf)) {
		return r.buf[off : off+int64(n)], nil
	}
	kept := 0
	if off >= 0 && off < int64(len(r.buf)) {
		kept = copy(r.buf, r.buf[off:])
	}
	r.bufAt = at
	r.buf = slices.Grow(r.buf[:kept], max(n-kept, 0))
	r.buf = r.buf[:min(int64(cap(r.buf)), r.limit-at)]
	m, err := r.src.ReadAt(r.buf[kept:], at+int64(kept))
	r.buf = r.buf[:kept+m]
	switch {
	case len(r.buf) >= n:
		return r.buf[:n], nil
	case err == nil || errors.Is(err, io.EOF): // the file is shorter than it was
		return nil, damage{errFrameShort}
	default:
		r.forget()
		return nil, err
	}
}

// followedByFrame reports whether a whole, valid frame lies in src[from:size] that may belong to a segment whose stream
// is known to be at offset next at that place. This is what tells a torn tail (nothing after it was written whole) from
// damage in the middle. User data that happens to hold a frame is told apart by the frame's offset: between next and
// here lie at most as many stream bytes as file bytes.
func followedByFrame(src io.ReaderAt, from, size, next int64) (bool, error) {
	buf := make([]byte, 0, maxFrame)
	r := frames{src: src, limit: size, buf: buf}
	for at := from; size-at >= frameHeaderSize; {
		n := int(min(size-at, bufSkip))
		win, err := r.window(at, n)
		if err != nil {
			return false, err
		}
		i := indexFrame(win)
		if i < 0 { // the magic may straddle the end of the window
			at += int64(n - (len(frameMagic) - 1))
			continue
		}
		at += int64(i)
		if size-at < frameHeaderSize {
			break
		}
		ok, err := frameAt(&r, at)
		if err != nil {
			return false, err
		}
		if ok && r.next >= next && r.next-next <= at-from {
			return true, nil
		}
		at++
	}
	return false, nil
}

// frameAt reports whether a whole frame with right checksums lies at a place, and leaves its start in r.next.
func frameAt(r *frames, at int64) (bool, error) {
	head, err := r.window(at, frameHeaderSize)
	if err != nil {
		return false, err
	}
	h, err := parseFrameHeader(head)
	size := int64(frameHeaderSize + h.length)
	if err != nil || r.limit-at < size {
		return false, nil //nolint:nilerr // no frame is an answer here, not a failure
	}
	whole, err := r.window(at, int(size))
	if err != nil {
		return false, err
	}
	r.next = h.start
	return checksum(whole[frameHeaderSize:]) == h.sum, nil
}
