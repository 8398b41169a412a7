package event

import (
	"crypto/sha256"
	"errors"
	"hash"
	"strconv"
)

// ErrNotBegun is returned by a Cutter that is given a value before Begin or after End.
var ErrNotBegun = errors.New("cutter: no value has been begun")

// Cutter turns one value of a snapshot, given piece by piece, into one event or, where that would exceed
// [Settings.MaxBytes], into several parts that add up to it.
//
//	c.Begin(header)                  // a key, its type and deadline
//	c.Field(f, v, 0); c.Field(…)     // as the type wants: see the methods
//	err := c.End()                   // the last part is emitted
//
// A part ends before the element that would make it too large, under the encoding (text, or base64) that the part would
// then need, counted as if the part carried "last":false. A string is cut between two of its bytes, and between two
// characters as long as it is text. An element that is too large for a part of its own is left out: its part carries
// omitted and the cause oversize instead of a value, and its neighbours stay complete. If the key is left out (see
// [MaxKeyBytes]), so is the whole value, in one event.
//
// Where a value is cut depends on its bytes and on the Settings only, not on the pieces that it is given in.
//
// Bytes given are copied. The memory of a Cutter is bounded by a small multiple of MaxBytes plus the largest single
// piece given to it. Methods return the first error of emit, and go on returning it until the next Begin. One goroutine
// uses a Cutter.
type Cutter struct {
	settings Settings
	enc      *Encoder // measures envelopes
	emit     func(*Event) error
	err      error

	ev      Event // the header; what emit gets
	key     []byte
	part    Part
	state   partState
	value   Value
	expires []fieldExpire // of the part
	fields  []FieldExpire // the same, as the event wants them; made when the part is emitted
	tail    []byte        // of a string: the start of a character that has not ended yet
	group   openGroup     // of a stream

	omitted Omitted
	sum     hash.Hash // of what is left out, unless omitted.SHA256 was given
	sumOpen bool

	budget budget
}

// partState is what the part at hand holds.
type partState uint8

const (
	partClosed   partState = iota // no value has been begun
	partEmpty                     // nothing yet
	partValue                     // elements
	partOmitted                   // one element that is left out, a group of a stream, or a dump
	wholeOmitted                  // the key is left out, and so is everything
)

// spelling says how often the strings of an element stand in the JSON.
type spelling bool

const (
	once       spelling = false
	firstTwice spelling = true // the first one stands in field_expire_at_ms as well
)

// fieldExpire is the deadline of the hash field that is string str of the value.
type fieldExpire struct {
	str  int
	atMs int64
}

// NewCutter makes a cutter that gives its events to emit. The event is valid during the call of emit only.
func NewCutter(s Settings, emit func(*Event) error) *Cutter {
	return &Cutter{settings: s, enc: NewEncoder(s), emit: emit, sum: sha256.New()}
}

// Begin starts a value. Of header everything is kept that its events have in common: Gen, Offset, Seq (of the first
// event), TsMs, Op, DB, Key, Type, ExpireAtMs, Snapshot. A reader that did not keep a key longer than [MaxKeyBytes]
// gives its hash instead, as KeyLeft and KeySHA256 of header.Omitted. A value that was not ended is dropped.
func (c *Cutter) Begin(header Event) {
	c.err = nil
	c.ev = header
	c.part, c.tail = Part{}, c.tail[:0]
	c.group = openGroup{name: c.group.name[:0]}
	c.omitted, c.sumOpen = Omitted{}, false
	switch {
	case header.Omitted != nil && header.Omitted.KeyLeft:
		c.omitted = Omitted{KeyLeft: true, KeySHA256: header.Omitted.KeySHA256}
	case header.IsKey && !c.settings.keyFits(header.Key):
		c.omitted = Omitted{KeyLeft: true, KeySHA256: sha256.Sum256(header.Key)}
	}
	c.key = c.key[:0]
	if !c.omitted.KeyLeft {
		c.key = append(c.key, header.Key...)
	}
	c.ev.Key, c.ev.Value, c.ev.Part, c.ev.Omitted, c.ev.FieldExpires = c.key, nil, nil, nil, nil
	c.budget.headerBound = c.enc.Bound(&c.ev)
	c.startPart()
	if c.omitted.KeyLeft {
		c.state = wholeOmitted
	}
}

// NextSeq is the sequence number after that of the last emitted event.
func (c *Cutter) NextSeq() int64 { return c.ev.Seq }

// Element adds an element of a list or set.
func (c *Cutter) Element(b []byte) error {
	ok, err := c.admit(len(`"",`), once, b)
	if ok {
		c.value.add(b)
	}
	return err
}

// Field adds a field of a hash. expireAtMs is its deadline in Unix ms, 0 = none.
func (c *Cutter) Field(field, value []byte, expireAtMs int64) error {
	fixed := len(`"":"",`)
	if expireAtMs == 0 {
		ok, err := c.admit(fixed, once, field, value)
		if ok {
			c.value.add(field)
			c.value.add(value)
		}
		return err
	}
	fixed += expireFixed + intLen(expireAtMs)
	var err error
	ok := c.state == partValue && len(c.expires) > 0 && c.fits(fixed, firstTwice, field, value)
	switch {
	case ok:
	case len(c.expires) > 0:
		ok, err = c.admitFresh(fixed+expireFrame, firstTwice, field, value)
	default:
		ok, err = c.admit(fixed+expireFrame, firstTwice, field, value)
	}
	if ok {
		c.expires = append(c.expires, fieldExpire{str: len(c.value.ends), atMs: expireAtMs})
		c.value.add(field)
		c.value.add(value)
	}
	return err
}

// Score adds a member of a sorted set.
func (c *Cutter) Score(member []byte, score float64) error {
	var buf [32]byte
	return c.pair(member, appendScore(buf[:0], score))
}

// Index adds an element of an array.
func (c *Cutter) Index(index uint64, b []byte) error {
	var buf [20]byte
	return c.pair(b, strconv.AppendUint(buf[:0], index, 10))
}

func (c *Cutter) pair(b, number []byte) error {
	ok, err := c.admit(len(`["",""],`)+len(number), once, b)
	if ok {
		c.value.add(b)
		c.value.add(number)
	}
	return err
}

// Dump adds bytes to the payload of a module value (a RESTORE payload); calls add up. A payload that is too large for
// one event is left out: it cannot be cut.
func (c *Cutter) Dump(b []byte) error {
	switch {
	case c.state == partClosed:
		return c.notBegun()
	case c.state == wholeOmitted || c.state == partOmitted:
		c.leaveOut(b)
	case c.dumpFits(len(c.value.arena) + len(b)):
		c.state = partValue
		c.value.arena = append(c.value.arena, b...)
	default:
		c.openOmitted()
		c.leaveOut(c.value.arena, b)
		c.value.reset(c.value.shape)
	}
	return nil
}

// OmitElement stands for one element that the reader did not keep because it is larger than any part. o.Bytes and
// o.SHA256 are those of the strings of the element, one after the other. Where the key is left out too, the 32 bytes of
// o.SHA256 stand for the element in the hash of the whole value.
func (c *Cutter) OmitElement(o Omitted) error {
	if c.state == wholeOmitted {
		c.leaveOut(o.SHA256[:])
		c.omitted.Bytes += o.Bytes - int64(len(o.SHA256))
		return nil
	}
	if err := c.freshPart(); err != nil {
		return err
	}
	c.state = partOmitted
	c.omitted = Omitted{Bytes: o.Bytes, SHA256: o.SHA256}
	return nil
}

// End emits what is left: the only event of the value, or its last part.
func (c *Cutter) End() error {
	if c.state == partClosed {
		return c.notBegun()
	}
	if len(c.tail) > 0 { // a string that ends inside a character
		c.takeString(c.tail)
	}
	if c.err == nil {
		c.part.Last = true
		c.emitPart()
		c.state = partClosed
	}
	return c.err
}

func (c *Cutter) notBegun() error {
	if c.err == nil {
		c.err = ErrNotBegun
	}
	return c.err
}

// admit makes room for an element: fixed bytes of JSON and the strings. False: it is not to be added, since it was left
// out, or because of an error.
func (c *Cutter) admit(fixed int, spelt spelling, strs ...[]byte) (bool, error) {
	if (c.state == partValue || c.state == partEmpty) && c.fits(fixed, spelt, strs...) {
		c.state = partValue
		return true, nil
	}
	return c.admitFresh(fixed, spelt, strs...)
}

// admitFresh is admit where the part at hand cannot take the element.
func (c *Cutter) admitFresh(fixed int, spelt spelling, strs ...[]byte) (bool, error) {
	if c.state == wholeOmitted {
		c.leaveOut(strs...)
		return false, nil
	}
	if err := c.freshPart(); err != nil {
		return false, err
	}
	if c.fits(fixed, spelt, strs...) {
		c.state = partValue
		return true, nil
	}
	c.openOmitted()
	c.leaveOut(strs...)
	return false, nil
}

// freshPart leaves an empty part at hand.
func (c *Cutter) freshPart() error {
	switch c.state {
	case partClosed:
		return c.notBegun()
	case partValue, partOmitted:
		if c.emitPart(); c.err != nil {
			return c.err
		}
		c.part.I++
		c.startPart()
	case partEmpty, wholeOmitted:
	}
	return nil
}

func (c *Cutter) startPart() {
	c.state = partEmpty
	c.value.reset(shapeOf(c.ev.Type))
	c.expires = c.expires[:0]
	c.group.inPart = false
	c.budget.reset(c.value.shape, c.budget.headerBound, c.settings)
}

func (c *Cutter) openOmitted() {
	c.state = partOmitted
	c.omitted = Omitted{}
}

// leaveOut counts and hashes strings that are left out.
func (c *Cutter) leaveOut(strs ...[]byte) {
	if !c.sumOpen {
		c.sum.Reset()
		c.sumOpen = true
	}
	for _, s := range strs {
		c.sum.Write(s)
		c.omitted.Bytes += int64(len(s))
	}
}

// emitPart gives the part at hand to emit. An error closes the value.
func (c *Cutter) emitPart() {
	e := &c.ev
	e.Value, e.Part, e.Omitted, e.Cause, e.FieldExpires = nil, nil, nil, "", nil
	if c.part.I > 0 || !c.part.Last {
		e.Part = &c.part
	}
	if c.state == partOmitted || c.state == wholeOmitted {
		if c.sumOpen || c.state == wholeOmitted {
			c.leaveOut()
			c.sum.Sum(c.omitted.SHA256[:0])
			c.sumOpen = false
		}
		e.Omitted, e.Cause = &c.omitted, CauseOversize
	} else {
		e.Value = &c.value
		c.fields = c.fields[:0]
		for _, x := range c.expires {
			c.fields = append(c.fields, FieldExpire{Field: c.value.str(x.str), AtMs: x.atMs})
		}
		e.FieldExpires = c.fields
	}
	if c.err = c.emit(e); c.err != nil {
		c.state = partClosed
		return
	}
	e.Seq++
}
