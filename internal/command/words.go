package command

import "strconv"

// isWord reports whether b is the word w, which is in upper case, in any case.
func isWord(b []byte, w string) bool {
	if len(b) != len(w) {
		return false
	}
	for i, c := range b {
		if c >= 'a' && c <= 'z' {
			c -= 'a' - 'A'
		}
		if c != w[i] {
			return false
		}
	}
	return true
}

// number reads a 64-bit integer as servers write it (util.c, string2ll): decimal, no plus sign, no leading zero.
func number(b []byte) (n int64, ok bool) {
	digits := b
	negative := len(b) > 0 && b[0] == '-'
	if negative {
		digits = b[1:]
	}
	if len(digits) == 0 || len(digits) > 19 || digits[0] == '0' && (len(digits) > 1 || negative) {
		return 0, false
	}
	var u uint64
	for _, c := range digits {
		if c < '0' || c > '9' {
			return 0, false
		}
		u = u*10 + uint64(c-'0') // 19 digits fit
	}
	switch {
	case negative && u <= 1<<63:
		return -int64(u), true
	case !negative && u < 1<<63:
		return int64(u), true
	default:
		return 0, false
	}
}

// database reads a database number.
func database(b []byte) (db int, ok bool) {
	n, ok := number(b)
	if !ok || n < 0 || n > 1<<31-1 {
		return 0, false
	}
	return int(n), true
}

// times multiplies seconds to ms, or gives false where 64 bits do not hold them.
func times(n, factor int64) (int64, bool) {
	p := n * factor
	return p, p/factor == n
}

// plus adds, or gives false where 64 bits do not hold the sum.
func plus(a, b int64) (int64, bool) {
	s := a + b
	return s, (s > a) == (b > 0)
}

// digits writes n into the decoder's own room, valid until the next call.
func (d *Decoder) digits(n int64) []byte {
	return strconv.AppendInt(d.nums[:0], n, 10)
}

func appendDigits(dst []byte, n int64) []byte { return strconv.AppendInt(dst, n, 10) }
