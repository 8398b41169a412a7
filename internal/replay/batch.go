package replay

import "strconv"

// noDB is the database of commands that belong to none.
const noDB = -1

// origin says where a command comes from: the event, for messages, and the command's name.
type origin struct{ id, cmd string }

// batch is a run of encoded commands that have not been sent.
type batch struct {
	buf  []byte
	from []origin // of each command
	db   int      // that the commands have selected; noDB: none yet
}

func (b *batch) reset() {
	b.buf, b.from, b.db = b.buf[:0], b.from[:0], noDB
	if cap(b.buf) > 4*roundBytes { // after a big value
		b.buf = nil
	}
}

// add appends a command that runs in db.
func (b *batch) add(id string, db int, args ...[]byte) {
	if db != noDB && db != b.db {
		b.db = db
		b.add(id, noDB, []byte("SELECT"), strconv.AppendInt(nil, int64(db), 10))
	}
	b.buf = appendCommand(b.buf, args...)
	b.from = append(b.from, origin{id, string(args[0])})
}

// join appends the commands of o.
func (b *batch) join(o *batch) {
	b.buf = append(b.buf, o.buf...)
	b.from = append(b.from, o.from...)
	if o.db != noDB {
		b.db = o.db
	}
}

func (b *batch) full() bool { return len(b.from) >= roundCommands || len(b.buf) >= roundBytes }

func appendCommand(buf []byte, args ...[]byte) []byte {
	buf = appendHeader(buf, '*', len(args))
	for _, a := range args {
		buf = appendHeader(buf, '$', len(a))
		buf = append(buf, a...)
		buf = append(buf, '\r', '\n')
	}
	return buf
}

func appendHeader(buf []byte, kind byte, n int) []byte {
	buf = append(buf, kind)
	buf = strconv.AppendInt(buf, int64(n), 10)
	return append(buf, '\r', '\n')
}
