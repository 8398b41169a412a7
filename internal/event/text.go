package event

import (
	"encoding/base64"
	"encoding/binary"
	"math/bits"
	"strings"
	"unicode/utf8"
)

// Strings of the JSON: escaped minimally. The quotation mark, the backslash and the control bytes below 0x20 are
// escaped, the latter by their short form where JSON has one (\b \f \n \r \t), else as \u00xx in lower-case hex.
// Everything else stands as it is, U+007F, U+2028 and U+2029 included.

const (
	everyByte = 0x0101010101010101
	highBits  = 0x8080808080808080
)

// notPlain has the high bit set in the first byte of w (least significant first) that is not printable ASCII without
// a need of escape, and is 0 when there is none. Bits above the first hit say nothing: the subtractions borrow.
func notPlain(w uint64) uint64 {
	quote := w ^ '"'*everyByte
	slash := w ^ '\\'*everyByte
	return (w | (w-0x20*everyByte)&^w | (quote-everyByte)&^quote | (slash-everyByte)&^slash) & highBits
}

// plainLen counts the bytes at the start of s that are ASCII and need no escape.
func plainLen(s []byte) int {
	i := 0
	for ; len(s)-i >= 8; i += 8 {
		if hit := notPlain(binary.LittleEndian.Uint64(s[i:])); hit != 0 {
			return i + bits.TrailingZeros64(hit)/8
		}
	}
	if i > 0 && i < len(s) && notPlain(binary.LittleEndian.Uint64(s[len(s)-8:])) == 0 {
		return len(s) // the last 8 bytes in one look, some of them for the second time
	}
	for i < len(s) && s[i] >= 0x20 && s[i] < utf8.RuneSelf && s[i] != '"' && s[i] != '\\' {
		i++
	}
	return i
}

// appendText appends s with its escapes, without quotes. False: s is not UTF-8, and dst holds the part before.
func appendText(dst, s []byte) ([]byte, bool) {
	start := 0
	for i := 0; ; {
		i += plainLen(s[i:])
		if i == len(s) {
			return append(dst, s[start:]...), true
		}
		if s[i] >= utf8.RuneSelf {
			_, n := utf8.DecodeRune(s[i:])
			if n == 1 {
				return dst, false
			}
			i += n
			continue
		}
		dst = append(dst, s[start:i]...)
		dst = appendEscape(dst, s[i])
		i++
		start = i
	}
}

func appendEscape(dst []byte, c byte) []byte {
	switch c {
	case '"', '\\':
		return append(dst, '\\', c)
	case '\b':
		return append(dst, '\\', 'b')
	case '\f':
		return append(dst, '\\', 'f')
	case '\n':
		return append(dst, '\\', 'n')
	case '\r':
		return append(dst, '\\', 'r')
	case '\t':
		return append(dst, '\\', 't')
	default:
		const hex = "0123456789abcdef"
		return append(dst, '\\', 'u', '0', '0', hex[c>>4], hex[c&15])
	}
}

// textLen is what appendText would append, in bytes; false when s is not UTF-8.
func textLen(s []byte) (int, bool) {
	n := len(s)
	for i := 0; ; {
		i += plainLen(s[i:])
		if i == len(s) {
			return n, true
		}
		if s[i] >= utf8.RuneSelf {
			_, size := utf8.DecodeRune(s[i:])
			if size == 1 {
				return 0, false
			}
			i += size
			continue
		}
		n += escapeLen(s[i]) - 1
		i++
	}
}

// escapeLen is the length of the escape of c, which needs one.
func escapeLen(c byte) int {
	switch c {
	case '"', '\\', '\b', '\f', '\n', '\r', '\t':
		return 2
	default:
		return 6
	}
}

// maxEscape is the largest factor by which a byte grows in text; in base64 a string of one byte grows to four.
const maxEscape = 6

// base64Len is the length of n bytes in base64, padded.
func base64Len(n int) int { return (n + 2) / 3 * 4 }

// appendQuoted appends s as a JSON string, as text or as base64. False: s is not UTF-8 and was to be text.
func appendQuoted(dst, s []byte, binaryForm bool) ([]byte, bool) {
	dst = append(dst, '"')
	if binaryForm {
		dst = base64.StdEncoding.AppendEncode(dst, s)
		return append(dst, '"'), true
	}
	dst, ok := appendText(dst, s)
	return append(dst, '"'), ok
}

// appendQuotedName appends a name that is text by nature; bytes that are not UTF-8 become U+FFFD.
func appendQuotedName(dst []byte, s string) []byte {
	plain := true
	for i := range len(s) {
		plain = plain && s[i] >= 0x20 && s[i] < utf8.RuneSelf && s[i] != '"' && s[i] != '\\'
	}
	dst = append(dst, '"')
	if plain {
		dst = append(dst, s...)
	} else {
		dst, _ = appendText(dst, []byte(strings.ToValidUTF8(s, "\uFFFD")))
	}
	return append(dst, '"')
}
