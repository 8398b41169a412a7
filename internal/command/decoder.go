package command

import (
	"fmt"

	"keyfeed/internal/change"
	"keyfeed/internal/event"
	"keyfeed/internal/resp"
)

// Decoder turns the bytes of one generation's stream into events. One goroutine uses it. After an error of Feed it
// gives that error forever: make a new one, from the position that the sink holds.
type Decoder struct {
	set  Settings
	enc  *event.Encoder // measures, cuts and omits what may be too large; never writes an event
	keep func(*event.Event) bool
	h    Handler // during Feed
	err  error

	gen    uint64
	replid string
	db     int   // selected after the last command decoded
	end    int64 // offset of the last byte of the last command decoded
	fed    int64 // offset of the last byte of the last chunk
	now    int64 // arrival of the last byte of the command being decoded

	// The unit under way.
	unitStart  int64
	unitDB     int
	unitEvents int64 // its events so far, before filters
	skip       int64 // of its first events, how many are stored already
	at         int64 // count of the event being handed out: see Position

	cut   remainder
	block block
	skim  skim

	// The command under way.
	argv  [][]byte
	big   bool // may be too large for one event
	dry   bool // only its events are counted
	seq   int64
	n     int64
	ev    event.Event
	parts [][]byte // arguments made here: n of them at most in a command that is not cut
	nums  [20]byte // digits of an argument made here
	words struct{ pxat, exat, keepttl, absttl []byte }
	fit   fitting
	names interned // in upper case
	types interned // of modules

	bigSize  int // commands of more bytes are big
	commands [len(rows)]int64
	counts   Counts
}

// New makes a decoder that stands at start.
func New(set Settings, start Start) *Decoder {
	if set.MaxTxnBuffer <= 0 {
		set.MaxTxnBuffer = DefaultMaxTxnBuffer
	}
	if set.MaxCommand <= 0 {
		set.MaxCommand = DefaultMaxCommand
	}
	set.MaxCommand = max(set.MaxCommand, set.MaxTxnBuffer, minCommand)
	set.MaxBytes = max(set.MaxBytes, event.MinMaxBytes)
	d := &Decoder{
		set: set, enc: event.NewEncoder(set.Settings), keep: set.Keep,
		gen: start.Gen, replid: start.ReplID, db: start.DB, end: start.Offset, fed: start.Offset,
		unitStart: start.Offset, unitDB: start.DB, skip: start.Skip, at: start.Skip,
		bigSize: bigSize(set.Settings),
	}
	d.words.pxat, d.words.exat = []byte("PXAT"), []byte("EXAT")
	d.words.keepttl, d.words.absttl = []byte("KEEPTTL"), []byte("ABSTTL")
	d.cut.scan = resp.NewScanner(resp.Limits{})
	return d
}

// SetReplID sets the replication id of the positions handed out from now on: the history of the source goes on under
// another id, its offsets go on (failover).
func (d *Decoder) SetReplID(replid string) { d.replid = replid }

// Position is where a reader would continue. During [Handler.Event] that is right behind the event handed out: inside
// its unit, as a count. Otherwise it is the end of the last whole unit, and before the first event it is the start.
func (d *Decoder) Position() change.Position {
	return change.Position{Gen: d.gen, Offset: d.unitStart, DB: d.unitDB, ReplID: d.replid, Count: d.at}
}

// Feed decodes a chunk, which must start where the one before it ended. Events of commands that end in it are handed
// out before Feed returns, except those of a MULTI block that is being counted, and the newest one of a block that is
// streamed. The chunk's bytes are not kept.
func (d *Decoder) Feed(c change.Chunk, h Handler) error {
	if d.err != nil {
		return d.err
	}
	d.h = h
	d.err = d.feed(c)
	d.h = nil
	return d.err
}

func (d *Decoder) feed(c change.Chunk) error {
	if c.Start != d.fed {
		return fmt.Errorf("decoding the chunk after offset %d: %w: the last one ended at %d", c.Start, ErrGap, d.fed)
	}
	d.fed, d.now = c.End(), c.Arrived
	rest, err := d.resume(c.Data)
	if err != nil {
		return err
	}
	if err := d.whole(rest); err != nil {
		return err
	}
	if c.UnitEnd && (d.end != d.fed || d.block.mode != outside || d.db != c.DB) {
		return fmt.Errorf("decoding the chunk up to offset %d: %w: it says that a unit ends there in database %d; "+
			"its last command ends at %d in database %d", d.fed, ErrDisagree, c.DB, d.end, d.db)
	}
	return nil
}

// whole decodes the commands that are whole in p, in place, and keeps the rest for the next chunk.
func (d *Decoder) whole(p []byte) error {
	blockAt := 0 // index of the MULTI of the block being counted
	for i := 0; i < len(p); {
		argv, n, err := resp.Command(p[i:], d.argv)
		d.argv = argv[:0]
		if err != nil {
			return d.interrupted(p, i, blockAt, err)
		}
		if d.block.mode == outside {
			blockAt = i
		}
		i += n
		d.end += int64(n)
		if err := d.sized(argv, p[i-n:i]); err != nil {
			return err
		}
		if d.block.due(d) {
			if err := d.replay(p[blockAt:i]); err != nil {
				return err
			}
		}
	}
	if d.block.mode == counting && len(p) > 0 {
		return d.interrupted(p, len(p), blockAt, resp.ErrShort)
	}
	return nil
}
