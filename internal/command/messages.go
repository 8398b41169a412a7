package command

import (
	"keyfeed/internal/event"
	"keyfeed/internal/resp"
)

// unknown makes the message of a command that the table does not know, or whose arguments do not fit its row.
func (d *Decoder) unknown(argv [][]byte) error {
	d.expect(1)
	d.skim.from = 1
	name := d.names.upper(argv[0])
	if !d.dry && d.block.mode != counting {
		d.counts.unknown(name)
	}
	e := d.start(&rows[0], name)
	e.Op, e.Kind, e.Args = event.OpMessage, event.KindUnknown, argv[1:]
	return d.put(e, cutNone)
}

// truncate makes the event of FLUSHDB, which has a database, and of FLUSHALL, which has none.
func (d *Decoder) truncate(r *row, argv [][]byte) error {
	d.expect(1)
	e := d.start(r, r.name)
	e.Args = argv[1:]
	if r.name == "FLUSHALL" {
		e.DB = event.NoDB
	}
	return d.put(e, cutNone)
}

// message makes the message of SWAPDB and FUNCTION, which belong to no database.
func (d *Decoder) message(r *row, name string, argv [][]byte) error {
	d.expect(1)
	e := d.start(r, name)
	e.DB, e.Args = event.NoDB, r.rest(argv)
	return d.put(e, cutNone)
}

// sentinelChannel is where Sentinel processes publish their view of the source every two seconds; it is never shown.
const sentinelChannel = "__sentinel__:hello"

// publish makes the message of PUBLISH and SPUBLISH where the settings ask for it.
func (d *Decoder) publish(r *row, argv [][]byte) error {
	if !d.set.Publish || string(argv[1]) == sentinelChannel {
		return nil
	}
	return d.message(r, r.name, argv)
}

// maxSlots is the number of slots of a cluster.
const maxSlots = 16384

// slots makes the message of the commands that empty whole slots: SFLUSH s e … [SYNC|ASYNC], CLUSTER FLUSHSLOT s
// [SYNC|ASYNC], and TRIMSLOTS RANGES n s e …, the end of a slot migration on the node that gave the slots away.
func (d *Decoder) slots(r *row, argv [][]byte) (fits bool, err error) {
	rest := r.rest(argv)
	ends := rest
	step := 2
	cause := ""
	switch r.name {
	case "TRIMSLOTS":
		n, ok := number(argv[2])
		if !ok || !isWord(argv[1], "RANGES") || n < 1 || n != int64(len(argv)-3)/2 {
			return false, nil
		}
		ends, cause = argv[3:], event.CauseMigration
	case "CLUSTER FLUSHSLOT":
		step = 1
		fallthrough
	default:
		if last := ends[len(ends)-1]; isWord(last, "SYNC") || isWord(last, "ASYNC") {
			ends = ends[:len(ends)-1]
		}
	}
	if len(ends) == 0 || len(ends)%step != 0 || len(ends) > 2*maxSlots {
		return false, nil
	}
	ranges := make([][2]int, 0, len(ends)/step)
	for i := 0; i < len(ends); i += step {
		from, ok1 := database(ends[i])
		to, ok2 := database(ends[i+step-1])
		if !ok1 || !ok2 || from > to || to >= maxSlots {
			return false, nil
		}
		ranges = append(ranges, [2]int{from, to})
	}
	d.expect(1)
	e := d.start(r, r.name)
	e.DB, e.Args, e.Cause, e.Message = event.NoDB, rest, cause, event.Slots{Ranges: ranges}
	return true, d.put(e, cutNone)
}

// wrapped makes the events of the command inside RREPLAY uuid command [db [mvcc]], KeyDB's form of active replication;
// the offset is that of the wrapper. A wrapped control command (SELECT, PING) has no event and no effect.
func (d *Decoder) wrapped(argv [][]byte) (fits bool, err error) {
	db := d.db
	if len(argv) > 3 {
		var ok bool
		if db, ok = database(argv[3]); !ok {
			return false, nil
		}
	}
	inner, n, err := resp.Command(argv[2], nil)
	if err != nil || n != len(argv[2]) || len(inner) == 0 {
		return false, nil //nolint:nilerr // what cannot be unwrapped is shown as an unknown message
	}
	i := find(inner[0])
	name := rows[i].name
	switch {
	case rows[i].shape == shapeContainer:
		i, name = d.container(i, inner)
	case rows[i].words == 2:
		i, name = d.subCommand(i, inner)
	}
	r := &rows[i]
	if r.shape == shapeWrapped {
		return false, nil
	}
	if r.shape <= shapeExec {
		return true, nil
	}
	outer := d.db
	d.db = db
	err = d.shaped(r, name, inner)
	d.db = outer
	return true, err
}
