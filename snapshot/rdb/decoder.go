package rdb

import (
	"encoding/binary"
	"errors"
	"fmt"
	"hash"
	"io"
	"math"

	"github.com/hdt3213/rdb/crc64jones"
)

// Config bounds what a Decoder holds. Zero fields take the defaults.
type Config struct {
	// MaxElement is how many bytes of one element, field, key or stream entry are held; larger ones are delivered as
	// Oversize. Default 1 MiB; less than 64 counts as 64, so that ids and numbers that are stored as text fit.
	MaxElement int
	// Piece is the size of the pieces of a string, in bytes. Default 64 KiB.
	Piece int
	// Again reads the same file at any offset. It is used only for consumer groups with more than PendingHeld pending
	// entries; without it they are refused.
	Again io.ReaderAt
	// PendingHeld is how many pending entries of a consumer group are held at a time, 40 bytes each. Default 262144.
	PendingHeld int
}

const (
	defaultMaxElement  = 1 << 20
	minMaxElement      = 64
	defaultPiece       = 64 << 10
	defaultPendingHeld = 1 << 18
	minBuffer          = 4 << 10
	mainBuffer         = 256 << 10
	blobBuffer         = 32 << 10
	notPacked          = -1
	maxEntryNames      = 64 << 20 // field names that a stream node holds once for all its entries
)

// Decoder reads one RDB file. It is made for one Decode and not for concurrent use.
type Decoder struct {
	cfg     Config
	main    input // the file
	crc     hash.Hash64
	family  Family
	version int

	v     Visitor
	db    int
	key   Key
	begun bool // v.Key was called for the current key

	keyBuf []byte
	slots  [2]slot
	over   digest // of an element that is too large to hold
	before []byte // the string of the element at hand that was read before the one being read
	module struct {
		id   uint64 // of the last module, and its name, so that it is made once
		name string
		sum  hash.Hash64 // of the payload at hand
		ends [8]byte     // what the payload has before and behind the value
	}

	packed   input // the packed value being walked, when it is there as a whole
	packedAt int64 // offset of the packed value being walked; notPacked outside of one
	big      input // the packed value being walked, when it is read in parts
	part     part
	lzf      lzfReader
	text     input // a long string while it is decompressed
	tap      tap
	stream   streamState
}

// slot is scratch space for one byte string.
type slot struct {
	buf []byte
	num [24]byte
}

// NewDecoder returns a decoder of the file that r gives from its first byte. It reads in large blocks and, since it
// checks that nothing follows the file, to r's end.
func NewDecoder(r io.Reader, cfg Config) *Decoder {
	if cfg.MaxElement <= 0 {
		cfg.MaxElement = defaultMaxElement
	}
	cfg.MaxElement = max(cfg.MaxElement, minMaxElement)
	if cfg.Piece <= 0 {
		cfg.Piece = defaultPiece
	}
	if cfg.PendingHeld <= 0 {
		cfg.PendingHeld = defaultPendingHeld
	}
	d := &Decoder{cfg: cfg, crc: crc64jones.New(), packedAt: notPacked}
	d.main.buf = make([]byte, mainBuffer)
	d.main.reset(r, 0)
	d.main.sum = d.crc
	return d
}

// Offset is the number of bytes of the file decoded so far. It is for the goroutine of Decode, in a visitor's methods.
func (d *Decoder) Offset() int64 { return d.main.offset() }

// Version is the magic and version of the file. It is valid from the first call of a visitor's method on.
func (d *Decoder) Version() (Family, int) { return d.family, d.version }

// Decode reads the file to its end and calls v for all that it holds. It returns nil only when the file is whole and
// intact; otherwise a [*FormatError], an [*UnsupportedError], an error of the reader, or the first error of v.
func (d *Decoder) Decode(v Visitor) error {
	d.v = v
	return d.locate(d.decode())
}

// locate gives a defect found below the decoder its offset. How far a packed value was read in advance depends on how
// the bytes arrive, so there it is the offset of the value.
func (d *Decoder) locate(err error) error {
	offset, cut := d.main.offset(), errTruncated.Error()
	if d.packedAt != notPacked {
		offset, cut = d.packedAt, "a packed value ends inside an element"
	}
	var c corrupt
	var u *UnsupportedError
	switch {
	case errors.Is(err, errTruncated):
		return &FormatError{Offset: offset, What: cut}
	case errors.As(err, &c):
		return &FormatError{Offset: offset, What: c.Error()}
	case errors.As(err, &u) && u.Offset == 0:
		u.Offset = offset
	}
	return err
}

func (d *Decoder) decode() error {
	if err := d.header(); err != nil {
		return err
	}
	for {
		op, err := d.main.byte()
		if err != nil {
			return err
		}
		switch {
		case op == opEOF:
			return d.finish()
		case op >= firstOpcode:
			err = d.opcode(op)
		default:
			err = d.keyValue(op)
		}
		if err != nil {
			return err
		}
	}
}

func (d *Decoder) header() error {
	b, err := d.main.next(magicLen)
	if err != nil {
		return err
	}
	d.family, d.version, err = parseMagic(b)
	return err
}

// finish checks what stands after the end opcode.
func (d *Decoder) finish() error {
	if d.version >= firstVerCRC {
		d.main.settle()
		want := d.crc.Sum64()
		d.main.sum = nil
		b, err := d.main.next(crcLen)
		if err != nil {
			return err
		}
		if got := binary.LittleEndian.Uint64(b); got != 0 && got != want {
			return corrupt(fmt.Sprintf("the checksum is %016x, its bytes give %016x", got, want))
		}
	}
	end, err := d.main.atEnd()
	if err == nil && !end {
		return corrupt("bytes follow the end of the file")
	}
	return err
}

// opcode reads what is not a key.
func (d *Decoder) opcode(op byte) error {
	switch op {
	case opSelectDB:
		n, err := d.length(&d.main)
		if err != nil {
			return err
		}
		if n > math.MaxInt32 {
			return corrupt("a database number above 2^31")
		}
		d.db = int(n)
		return nil
	case opExpireMs:
		b, err := d.main.next(8)
		if err != nil {
			return err
		}
		d.expire(int64(binary.LittleEndian.Uint64(b)))
		return nil
	case opExpireSec:
		b, err := d.main.next(4)
		if err != nil {
			return err
		}
		d.expire(int64(int32(binary.LittleEndian.Uint32(b))) * 1000)
		return nil
	case opIdle:
		_, err := d.length(&d.main)
		return err
	case opFreq:
		_, err := d.main.byte()
		return err
	case opAux:
		return d.aux()
	case opResizeDB:
		keys, err := d.length(&d.main)
		if err != nil {
			return err
		}
		expires, err := d.length(&d.main)
		if err != nil {
			return err
		}
		return d.v.DBSize(d.db, keys, expires)
	case opFunction2:
		code, err := d.string(&d.main, &d.slots[0])
		if err != nil {
			return err
		}
		return d.v.Function(d.named(code))
	case opModuleAux:
		return d.moduleAux()
	case opSlotInfo: // slot, keys in it, of these with a deadline: sizes for the loader's tables
		return d.lengths(3)
	case opSlotImport:
		return d.slotImport()
	case opFunctionRC:
		return &UnsupportedError{
			What: "a function library in the format of the release candidates of Redis 7.0 (opcode 246)",
			Need: "no released server reads it; upgrade the source",
		}
	}
	return corrupt(fmt.Sprintf("unknown opcode %d", op))
}

func (d *Decoder) expire(ms int64) {
	d.key.ExpireAtMs, d.key.HasExpire = ms, ms != noExpire
}

func (d *Decoder) aux() error {
	name, err := d.string(&d.main, &d.slots[0])
	if err != nil {
		return err
	}
	d.keep(&d.slots[0], &name)
	value, err := d.string(&d.main, &d.slots[1])
	if err != nil {
		return err
	}
	if name.over || value.over {
		d.over.open = false
		return d.v.Skipped(SkipAux)
	}
	return d.v.Aux(name.b, value.b)
}

// slotImport reads the job name and the slot ranges of a migration (rdb.c of Valkey 9, RDB_OPCODE_SLOT_IMPORT).
func (d *Decoder) slotImport() error {
	if d.family != Valkey {
		return &UnsupportedError{
			What: "key metadata of Redis 8.6 (opcode 243)",
			Need: "use a newer keyfeed",
		}
	}
	if err := d.skipString(); err != nil {
		return err
	}
	ranges, err := d.length(&d.main)
	if err != nil {
		return err
	}
	for range ranges { // each reads at least two bytes, so that the file's size bounds the loop
		if err := d.lengths(2); err != nil {
			return err
		}
	}
	return d.v.Skipped(SkipSlotImport)
}

func (d *Decoder) lengths(n int) error {
	for range n {
		if _, err := d.length(&d.main); err != nil {
			return err
		}
	}
	return nil
}

// keyValue reads a key and its value.
func (d *Decoder) keyValue(code byte) error {
	t, ok := typeOf(code, d.family)
	if !ok {
		return d.unknownType(code)
	}
	d.key.DB, d.key.Type, d.key.Encoding, d.key.Module, d.begun = d.db, t, code, "", false
	name, err := d.string(&d.main, &d.slots[0])
	if err != nil {
		return err
	}
	d.keyBuf = append(d.keyBuf[:0], name.b...)
	if d.key.Name, d.key.Oversize = d.named(name); d.key.Oversize == nil {
		d.key.Name = d.keyBuf
	}
	if err := d.value(code); err != nil {
		return err
	}
	if d.begun {
		err = d.v.EndKey()
	} else {
		err = d.v.Skipped(SkipEmptyKey)
	}
	d.key.HasExpire, d.key.ExpireAtMs = false, 0
	return err
}

func (d *Decoder) unknownType(code byte) error {
	switch {
	case code == typeModulePreGA:
		return &UnsupportedError{
			What: "a module value in the format before Redis 4.0 (type 6)",
			Need: "load and save it with a server and modules of Redis 4.0 or newer",
		}
	case d.family == Valkey && code > typeStream3:
		return &UnsupportedError{
			What: fmt.Sprintf("value type %d of Valkey", code),
			Need: "use a newer keyfeed",
		}
	}
	return corrupt(fmt.Sprintf("unknown value type %d", code))
}

// begin calls Key before the first element, so that collections without any are never begun.
func (d *Decoder) begin() error {
	if d.begun {
		return nil
	}
	d.begun = true
	return d.v.Key(&d.key)
}

func (d *Decoder) value(code byte) error {
	switch code {
	case typeString:
		return d.stringValue()
	case typeList, typeSet:
		return d.elements()
	case typeZset, typeZset2:
		return d.members(code == typeZset2)
	case typeHash:
		return d.fields()
	case typeHashTTL:
		return d.fieldsTTL(true)
	case typeHashTTLRC:
		if d.family == Valkey {
			return d.fieldsValkey()
		}
		return d.fieldsTTL(false)
	case typeHashLPTTL, typeHashLPTTLRC:
		return d.packedTTL(code == typeHashLPTTL)
	case typeQuicklist:
		return d.quicklist()
	case typeQuicklist2:
		return d.quicklist2()
	case typeSetIntset:
		return d.intset()
	case typeHashZipmap:
		return d.zipmap()
	case typeListZiplist:
		return d.packedElements(ziplist)
	case typeSetListpack:
		return d.packedElements(listpack)
	case typeHashZiplist:
		return d.packedFields(ziplist)
	case typeHashListpack:
		return d.packedFields(listpack)
	case typeZsetZiplist:
		return d.packedMembers(ziplist)
	case typeZsetListpack:
		return d.packedMembers(listpack)
	case typeStream, typeStream2, typeStream3:
		return d.streamValue(code)
	default:
		return d.moduleValue()
	}
}
