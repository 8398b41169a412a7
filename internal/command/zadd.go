package command

import "keyfeed/internal/event"

// zadd makes the event of ZADD key [NX|XX] [GT|LT] [CH] [INCR] score member …; INCR makes it a change of a score that
// must be known, and nothing to cut.
func (d *Decoder) zadd(r *row, argv [][]byte) error {
	d.expect(1)
	e := d.start(r, r.name)
	e.Key, e.IsKey, e.Args = argv[1], true, argv[2:]
	cut := r.cut
	lead := zaddOptions(e.Args)
	for _, o := range e.Args[:lead] {
		if isWord(o, "INCR") {
			e.Effect, cut = event.EffectDelta, cutNone
		}
	}
	if (len(e.Args)-lead)%2 != 0 {
		cut = cutNone
	}
	return d.put(e, cut)
}

// zaddOptions counts the options at the start of args.
func zaddOptions(args [][]byte) int {
	n := 0
	for n < len(args) && isZAddOption(args[n]) {
		n++
	}
	return n
}

func isZAddOption(b []byte) bool {
	if len(b) < 2 || len(b) > 4 {
		return false
	}
	return isWord(b, "NX") || isWord(b, "XX") || isWord(b, "GT") || isWord(b, "LT") || isWord(b, "CH") || isWord(b, "INCR")
}
