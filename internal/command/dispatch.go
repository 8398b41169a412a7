package command

import (
	"keyfeed/internal/change"
	"keyfeed/internal/event"
	"keyfeed/internal/resp"
)

// sized decodes the command whose bytes are p: skimmed if it is too long to be held, so that its events are the same
// whether a chunk has cut it or not.
func (d *Decoder) sized(argv [][]byte, p []byte) error {
	if d.tooLong(len(p)) && len(argv) > 0 && d.startSkim(p) {
		return d.skimmed()
	}
	d.skim.declined = false
	return d.command(argv, len(p))
}

// command decodes one command of size bytes, whose last byte is at Decoder.end, and ends the unit if it was one.
func (d *Decoder) command(argv [][]byte, size int) error {
	if len(argv) > 0 {
		if err := d.execute(argv, size); err != nil {
			return err
		}
	}
	if d.block.mode == outside {
		return d.endUnit()
	}
	return nil
}

func (d *Decoder) endUnit() error {
	if d.unitEvents < d.skip {
		return &skipError{offset: d.end, events: d.unitEvents, skip: d.skip}
	}
	events := d.unitEvents
	d.unitStart, d.unitDB, d.unitEvents, d.skip, d.at = d.end, d.db, 0, 0, 0
	return d.h.Unit(change.Position{Gen: d.gen, Offset: d.end, DB: d.db, ReplID: d.replid}, events)
}

// execute finds the row of a command and follows it.
func (d *Decoder) execute(argv [][]byte, size int) error {
	i := find(argv[0])
	r := &rows[i]
	name := r.name
	switch {
	case r.shape == shapeContainer:
		i, name = d.container(i, argv)
		r = &rows[i]
	case r.words == 2:
		i, name = d.subCommand(i, argv)
		r = &rows[i]
	}
	var err error
	if r.shape <= shapeExec {
		err = d.control(r, argv)
	} else {
		d.big = size > d.bigSize || d.skim.active
		err = d.events(r, name, argv)
	}
	if d.block.mode != counting { // after MULTI: it is counted when the block is replayed
		d.commands[i]++
	}
	return err
}

// control follows a command that has no event.
func (d *Decoder) control(r *row, argv [][]byte) error {
	switch kind, db := resp.Classify(argv); {
	case kind == resp.Select:
		d.db = db
	case kind == resp.Multi:
		d.multi()
	case kind == resp.Exec:
		return d.exec()
	case r.shape != shapePassed || len(argv) < r.minArgs: // SELECT of no database, MULTI with arguments: a server refuses it
		d.big = true
		return d.events(&rows[0], "", argv)
	}
	return nil
}

// container resolves a container command by its second word, and gives its name in upper case.
func (d *Decoder) container(i uint8, argv [][]byte) (uint8, string) {
	if len(argv) < 2 {
		return 0, ""
	}
	if sub := findSub(argv[0], argv[1]); sub != 0 {
		return sub, rows[sub].name
	}
	if i = rows[i].anySub; i == 0 {
		return 0, ""
	}
	return i, d.names.pair(argv[0], argv[1])
}

// subCommand is container for a name whose row takes any sub-command (PFDEBUG). A name that holds both words in one
// argument is no container command.
func (d *Decoder) subCommand(i uint8, argv [][]byte) (uint8, string) {
	if len(argv) < 2 || len(argv[0]) != len("PFDEBUG") {
		return 0, ""
	}
	return i, d.names.pair(argv[0], argv[1])
}

// events makes the events of a command: of a big one twice, the first time only to count them.
func (d *Decoder) events(r *row, name string, argv [][]byte) error {
	if d.big {
		d.dry, d.seq = true, 0
		err := d.shaped(r, name, argv)
		d.dry, d.n = false, d.seq
		if err != nil {
			return err
		}
	}
	d.seq = 0
	return d.shaped(r, name, argv)
}

// shaped runs the code of a row; what it refuses becomes an unknown message.
func (d *Decoder) shaped(r *row, name string, argv [][]byte) error {
	d.skim.from = r.leftOut()
	fits, err := false, error(nil)
	if r.fits(len(argv)) {
		fits, err = d.shape(r, name, argv)
	}
	if err != nil || fits {
		return err
	}
	return d.unknown(argv)
}

// shape makes the events of a command that fits its row in number of arguments. False: in what they say it does not; no
// event was made then.
func (d *Decoder) shape(r *row, name string, argv [][]byte) (fits bool, err error) {
	switch r.shape {
	case shapeKey:
		return d.oneKey(r, name, argv)
	case shapeSub:
		return true, d.single(r, name, argv[2], argv[3:])
	case shapeDelete:
		return true, d.single(r, "DEL", argv[1], nil)
	case shapeEach:
		return true, d.each(r, argv)
	case shapePairs:
		return true, d.pairs(r, argv)
	case shapeCountedPairs:
		return d.countedPairs(r, argv)
	case shapeRename:
		return true, d.rename(r, argv)
	case shapeMove:
		return d.move(r, argv)
	case shapeCopy:
		return d.copyKey(r, argv)
	case shapeTwo:
		return true, d.two(r, argv)
	case shapeDest:
		return true, d.dest(r, argv, 1)
	case shapeBitOp:
		return true, d.dest(r, argv, 2)
	case shapeSort:
		return d.found(r, argv, sortDest(argv))
	case shapeGeo:
		return d.found(r, argv, geoDest(argv, int(r.from)))
	case shapeTruncate:
		return true, d.truncate(r, argv)
	case shapeMessage:
		return true, d.message(r, name, argv)
	case shapeSlots:
		return d.slots(r, argv)
	case shapePublish:
		return true, d.publish(r, argv)
	case shapeScript:
		return false, &VerbatimScriptError{Name: r.name, Offset: d.end}
	case shapeWrapped:
		return d.wrapped(argv)
	default:
		return false, nil
	}
}

// start begins an event of the command.
func (d *Decoder) start(r *row, name string) *event.Event {
	d.ev = event.Event{
		Gen: d.gen, Offset: d.end, TsMs: d.now,
		Op: r.op, Kind: r.kind, DB: d.db, Type: r.typ, Effect: r.effect, Cmd: name,
	}
	return &d.ev
}

// expect says how many events the command has if none of them has to be cut.
func (d *Decoder) expect(n int) {
	if !d.big {
		d.n = int64(n)
	}
}

// put hands the next event of the command out, in pieces if it is too large for one and c says how to cut it.
func (d *Decoder) put(e *event.Event, c cut) error {
	if d.big {
		return d.putBig(e, c)
	}
	return d.next(e)
}

// next numbers an event of the right size and hands it out.
func (d *Decoder) next(e *event.Event) error {
	e.Seq, e.N = d.seq, d.n
	d.seq++
	if d.dry {
		return nil
	}
	return d.emit(e)
}
