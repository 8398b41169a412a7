package event

import (
	"math"
	"strconv"
)

// appendPadded appends n in at least width digits; width is 10 or 20.
func appendPadded(dst []byte, n uint64, width int) []byte {
	const pairs = "00010203040506070809" +
		"10111213141516171819" +
		"20212223242526272829" +
		"30313233343536373839" +
		"40414243444546474849" +
		"50515253545556575859" +
		"60616263646566676869" +
		"70717273747576777879" +
		"80818283848586878889" +
		"90919293949596979899"
	const zeros = "00000000000000000000"
	if width == 10 && n >= 1e10 {
		return strconv.AppendUint(dst, n, 10)
	}
	dst = append(dst, zeros[:width]...)
	i := len(dst)
	for n >= 100 {
		pair := n % 100 * 2
		n /= 100
		i -= 2
		dst[i], dst[i+1] = pairs[pair], pairs[pair+1]
	}
	if n >= 10 {
		dst[i-2], dst[i-1] = pairs[n*2], pairs[n*2+1]
	} else {
		dst[i-1] = byte('0' + n)
	}
	return dst
}

// appendInt is strconv.AppendInt with a short way for one digit.
func appendInt(dst []byte, n int64) []byte {
	if n >= 0 && n < 10 {
		return append(dst, byte('0'+n))
	}
	return strconv.AppendInt(dst, n, 10)
}

// intLen is the length of n in decimal.
func intLen(n int64) int {
	if n < 0 {
		return 1 + uintLen(uint64(-n))
	}
	return uintLen(uint64(n))
}

// uintLen is the length of n in decimal.
func uintLen(n uint64) int {
	digits := 1
	for n >= 10 {
		n /= 10
		digits++
	}
	return digits
}

// appendScore appends f in the fewest digits that parse back to it: as a plain decimal from 1e-6 up to 1e21, else with
// an exponent (1e+21, 5e-324), the form that JavaScript and encoding/json use; inf, -inf and, though no server stores it,
// nan.
func appendScore(dst []byte, f float64) []byte {
	switch abs := math.Abs(f); {
	case math.IsInf(f, 1):
		return append(dst, "inf"...)
	case math.IsInf(f, -1):
		return append(dst, "-inf"...)
	case math.IsNaN(f):
		return append(dst, "nan"...)
	case abs < 1<<53 && abs == math.Trunc(abs) && (abs != 0 || !math.Signbit(f)):
		return appendInt(dst, int64(f))
	case abs != 0 && (abs < 1e-6 || abs >= 1e21):
		dst = strconv.AppendFloat(dst, f, 'e', -1, 64)
		if n := len(dst); dst[n-4] == 'e' && dst[n-2] == '0' { // 1e-07 is 1e-7
			dst = append(dst[:n-2], dst[n-1])
		}
		return dst
	default:
		return strconv.AppendFloat(dst, f, 'f', -1, 64)
	}
}
