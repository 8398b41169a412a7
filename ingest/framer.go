package ingest

import (
	"errors"

	"keyfeed/internal/change"
	"keyfeed/internal/resp"
)

// contextBytes is how much of the stream a DesyncError shows, at most.
const contextBytes = 256

// contextAfter is how many of them stand behind the wrong byte: they tell what it is the beginning of.
const contextAfter = 32

// framer cuts the stream into chunks. It looks at each byte of a header once, at no body, and keeps where the last
// whole unit ended and which database was selected there.
type framer struct {
	scan    *resp.Scanner
	base    int64 // stream offset at which scan was reset
	db      int   // selected now, maybe inside a unit
	unitDB  int   // selected at the last unit end
	inMulti bool
	asked   bool // a GETACK has come since the last look

	last  [contextBytes]byte // the bytes before the buffer, for a DesyncError
	lastN int
}

func newFramer(offset int64, db int, limits resp.Limits) *framer {
	return &framer{scan: resp.NewScanner(limits), base: offset, db: db, unitDB: db}
}

// frame scans buf[from:], of which buf[:from] was scanned before, and gives the index after the last whole unit that
// ended in the part scanned, or 0 when none did.
func (f *framer) frame(buf []byte, from int) (unitEnd int, err error) {
	for at := from; at < len(buf); {
		if n := f.scan.Skip(buf[at:]); n > 0 {
			at += n
			if !f.inMulti {
				unitEnd, f.unitDB = at, f.db
			}
			continue
		}
		n, kind, err := f.scan.Next(buf[at:])
		if err != nil {
			return 0, f.desync(buf[:min(len(buf), at+n+contextAfter)], err)
		}
		at += n
		switch kind {
		case resp.None:
			return unitEnd, nil
		case resp.Multi:
			f.inMulti = true
		case resp.Exec:
			f.inMulti = false
		case resp.Select:
			f.db = f.scan.DB()
		case resp.GetAck:
			f.asked = true
		default:
		}
		if !f.inMulti {
			unitEnd, f.unitDB = at, f.db
		}
	}
	return unitEnd, nil
}

// chunk makes the chunk of data, which starts after the given offset.
func (f *framer) chunk(start int64, data []byte, unitEnd bool, arrived int64) change.Chunk {
	return change.Chunk{Start: start, Data: data, Arrived: arrived, UnitEnd: unitEnd, DB: f.unitDB}
}

// passed remembers the end of what leaves the buffer.
func (f *framer) passed(data []byte) {
	if len(data) >= contextBytes {
		f.lastN = copy(f.last[:], data[len(data)-contextBytes:])
		return
	}
	keep := min(f.lastN, contextBytes-len(data))
	copy(f.last[:], f.last[f.lastN-keep:f.lastN])
	f.lastN = keep + copy(f.last[keep:], data)
}

// takeAsked reports whether a GETACK has come since the last call.
func (f *framer) takeAsked() bool {
	asked := f.asked
	f.asked = false
	return asked
}

// desync explains an error of the scanner; near is the buffer up to a little behind the wrong byte. A header over a limit
// is one too: the limits lie above what any server sends, so the number is damage and not a value.
func (f *framer) desync(near []byte, err error) error {
	perr, ok := errors.AsType[*resp.ProtocolError](err)
	if !ok {
		return err
	}
	offset := f.base + perr.Offset + 1
	context := append(append([]byte(nil), f.last[:f.lastN]...), near...)
	context = context[max(0, len(context)-contextBytes):]
	return &DesyncError{Offset: offset, Err: errors.New(perr.Msg), Context: context}
}
