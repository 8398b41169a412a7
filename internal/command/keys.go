package command

import "keyfeed/internal/event"

// single makes the event of a command that writes one key.
func (d *Decoder) single(r *row, name string, key []byte, args [][]byte) error {
	d.expect(1)
	e := d.start(r, name)
	e.Key, e.IsKey, e.Args = key, true, args
	if r.expiry == expiryClear {
		e.ExpireAtMs, e.HasExpire = -1, true
	}
	return d.put(e, r.cut)
}

// oneKey makes the event of a command whose key follows its name.
func (d *Decoder) oneKey(r *row, name string, argv [][]byte) (fits bool, err error) {
	switch r.expiry {
	case expiryKeep, expiryClear:
		if r.cut == cutZAdd {
			return true, d.zadd(r, argv)
		}
		return true, d.single(r, name, argv[1], argv[2:])
	case expirySet:
		return d.setString(r, argv)
	case expirySetExS, expirySetExMs:
		return d.setEx(r, argv)
	case expiryRestore:
		return d.restore(r, argv)
	default:
		return d.expire(r, argv)
	}
}

// each makes one event per argument: DEL, UNLINK. A key named twice has two.
func (d *Decoder) each(r *row, argv [][]byte) error {
	d.expect(len(argv) - 1)
	for _, key := range argv[1:] {
		e := d.start(r, r.name)
		e.Key, e.IsKey = key, true
		if err := d.put(e, cutNone); err != nil {
			return err
		}
	}
	return nil
}

// pairs makes one SET per pair: MSET, MSETNX.
func (d *Decoder) pairs(r *row, argv [][]byte) error {
	d.expect(len(argv) / 2)
	for i := 1; i < len(argv); i += 2 {
		e := d.start(r, "SET")
		e.Key, e.IsKey, e.Args = argv[i], true, argv[i+1:i+2]
		e.ExpireAtMs, e.HasExpire = -1, true
		if err := d.put(e, r.cut); err != nil {
			return err
		}
	}
	return nil
}

// several begins an event of a command that is shown whole on each key it writes; a replayer executes it once.
func (d *Decoder) several(r *row, argv [][]byte, key []byte, keys [][]byte) *event.Event {
	e := d.start(r, r.name)
	e.Key, e.IsKey, e.Args, e.Keys = key, true, argv[1:], keys
	return e
}

// rename makes two events: RENAME, RENAMENX.
func (d *Decoder) rename(r *row, argv [][]byte) error {
	d.expect(2)
	e := d.several(r, argv, argv[1], argv[1:3])
	e.Op, e.Effect = event.OpDelete, event.EffectGone
	if err := d.put(e, cutNone); err != nil {
		return err
	}
	return d.put(d.several(r, argv, argv[2], argv[1:3]), cutNone)
}

// move makes two events of one key: gone here, new there.
func (d *Decoder) move(r *row, argv [][]byte) (fits bool, err error) {
	db, ok := database(argv[2])
	if !ok {
		return false, nil
	}
	d.expect(2)
	d.parts = append(d.parts[:0], argv[1], argv[1])
	keys := d.parts
	e := d.several(r, argv, argv[1], keys)
	e.Op, e.Effect = event.OpDelete, event.EffectGone
	if err := d.put(e, cutNone); err != nil {
		return true, err
	}
	e = d.several(r, argv, argv[1], keys)
	e.KeyDB, e.HasKeyDB = db, true
	return true, d.put(e, cutNone)
}

// copyKey makes the event of COPY src dst [DB n] [REPLACE], options in any order.
func (d *Decoder) copyKey(r *row, argv [][]byte) (fits bool, err error) {
	op, db := event.OpCreate, d.db
	for i := 3; i < len(argv); i++ {
		switch {
		case isWord(argv[i], "REPLACE"):
			op = event.OpUpdate
		case isWord(argv[i], "DB") && i+1 < len(argv):
			i++
			n, ok := database(argv[i])
			if !ok {
				return false, nil
			}
			db = n
		default:
			return false, nil
		}
	}
	d.expect(1)
	e := d.several(r, argv, argv[2], argv[2:3])
	e.Op = op
	e.KeyDB, e.HasKeyDB = db, db != d.db
	if !e.HasKeyDB {
		e.KeyDB = 0
	}
	return true, d.put(e, cutNone)
}

// two makes one event per key of a command that takes from one and adds to another; one where they are the same.
func (d *Decoder) two(r *row, argv [][]byte) error {
	keys := argv[1:3]
	if string(argv[1]) == string(argv[2]) {
		keys = argv[1:2]
	}
	d.expect(len(keys))
	for _, key := range keys {
		if err := d.put(d.several(r, argv, key, keys), cutNone); err != nil {
			return err
		}
	}
	return nil
}

// dest makes the event of a command that makes the key at i from others.
func (d *Decoder) dest(r *row, argv [][]byte, i int) error {
	d.expect(1)
	e := d.several(r, argv, argv[i], argv[i:i+1])
	if r.expiry == expiryClear {
		e.ExpireAtMs, e.HasExpire = -1, true
	}
	return d.put(e, cutNone)
}

// found is dest for a key that is an option; 0: the command has none, so it writes nothing and is not for a stream.
func (d *Decoder) found(r *row, argv [][]byte, i int) (fits bool, err error) {
	if i == 0 {
		return false, nil
	}
	return true, d.dest(r, argv, i)
}

// sortDest finds the key that SORT stores into as the server does (db.c, sortGetKeys): options that take arguments hide
// them, and the last STORE wins. 0: there is none.
func sortDest(argv [][]byte) int {
	dest := 0
	for i := 2; i < len(argv); i++ {
		switch {
		case isWord(argv[i], "LIMIT"):
			i += 2
		case isWord(argv[i], "BY"), isWord(argv[i], "GET"):
			i++
		case isWord(argv[i], "STORE") && i+1 < len(argv):
			i++
			dest = i
		}
	}
	return dest
}

// geoDest finds the key that GEORADIUS and GEORADIUSBYMEMBER store into (geo.c, georadiusGeneric): behind STORE or
// STOREDIST, from the first option on; the last one wins. COUNT hides its argument. 0: there is none.
func geoDest(argv [][]byte, from int) int {
	dest := 0
	for i := from; i < len(argv); i++ {
		switch {
		case isWord(argv[i], "COUNT"):
			i++
		case (isWord(argv[i], "STORE") || isWord(argv[i], "STOREDIST")) && i+1 < len(argv):
			i++
			dest = i
		}
	}
	return dest
}
