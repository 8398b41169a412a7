package resp

// number reads the decimal number of a header byte by byte, up to its LF, so that a header may be cut anywhere.
type number struct {
	val    int64
	digits int
	neg    bool
	cr     bool
}

// step takes the next byte of the header. It reports true at the LF; msg is not empty when b cannot be right.
// The value is compared with limit at every digit, so it never overflows and a hostile header fails early.
func (n *number) step(b byte, limit int64, negative bool) (done bool, msg string) {
	switch {
	case n.cr:
		if b != '\n' {
			return false, msgLF
		}
		return true, ""
	case b >= '0' && b <= '9':
		if n.digits > 0 && n.val == 0 || n.neg && n.digits == 0 && b == '0' {
			return false, msgNumber // 01, -0
		}
		n.val = n.val*10 + int64(b-'0')
		n.digits++
		if n.val > limit {
			return false, msgLimit
		}
	case b == '-' && negative && n.digits == 0 && !n.neg:
		n.neg = true
	case n.digits == 0:
		return false, msgNumber
	case b == '\r':
		n.cr = true
	default:
		return false, msgCR
	}
	return false, ""
}

// msgLimit stands for "over the limit" until the caller says which.
const msgLimit = "limit"

// header reads a whole "<digits>\r\n" at the start of p. n is the number of bytes it took, or 0 when the header is cut,
// unusual or wrong: the careful path decides then. Ten digits hold every length that has to be fast.
func header(p []byte) (v int64, n int) {
	if len(p) < 3 {
		return 0, 0
	}
	d := p[0] - '0'
	if d > 9 || d == 0 && p[1] != '\r' {
		return 0, 0
	}
	v = int64(d)
	for i := 1; i < len(p)-1 && i <= 10; i++ {
		d = p[i] - '0'
		if d > 9 {
			if p[i] == '\r' && p[i+1] == '\n' {
				return v, i + 2
			}
			return 0, 0
		}
		v = v*10 + int64(d)
	}
	return 0, 0
}
