package change

import (
	"cmp"
	"errors"
	"fmt"
	"strconv"
	"strings"
)

// ErrPosition is wrapped by every error of [ParsePosition].
var ErrPosition = errors.New("not a position")

// Position says where to resume a source, and exactly which events are stored already (invariant 3).
// The zero Position means "nothing is stored"; see [Position.IsZero].
//
// There are three kinds:
//
//   - between units: Count is 0 and Spool is empty. Everything up to and including Offset is stored.
//   - inside a unit: Count > 0 and Spool is empty. Offset and DB are those of the unit's start (the end of the unit
//     before it); the first Count events of the unit, counted before any filter, are stored.
//   - inside a snapshot: Spool is not empty. Offset, DB and ReplID are those of the snapshot; its first Count events
//     (snapshot_begin is the first) are stored, and only the spool with that id can continue it.
type Position struct {
	Gen    uint64 // generation: see docs/events.md, Identity and order
	Offset int64  // the last stream byte processed; PSYNC asks for Offset+1
	DB     int    // the database selected at Offset: the source does not repeat SELECT after +CONTINUE
	ReplID string // replication id, 40 lower-case hex digits
	Count  int64  // events stored inside the unit or the snapshot, before filters
	Spool  string // random id of the spool, drawn at FULLRESYNC; empty outside a snapshot

	// Settings is what cut and selected the events up to here, in the words of who makes positions; no one else reads it.
	// A count means something under its settings only, so a sink keeps them wherever the position may lie inside a unit,
	// or may have to be told by counting events. Empty where they do not matter or are not known. Not part of the text.
	Settings string
}

// IsZero reports whether p says that nothing is stored.
func (p Position) IsZero() bool { return p == Position{} }

// InUnit reports whether p lies inside a unit, so that the rest of that unit is still owed.
func (p Position) InUnit() bool { return p.Spool == "" && p.Count > 0 }

// InSnapshot reports whether p lies inside a snapshot.
func (p Position) InSnapshot() bool { return p.Spool != "" }

// Append appends the text form of p to dst without allocating when dst has room.
//
// The text is gen:offset:db:replid, with +count inside a unit and +scount@spool inside a snapshot. The numbers are
// zero-padded (10, 20, 10 and 10 digits). Text order is stream order within a generation, with one exception that the
// format forces: at equal offset a position inside the snapshot comes before the plain one; use [Position.Compare].
func (p Position) Append(dst []byte) []byte {
	dst = appendPadded(dst, p.Gen, 10)
	dst = append(dst, ':')
	dst = appendPadded(dst, uint64(max(p.Offset, 0)), 20)
	dst = append(dst, ':')
	dst = appendPadded(dst, uint64(max(p.DB, 0)), 10)
	dst = append(dst, ':')
	dst = append(dst, p.ReplID...)
	switch {
	case p.Spool != "":
		dst = append(dst, "+s"...)
		dst = appendPadded(dst, uint64(max(p.Count, 0)), 10)
		dst = append(dst, '@')
		dst = append(dst, p.Spool...)
	case p.Count > 0:
		dst = append(dst, '+')
		dst = appendPadded(dst, uint64(p.Count), 10)
	}
	return dst
}

// String returns the text form; see [Position.Append]. The zero Position gives "none".
func (p Position) String() string {
	if p.IsZero() {
		return "none"
	}
	return string(p.Append(make([]byte, 0, 128)))
}

// ParsePosition reads the text form of a position, "none" included. Every error wraps [ErrPosition].
func ParsePosition(s string) (Position, error) {
	if s == "none" {
		return Position{}, nil
	}
	fail := func(what string) (Position, error) {
		return Position{}, fmt.Errorf("%w: %q: %s", ErrPosition, s, what)
	}
	parts := strings.SplitN(s, ":", 4)
	if len(parts) != 4 {
		return fail("want gen:offset:db:replid")
	}
	var p Position
	var err error
	if p.Gen, err = strconv.ParseUint(parts[0], 10, 64); err != nil || p.Gen == 0 {
		return fail("bad generation")
	}
	if p.Offset, err = strconv.ParseInt(parts[1], 10, 64); err != nil || p.Offset < 0 {
		return fail("bad offset")
	}
	db, err := strconv.ParseInt(parts[2], 10, 32)
	if err != nil || db < 0 {
		return fail("bad database")
	}
	p.DB = int(db)
	rest := parts[3]
	replid, inside, isInside := strings.Cut(rest, "+")
	if !IsReplID(replid) {
		return fail("bad replication id")
	}
	p.ReplID = replid
	if !isInside {
		return p, nil
	}
	count, isSnapshot := strings.CutPrefix(inside, "s")
	if isSnapshot {
		var ok bool
		if count, p.Spool, ok = strings.Cut(count, "@"); !ok || p.Spool == "" {
			return fail("bad spool id")
		}
	}
	if p.Count, err = strconv.ParseInt(count, 10, 64); err != nil || p.Count < 0 || (p.Count == 0 && !isSnapshot) {
		return fail("bad count")
	}
	return p, nil
}

// Compare orders positions of one source by what is stored: -1 when p is before q. Positions of one generation at one
// offset are ordered snapshot < between units < inside the unit that starts there. ReplID, DB, Spool and Settings do not take part.
func (p Position) Compare(q Position) int {
	return cmp.Or(
		cmp.Compare(p.Gen, q.Gen),
		cmp.Compare(p.Offset, q.Offset),
		cmp.Compare(p.rank(), q.rank()),
		cmp.Compare(p.Count, q.Count),
	)
}

func (p Position) rank() int {
	if p.InSnapshot() {
		return 0
	}
	return 1
}

// IsReplID reports whether s has the form of a replication id: 40 hex digits.
func IsReplID(s string) bool {
	if len(s) != 40 {
		return false
	}
	for i := range len(s) {
		c := s[i]
		if (c < '0' || c > '9') && (c < 'a' || c > 'f') && (c < 'A' || c > 'F') {
			return false
		}
	}
	return true
}

func appendPadded(dst []byte, n uint64, width int) []byte {
	var buf [20]byte
	i := len(buf)
	for n > 0 || i == len(buf) {
		i--
		buf[i] = byte('0' + n%10)
		n /= 10
	}
	for pad := width - (len(buf) - i); pad > 0; pad-- {
		dst = append(dst, '0')
	}
	return append(dst, buf[i:]...)
}
