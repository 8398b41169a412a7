package event

import (
	"encoding/hex"
	"strconv"
)

// Encoder writes events as JSON, byte for byte as docs/events.md says. One goroutine uses it; it keeps the text that
// neighbouring events share.
type Encoder struct {
	settings Settings

	gen     uint64 // head and tail are made for this generation and time
	tsMs    int64
	head    []byte // {"v":1,"id":"GGGGGGGGGG:
	tail    []byte // ,"ts_ms":T,"source":{"name":N,"gen":G,"offset":
	scratch []byte // of Size
}

// NewEncoder makes an encoder.
func NewEncoder(s Settings) *Encoder { return &Encoder{settings: s} }

// share makes what events of one generation and time have in common.
func (enc *Encoder) share(e *Event) {
	if enc.head == nil || enc.gen != e.Gen {
		enc.head = appendPadded(append(enc.head[:0], `{"v":1,"id":"`...), e.Gen, 10)
		enc.head = append(enc.head, ':')
	}
	enc.tail = strconv.AppendInt(append(enc.tail[:0], `,"ts_ms":`...), e.TsMs, 10)
	enc.tail = appendQuotedName(append(enc.tail, `,"source":{"name":`...), enc.settings.Source)
	enc.tail = strconv.AppendUint(append(enc.tail, `,"gen":`...), e.Gen, 10)
	enc.tail = append(enc.tail, `,"offset":`...)
	enc.gen, enc.tsMs = e.Gen, e.TsMs
}

// Append appends the JSON of e to dst, without a newline. It allocates only where dst is too small.
func (enc *Encoder) Append(dst []byte, e *Event) []byte {
	if enc.gen != e.Gen || enc.tsMs != e.TsMs || enc.head == nil {
		enc.share(e)
	}
	dst = append(dst, enc.head...)
	idOffset := len(dst)
	dst = appendPadded(dst, uint64(e.Offset), 20)
	dst = appendIDEnd(dst, e)
	dst = append(dst, '"', ',', '"', 'o', 'p', '"', ':', '"', byte(e.Op), '"')
	if e.Kind != "" {
		dst = appendName(dst, `,"kind":`, e.Kind)
	}
	if e.Message != nil {
		dst = e.Message.appendFields(dst)
	}
	if e.DB != NoDB {
		dst = appendInt(append(dst, `,"db":`...), int64(e.DB))
	}
	if e.IsKey && !e.keyLeft() {
		dst = appendKey(dst, e.Key)
	}
	if e.HasKeyDB {
		dst = appendInt(append(dst, `,"key_db":`...), int64(e.KeyDB))
	}
	dst = appendNameIf(dst, `,"type":`, e.Type)
	dst = appendNameIf(dst, `,"effect":`, e.Effect)
	dst = appendNameIf(dst, `,"cmd":`, e.Cmd)
	dst = enc.appendContent(dst, e)
	dst = appendPlace(dst, e)
	dst = append(dst, enc.tail...)
	dst = appendTrimmed(dst, idOffset)
	dst = appendInt(append(dst, `,"seq":`...), e.Seq)
	if e.N > 0 {
		dst = appendInt(append(dst, `,"n":`...), e.N)
	}
	return append(dst, '}', '}')
}

// keyLeft reports whether neither key nor keys are shown.
func (e *Event) keyLeft() bool { return e.Omitted != nil && e.Omitted.KeyLeft }

func appendKey(dst, key []byte) []byte {
	before := len(dst)
	dst, isText := appendQuoted(append(dst, `,"key":`...), key, false)
	if !isText {
		dst, _ = appendQuoted(append(dst[:before], `,"key":`...), key, true)
		dst = append(dst, `,"key_enc":"base64"`...)
	}
	return dst
}

// appendContent appends the fields from args to enc. They are written as text first; a byte string that is not UTF-8
// turns all of them to base64.
func (enc *Encoder) appendContent(dst []byte, e *Event) []byte {
	before := len(dst)
	binaryForm := enc.settings.BinaryAlways
	dst, isText := appendStrings(dst, e, binaryForm)
	if !isText {
		binaryForm = true
		dst, _ = appendStrings(dst[:before], e, true)
	}
	if binaryForm && e.hasStrings() {
		dst = append(dst, `,"enc":"base64"`...)
	}
	return dst
}

// hasStrings reports whether one of the fields that enc speaks about is written.
func (e *Event) hasStrings() bool {
	if e.Omitted != nil {
		return e.Keys != nil && !e.Omitted.KeyLeft
	}
	return e.Cmd != "" || e.Keys != nil || e.Value != nil
}

// appendStrings appends args, keys, value, expire_at_ms and field_expire_at_ms. False: a byte string is not UTF-8.
func appendStrings(dst []byte, e *Event, binaryForm bool) ([]byte, bool) {
	var isText bool
	if e.Cmd != "" && e.Omitted == nil {
		if dst, isText = appendArray(append(dst, `,"args":[`...), e.Args, binaryForm); !isText {
			return dst, false
		}
	}
	if e.Keys != nil && !e.keyLeft() {
		if dst, isText = appendArray(append(dst, `,"keys":[`...), e.Keys, binaryForm); !isText {
			return dst, false
		}
	}
	if e.Value != nil && e.Omitted == nil {
		if dst, isText = e.Value.append(append(dst, `,"value":`...), binaryForm); !isText {
			return dst, false
		}
	}
	if e.HasExpire {
		dst = appendField(dst, `,"expire_at_ms":`, e.ExpireAtMs)
	}
	if len(e.FieldExpires) > 0 && e.Omitted == nil {
		dst = append(dst, `,"field_expire_at_ms":`...)
		open := byte('{')
		for _, f := range e.FieldExpires {
			if dst, isText = appendQuoted(append(dst, open), f.Field, binaryForm); !isText {
				return dst, false
			}
			dst = strconv.AppendInt(append(dst, ':'), f.AtMs, 10)
			open = ','
		}
		dst = append(dst, '}')
	}
	return dst, true
}

// appendArray appends the strings and the closing bracket.
func appendArray(dst []byte, strs [][]byte, binaryForm bool) ([]byte, bool) {
	var isText bool
	for i, s := range strs {
		if i > 0 {
			dst = append(dst, ',')
		}
		if dst, isText = appendQuoted(dst, s, binaryForm); !isText {
			return dst, false
		}
	}
	return append(dst, ']'), true
}

// appendPlace appends the fields from part to snapshot.
func appendPlace(dst []byte, e *Event) []byte {
	if p := e.Part; p != nil {
		dst = strconv.AppendInt(append(dst, `,"part":{"i":`...), p.I, 10)
		dst = strconv.AppendBool(append(dst, `,"last":`...), p.Last)
		dst = append(dst, '}')
	}
	if o := e.Omitted; o != nil {
		dst = strconv.AppendInt(append(dst, `,"omitted":{"bytes":`...), o.Bytes, 10)
		dst = append(hex.AppendEncode(append(dst, `,"sha256":"`...), o.SHA256[:]), '"')
		if o.KeyLeft {
			dst = append(hex.AppendEncode(append(dst, `,"key_sha256":"`...), o.KeySHA256[:]), '"')
		}
		dst = append(dst, '}')
	}
	if t := e.Txn; t != nil {
		dst = appendPadded(append(dst, `,"txn":{"id":"`...), t.Gen, 10)
		dst = appendPadded(append(dst, ':'), uint64(t.Offset), 20)
		dst = appendInt(append(dst, `","seq":`...), t.Seq)
		if t.Size > 0 {
			dst = appendInt(append(dst, `,"size":`...), t.Size)
		}
		if t.Last {
			dst = append(dst, txnLast...)
		}
		dst = append(dst, '}')
	}
	dst = appendNameIf(dst, `,"cause":`, e.Cause)
	return appendNameIf(dst, `,"snapshot":`, e.Snapshot)
}

const txnLast = `,"last":true`

// appendTrimmed appends the 20 digits that stand at dst[from:], without the zeros in front.
func appendTrimmed(dst []byte, from int) []byte {
	to := from + 20
	for from < to-1 && dst[from] == '0' {
		from++
	}
	return append(dst, dst[from:to]...)
}
