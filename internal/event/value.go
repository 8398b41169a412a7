package event

import (
	"encoding/base64"
	"strconv"
)

// Value is the value of a snapshot event, or one part of it. The [Cutter] makes it; it is read by the Encoder only.
//
// The byte strings of the value lie one after the other in arena; ends says where each ends. What they mean follows from
// the shape: for a hash they are field, value, and so on.
type Value struct {
	shape shape
	arena []byte
	ends  []int
	stream
}

type shape uint8

const (
	shapeString  shape = iota // one string
	shapeList                 // strings
	shapeHash                 // field, value
	shapeScores               // member, score
	shapeIndexed              // value, index
	shapeStream
	shapeModule // one string, the dump
)

// shapeOf is the form of the value of a type.
func shapeOf(typ string) shape {
	switch typ {
	case TypeString:
		return shapeString
	case TypeList, TypeSet:
		return shapeList
	case TypeHash:
		return shapeHash
	case TypeZSet:
		return shapeScores
	case TypeArray:
		return shapeIndexed
	case TypeStream:
		return shapeStream
	default:
		return shapeModule
	}
}

func (v *Value) reset(s shape) {
	v.shape = s
	v.arena, v.ends = v.arena[:0], v.ends[:0]
	v.stream.reset()
}

func (v *Value) add(s []byte) {
	v.arena = append(v.arena, s...)
	v.ends = append(v.ends, len(v.arena))
}

// str is byte string i.
func (v *Value) str(i int) []byte {
	from := 0
	if i > 0 {
		from = v.ends[i-1]
	}
	return v.arena[from:v.ends[i]]
}

// bound is more than the encoded length.
func (v *Value) bound() int {
	return maxEscape*len(v.arena) + 8*len(v.ends) + 128 + v.stream.bound()
}

// append appends the JSON of the value. False: a byte string is not UTF-8 and was to be text.
func (v *Value) append(dst []byte, binaryForm bool) ([]byte, bool) {
	var isText bool
	switch v.shape {
	case shapeString:
		return appendQuoted(dst, v.arena, binaryForm)
	case shapeModule:
		dst = base64.StdEncoding.AppendEncode(append(dst, `{"dump":"`...), v.arena)
		return append(dst, `"}`...), true
	case shapeStream:
		return v.appendStream(dst, binaryForm)
	case shapeList:
		dst = append(dst, '[')
		for i := range v.ends {
			if i > 0 {
				dst = append(dst, ',')
			}
			if dst, isText = appendQuoted(dst, v.str(i), binaryForm); !isText {
				return dst, false
			}
		}
		return append(dst, ']'), true
	case shapeHash:
		dst = append(dst, '{')
		for i := range v.ends {
			switch {
			case i%2 == 1:
				dst = append(dst, ':')
			case i > 0:
				dst = append(dst, ',')
			}
			if dst, isText = appendQuoted(dst, v.str(i), binaryForm); !isText {
				return dst, false
			}
		}
		return append(dst, '}'), true
	default:
		return v.appendPairs(dst, binaryForm)
	}
}

// A pair is two strings, one of them bytes and one a number in text, which is never base64. The number is the one that
// stands second in a zset (the score) and first in an array (the index); the bytes are always stored first.
func (v *Value) appendPairs(dst []byte, binaryForm bool) ([]byte, bool) {
	var isText bool
	indexed := v.shape == shapeIndexed
	dst = append(dst, '[')
	for i := 0; i < len(v.ends); i += 2 {
		if i > 0 {
			dst = append(dst, ',')
		}
		dst = append(dst, '[')
		if indexed {
			dst = append(append(append(dst, '"'), v.str(i+1)...), '"', ',')
		}
		if dst, isText = appendQuoted(dst, v.str(i), binaryForm); !isText {
			return dst, false
		}
		if !indexed {
			dst = append(append(append(dst, ',', '"'), v.str(i+1)...), '"')
		}
		dst = append(dst, ']')
	}
	return append(dst, ']'), true
}

// StreamID is the id of a stream entry, "ms-seq".
type StreamID struct {
	Ms, Seq uint64
}

func (id StreamID) append(dst []byte) []byte {
	dst = strconv.AppendUint(append(dst, '"'), id.Ms, 10)
	dst = strconv.AppendUint(append(dst, '-'), id.Seq, 10)
	return append(dst, '"')
}

func (id StreamID) len() int { return uintLen(id.Ms) + uintLen(id.Seq) + 3 }
