package command

import "keyfeed/internal/event"

//go:generate go run ./gen

// row is one line of commands.tsv as the decoder uses it. The table is generated: table_gen.go.
type row struct {
	name   string // upper case, both words of a container command
	kind   string // of messages
	typ    string
	effect string

	minArgs, maxArgs, step int // arity with the name; maxArgs 0 = any number; step: minArgs, minArgs+step, …

	shape  shape
	op     event.Op
	expiry expiry
	cut    cut
	words  uint8 // words of the name when not one
	from   uint8 // index where the search for STORE begins
	anySub uint8 // of a container: the row that takes sub-commands without a row of their own
}

// fits reports whether argc arguments, the name included, can be this command.
func (r *row) fits(argc int) bool {
	return argc >= r.minArgs && (r.maxArgs == 0 || argc <= r.maxArgs) && (r.step <= 1 || (argc-r.minArgs)%r.step == 0)
}

// rest is the arguments behind the name.
func (r *row) rest(argv [][]byte) [][]byte {
	return argv[max(int(r.words), 1):]
}

// shape says which code makes the events of a row.
type shape uint8

const (
	shapePassed shape = iota // no event: PING, REPLCONF, SCRIPT …
	shapeSelect
	shapeMulti
	shapeExec
	shapeContainer // the second word decides
	shapeNever     // not seen in this form: unknown
	shapeScript    // EVAL, EVALSHA: cannot be decoded
	shapeWrapped   // RREPLAY

	shapeKey    // one key at 1
	shapeSub    // one key at 2, behind a sub-command
	shapeDelete // DELEX
	shapeEach   // DEL, UNLINK
	shapePairs
	shapeCountedPairs // MSETEX
	shapeRename
	shapeMove
	shapeCopy
	shapeTwo   // SMOVE, LMOVE, RPOPLPUSH
	shapeDest  // one written key at 1, read from others
	shapeBitOp // one written key at 2
	shapeSort
	shapeGeo

	shapeTruncate
	shapeMessage
	shapeSlots
	shapePublish
)

// expiry is what a row does to the deadline of its key.
type expiry uint8

const (
	expiryKeep    expiry = iota // keeps it, or does not tell
	expiryClear                 // -1
	expirySet                   // by the options of SET
	expiryRestore               // by ttl and ABSTTL of RESTORE
	expiryRelS                  // EXPIRE: seconds from the arrival
	expiryRelMs                 // PEXPIRE
	expiryAtS                   // EXPIREAT: a Unix second
	expiryAtMs                  // PEXPIREAT
	expirySetExS                // SETEX
	expirySetExMs               // PSETEX
)

// cut is how an event too large for MaxBytes is cut into several.
type cut uint8

const (
	cutNone     cut = iota // not at all: omitted
	cutElements            // between arguments
	cutPairs               // between pairs of arguments
	cutZAdd                // between pairs, behind repeated options
	cutSet                 // SET, then APPEND
	cutAppend              // APPEND of the pieces
	cutSetRange            // SETRANGE of the pieces
)
