package nats

import (
	"bytes"
	"crypto/sha256"
	"encoding/hex"
)

const (
	// maxSubject is the longest subject, in bytes, that a key may give. Servers take lines of 4096 bytes by default,
	// with two subjects and numbers in them, and close the connection on a longer one.
	maxSubject = 512

	// keptSubject leaves room in maxSubject for cutMark and its digits.
	keptSubject = maxSubject - len(cutMark) - cutDigits

	cutMark   = ".%~"
	cutDigits = 32
)

// appendKey appends the tokens of key to the subject dst, which ends in a dot.
//
// The key is split at ':'; in a token every byte outside [A-Za-z0-9_=/~-] is written as %XX with upper-case digits, and
// an empty token as a lone '%'. That can be undone. When the whole subject would be longer than 512 bytes, it keeps
// as many whole tokens as fit into 477 bytes and ends in ".%~" and the first 32 hex digits of the key's SHA-256.
func appendKey(dst, key []byte) []byte {
	kept := len(dst) - 1 // subject up to the last whole token that leaves room for the mark; without its dot
	for rest, more := key, true; more; {
		var token []byte
		token, rest, more = bytes.Cut(rest, []byte{':'})
		dst = appendToken(dst, token)
		if len(dst) <= keptSubject {
			kept = len(dst)
		}
		if len(dst) > maxSubject {
			return appendCut(dst[:kept], key)
		}
		if more {
			dst = append(dst, '.')
		}
	}
	return dst
}

func appendCut(dst, key []byte) []byte {
	sum := sha256.Sum256(key)
	dst = append(dst, cutMark...)
	return hex.AppendEncode(dst, sum[:cutDigits/2])
}

func appendToken(dst, token []byte) []byte {
	if len(token) == 0 {
		return append(dst, '%')
	}
	const digits = "0123456789ABCDEF"
	for _, c := range token {
		if isPlain(c) {
			dst = append(dst, c)
		} else {
			dst = append(dst, '%', digits[c>>4], digits[c&15])
		}
	}
	return dst
}

func isPlain(c byte) bool {
	switch {
	case 'a' <= c && c <= 'z', 'A' <= c && c <= 'Z', '0' <= c && c <= '9':
		return true
	default:
		return c == '_' || c == '=' || c == '/' || c == '~' || c == '-'
	}
}
