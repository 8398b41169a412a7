package command

import "keyfeed/internal/event"

// setOptions is what the options of SET and MSETEX say.
type setOptions struct {
	nx       bool
	deadline int64 // Unix ms; -1: none; 0 with keep
	keep     bool  // KEEPTTL
	relative int   // index of EX or PX, 0: none
	last     int   // index of the last option that sets the deadline or keeps it, 0: none
}

// setOptions reads options from argv[from:]. False: one of them is not known, or its number is none.
func (d *Decoder) setOptions(argv [][]byte, from int) (o setOptions, ok bool) {
	o.deadline = -1
	for i := from; i < len(argv); i++ {
		var unit, base int64
		switch {
		case isWord(argv[i], "PXAT"):
			unit = 1
		case isWord(argv[i], "EXAT"):
			unit = 1000
		case isWord(argv[i], "PX"):
			unit, base = 1, d.now
		case isWord(argv[i], "EX"):
			unit, base = 1000, d.now
		case isWord(argv[i], "KEEPTTL"):
			if o.last != 0 {
				return o, false
			}
			o.keep, o.last = true, i
			continue
		case isWord(argv[i], "NX"):
			o.nx = true
			continue
		case isWord(argv[i], "XX"), isWord(argv[i], "GET"):
			continue
		case isWord(argv[i], "IFEQ"), isWord(argv[i], "IFNE"), isWord(argv[i], "IFDEQ"), isWord(argv[i], "IFDNE"):
			if i++; i == len(argv) {
				return o, false
			}
			continue
		default:
			return o, false
		}
		if i+1 == len(argv) || o.last != 0 {
			return o, false
		}
		if len(argv[i]) == 2 {
			o.relative = i
		}
		o.last = i
		i++
		if o.deadline, ok = deadline(argv[i], unit, base); !ok {
			return o, false
		}
	}
	return o, true
}

// setString makes the event of SET. EX and PX, which Redis 6.2 and older send, become PXAT by the time of arrival.
func (d *Decoder) setString(r *row, argv [][]byte) (fits bool, err error) {
	o := setOptions{deadline: -1}
	if len(argv) > 3 {
		var ok bool
		if o, ok = d.setOptions(argv, 3); !ok {
			return false, nil
		}
	}
	d.expect(1)
	e := d.start(r, r.name)
	e.Key, e.IsKey, e.Args = argv[1], true, argv[2:]
	if o.nx {
		e.Op = event.OpCreate
	}
	if o.relative > 0 {
		d.parts = append(d.parts[:0], argv[2:]...)
		d.parts[o.relative-2], d.parts[o.relative-1] = d.words.pxat, d.digits(o.deadline)
		e.Args = d.parts
	}
	e.ExpireAtMs, e.HasExpire = o.expiry()
	return true, d.put(e, r.cut)
}

func (o setOptions) expiry() (ms int64, known bool) {
	if o.keep {
		return 0, false
	}
	return o.deadline, true
}

// countedPairs makes one SET per pair of MSETEX n key value … [NX|XX] [PXAT ms|EXAT s|KEEPTTL].
func (d *Decoder) countedPairs(r *row, argv [][]byte) (fits bool, err error) {
	n, ok := number(argv[1])
	if !ok || n < 1 || n > int64(len(argv)-2)/2 {
		return false, nil
	}
	from := 2 + 2*int(n)
	o, ok := d.setOptions(argv, from)
	if !ok {
		return false, nil
	}
	d.expect(int(n))
	for i := 2; i < from; i += 2 {
		e := d.start(r, "SET")
		if o.nx {
			e.Op = event.OpCreate
		}
		d.parts = append(d.parts[:0], argv[i+1])
		switch {
		case o.last == 0:
		case o.keep:
			d.parts = append(d.parts, d.words.keepttl)
		case o.relative > 0:
			d.parts = append(d.parts, d.words.pxat, d.digits(o.deadline))
		case isWord(argv[o.last], "EXAT"):
			d.parts = append(d.parts, d.words.exat, argv[o.last+1])
		default:
			d.parts = append(d.parts, d.words.pxat, argv[o.last+1])
		}
		e.Key, e.IsKey, e.Args = argv[i], true, d.parts
		e.ExpireAtMs, e.HasExpire = o.expiry()
		if err := d.put(e, r.cut); err != nil {
			return true, err
		}
	}
	return true, nil
}

// setEx makes the event of SETEX and PSETEX, which only Redis 6.0 and older send: SET … PXAT.
func (d *Decoder) setEx(r *row, argv [][]byte) (fits bool, err error) {
	unit := int64(1)
	if r.expiry == expirySetExS {
		unit = 1000
	}
	at, ok := deadline(argv[2], unit, d.now)
	if !ok {
		return false, nil
	}
	d.expect(1)
	e := d.start(r, "SET")
	d.parts = append(d.parts[:0], argv[3], d.words.pxat, d.digits(at))
	e.Key, e.IsKey, e.Args = argv[1], true, d.parts
	e.ExpireAtMs, e.HasExpire = at, true
	return true, d.put(e, r.cut)
}
