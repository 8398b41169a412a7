package command

// expire makes the event of the EXPIRE family; the relative forms become PEXPIREAT.
func (d *Decoder) expire(r *row, argv [][]byte) (fits bool, err error) {
	var unit, base int64 = 1, 0
	if r.expiry == expiryRelS || r.expiry == expiryAtS {
		unit = 1000
	}
	relative := r.expiry == expiryRelS || r.expiry == expiryRelMs
	if relative {
		base = d.now
	}
	at, ok := deadline(argv[2], unit, base)
	if !ok {
		return false, nil
	}
	d.expect(1)
	e := d.start(r, r.name)
	e.Key, e.IsKey, e.Args = argv[1], true, argv[2:]
	if relative {
		e.Cmd = "PEXPIREAT"
		d.parts = append(append(d.parts[:0], d.digits(at)), argv[3:]...)
		e.Args = d.parts
	}
	e.ExpireAtMs, e.HasExpire = at, true
	return true, d.put(e, cutNone)
}

// deadline is the Unix ms that a number of the stream means: units of unit ms after base.
func deadline(text []byte, unit, base int64) (ms int64, ok bool) {
	n, ok := number(text)
	if !ok {
		return 0, false
	}
	if ms, ok = times(n, unit); !ok {
		return 0, false
	}
	return plus(ms, base)
}
