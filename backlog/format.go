package backlog

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"hash/crc32"
	"math"
	"strconv"
	"strings"

	"keyfeed/internal/change"
)

// MaxChunk is the most stream bytes that one frame holds.
const MaxChunk = 1 << 20

const (
	segmentMagic  = "KFBACKLG"
	formatVersion = 1
	headerSize    = 128

	frameMagic      = "\xf5kf\xfa" // 0xf5 and 0xfa never occur in UTF-8 text
	frameHeaderSize = 40
	maxFrame        = frameHeaderSize + MaxChunk

	replIDSize  = 40
	historySize = 2 * replIDSize
	sealSize    = frameHeaderSize + replIDSize

	segmentSuffix = ".seg"
	nameDigits    = 20
)

type frameKind uint8

const (
	kindData    frameKind = 1
	kindHistory frameKind = 2
	kindSeal    frameKind = 3
)

const flagUnitEnd = 1

// The ways in which bytes fail to be a header or a frame. All of them are damage; see [CorruptError].
var (
	errHeaderShort  = errors.New("segment header is cut short")
	errHeaderMagic  = errors.New("not a segment: wrong magic")
	errHeaderSum    = errors.New("segment header has a wrong checksum")
	errHeaderField  = errors.New("segment header holds an impossible value")
	errHeaderName   = errors.New("segment header and file name name different offsets")
	errFrameShort   = errors.New("frame is cut short")
	errFrameMagic   = errors.New("no frame begins here")
	errFrameSum     = errors.New("frame header has a wrong checksum")
	errFrameField   = errors.New("frame header holds an impossible value")
	errFramePayload = errors.New("frame payload has a wrong checksum")
	errAfterSeal    = errors.New("bytes follow the seal")
	errGap          = errors.New("frame does not continue the one before it")
	errHistory      = errors.New("history frame does not continue the history of the log")
)

// header is the head of a segment: the state of the stream at the segment's start, which is always between two units.
type header struct {
	gen     uint64
	start   int64 // the first stream byte of the segment is start+1
	replid  string
	db      int
	created int64 // Unix ms, for people
}

func checksum(b []byte) uint32 { return crc32.Checksum(b, crc32.MakeTable(crc32.Castagnoli)) }

func appendHeader(dst []byte, h header) []byte {
	at := len(dst)
	dst = append(dst, segmentMagic...)
	dst = binary.LittleEndian.AppendUint32(dst, formatVersion)
	dst = binary.LittleEndian.AppendUint32(dst, headerSize)
	dst = binary.LittleEndian.AppendUint64(dst, h.gen)
	dst = binary.LittleEndian.AppendUint64(dst, uint64(h.start))
	dst = append(dst, h.replid...)
	dst = binary.LittleEndian.AppendUint32(dst, uint32(h.db))
	dst = binary.LittleEndian.AppendUint32(dst, 0)
	dst = binary.LittleEndian.AppendUint64(dst, uint64(h.created))
	dst = append(dst, make([]byte, headerSize-4-(len(dst)-at))...)
	return binary.LittleEndian.AppendUint32(dst, checksum(dst[at:]))
}

// parseHeader reads a segment header from the start of b. An unknown version gives [ErrVersion]; it is looked at before
// the checksum, because another version may keep that elsewhere.
func parseHeader(b []byte) (header, error) {
	var h header
	if len(b) < len(segmentMagic)+4 {
		return h, errHeaderShort
	}
	if string(b[:8]) != segmentMagic {
		return h, errHeaderMagic
	}
	switch v := binary.LittleEndian.Uint32(b[8:]); v {
	case formatVersion:
	case 0: // no version, but zeros where a power cut took the rest of the header
		return h, errHeaderField
	default:
		return h, fmt.Errorf("%w: version %d, this keyfeed reads version %d", ErrVersion, v, formatVersion)
	}
	if len(b) < headerSize {
		return h, errHeaderShort
	}
	if checksum(b[:headerSize-4]) != binary.LittleEndian.Uint32(b[headerSize-4:]) {
		return h, errHeaderSum
	}
	h = header{
		gen:     binary.LittleEndian.Uint64(b[16:]),
		start:   int64(binary.LittleEndian.Uint64(b[24:])),
		replid:  string(b[32:72]),
		db:      int(int32(binary.LittleEndian.Uint32(b[72:]))),
		created: int64(binary.LittleEndian.Uint64(b[80:])),
	}
	if binary.LittleEndian.Uint32(b[12:]) != headerSize || h.start < 0 || h.db < 0 || h.gen == 0 ||
		!change.IsReplID(h.replid) {
		return header{}, errHeaderField
	}
	return h, nil
}

// frameHeader is the head of a frame.
type frameHeader struct {
	kind    frameKind
	unitEnd bool
	length  int   // payload bytes
	db      int   // the database after the last whole unit in or before the frame
	start   int64 // stream offset before the frame
	arrived int64 // Unix ms
	sum     uint32
}

// end is the stream offset after the frame: only data frames move it.
func (h frameHeader) end() int64 {
	if h.kind == kindData {
		return h.start + int64(h.length)
	}
	return h.start
}

func appendFrameHeader(dst []byte, h frameHeader) []byte {
	at := len(dst)
	var flags byte
	if h.unitEnd {
		flags = flagUnitEnd
	}
	dst = append(dst, frameMagic...)
	dst = append(dst, byte(h.kind), flags, 0, 0)
	dst = binary.LittleEndian.AppendUint32(dst, uint32(h.length))
	dst = binary.LittleEndian.AppendUint32(dst, uint32(h.db))
	dst = binary.LittleEndian.AppendUint64(dst, uint64(h.start))
	dst = binary.LittleEndian.AppendUint64(dst, uint64(h.arrived))
	dst = binary.LittleEndian.AppendUint32(dst, h.sum)
	return binary.LittleEndian.AppendUint32(dst, checksum(dst[at:]))
}

// parseFrameHeader reads a frame header from b, which holds at least frameHeaderSize bytes. The length it returns is
// within the limits of its kind, so that a reader may size a buffer by it (invariant 6).
func parseFrameHeader(b []byte) (frameHeader, error) {
	if string(b[:4]) != frameMagic {
		return frameHeader{}, errFrameMagic
	}
	if checksum(b[:frameHeaderSize-4]) != binary.LittleEndian.Uint32(b[frameHeaderSize-4:]) {
		return frameHeader{}, errFrameSum
	}
	length := binary.LittleEndian.Uint32(b[8:])
	h := frameHeader{
		kind:    frameKind(b[4]),
		unitEnd: b[5] == flagUnitEnd,
		length:  int(min(length, maxFrame)),
		db:      int(int32(binary.LittleEndian.Uint32(b[12:]))),
		start:   int64(binary.LittleEndian.Uint64(b[16:])),
		arrived: int64(binary.LittleEndian.Uint64(b[24:])),
		sum:     binary.LittleEndian.Uint32(b[32:]),
	}
	fits := false
	switch h.kind {
	case kindData:
		fits = length >= 1 && length <= MaxChunk
	case kindHistory:
		fits = length == historySize && h.unitEnd
	case kindSeal:
		fits = length == replIDSize && h.unitEnd
	}
	if !fits || b[5] > flagUnitEnd || b[6] != 0 || b[7] != 0 || h.db < 0 || h.start < 0 ||
		h.start > math.MaxInt64-MaxChunk {
		return frameHeader{}, errFrameField
	}
	return h, nil
}

// segmentName is the file name of the segment that begins at a stream offset. Text order of names is stream order.
func segmentName(start int64) string {
	return fmt.Sprintf("%0*d%s", nameDigits, start, segmentSuffix)
}

// parseSegmentName is the reverse of segmentName; ok is false for any other name.
func parseSegmentName(name string) (start int64, ok bool) {
	digits, ok := strings.CutSuffix(name, segmentSuffix)
	if !ok || len(digits) != nameDigits {
		return 0, false
	}
	start, err := strconv.ParseInt(digits, 10, 64)
	return start, err == nil && segmentName(start) == name
}

// indexFrame finds the next place in b where a frame may begin; -1 when there is none.
func indexFrame(b []byte) int { return bytes.Index(b, []byte(frameMagic)) }
