package command

import (
	"errors"

	"keyfeed/internal/resp"
)

// remainder is what has to outlive a chunk: the command that the chunk cut, or the MULTI block that is being counted up
// to that command. Nothing else is copied.
type remainder struct {
	buf      []byte        // nothing, or the bytes that follow Decoder.end (of a block: Decoder.unitStart)
	cmd      int           // index in buf of the command that is not whole
	scan     *resp.Scanner // stands at the end of buf; finds the end of a cut command without starting over
	arrivals []arrival     // of buf, in order; only while a block is counted
}

// arrival says when the bytes up to an offset arrived.
type arrival struct{ end, at int64 }

// keepCap is the most that an empty remainder keeps allocated.
const keepCap = 8 << 20

func (r *remainder) clear() {
	r.buf, r.arrivals, r.cmd = r.buf[:0], r.arrivals[:0], 0
	if cap(r.buf) > keepCap {
		r.buf = nil
	}
}

// arrived notes the arrival of the bytes up to end.
func (r *remainder) arrived(end, at int64) {
	if n := len(r.arrivals); n > 0 && r.arrivals[n-1].at == at {
		r.arrivals[n-1].end = end
		return
	}
	r.arrivals = append(r.arrivals, arrival{end, at})
}

// interrupted keeps what p, which begins after Decoder.unitStart or Decoder.end, leaves undone: the command at i, and
// the block from blockAt if one is counted. err is what parsing the command gave.
func (d *Decoder) interrupted(p []byte, i, blockAt int, err error) error {
	if !errors.Is(err, resp.ErrShort) {
		return d.streamError(err)
	}
	from := i
	if d.block.mode == counting {
		from = blockAt
		d.cut.arrived(d.fed, d.now)
	}
	d.cut.buf = append(d.cut.buf[:0], p[from:]...)
	d.cut.cmd = i - from
	d.cut.scan.Reset()
	if _, _, err := d.cut.scan.Next(p[i:]); err != nil {
		return d.streamError(err)
	}
	return d.overlong()
}

// resume takes from p what completes the remainder, and decodes it. It returns what is left of p.
func (d *Decoder) resume(p []byte) ([]byte, error) {
	r := &d.cut
	if d.skim.on && len(p) > 0 {
		var err error
		if p, err = d.resumeSkim(p); err != nil {
			return nil, err
		}
	}
	for len(r.buf) > 0 && len(p) > 0 {
		n, kind, err := r.scan.Next(p)
		if err != nil {
			return nil, d.streamError(err)
		}
		r.buf = append(r.buf, p[:n]...)
		p = p[n:]
		if kind == resp.None {
			if err := d.overlong(); err != nil {
				return nil, err
			}
			break
		}
		if err := d.completed(); err != nil {
			return nil, err
		}
	}
	if d.block.mode == counting && len(r.buf) > 0 {
		r.arrived(d.fed, d.now)
	}
	return p, nil
}

// completed decodes the command at the end of the remainder, which has become whole.
func (d *Decoder) completed() error {
	r := &d.cut
	r.scan.Reset()
	d.skim.declined = false
	argv, n, err := resp.Command(r.buf[r.cmd:], d.argv)
	d.argv = argv[:0]
	if err != nil {
		return d.streamError(err)
	}
	r.cmd += n
	d.end += int64(n)
	if err := d.sized(argv, r.buf[r.cmd-n:r.cmd]); err != nil {
		return err
	}
	if d.block.due(d) {
		r.arrived(d.end, d.now)
		if err := d.replay(r.buf); err != nil {
			return err
		}
	}
	if d.block.mode != counting {
		r.clear()
		d.forgetArgs()
	}
	return nil
}

// forgetArgs drops the argument list of a monster.
func (d *Decoder) forgetArgs() {
	if cap(d.argv) > keepCap/64 {
		d.argv, d.parts = nil, nil
	}
}

func (d *Decoder) streamError(err error) error {
	if pe, ok := errors.AsType[*resp.ProtocolError](err); ok {
		return &StreamError{Offset: d.end + 1 + pe.Offset, Err: pe}
	}
	return &StreamError{Offset: d.end + 1, Err: err}
}
