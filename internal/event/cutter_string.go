package event

import "unicode/utf8"

// stringBlock is how much of a string is measured at once while it is far from the end of the part, in bytes.
const stringBlock = 4 << 10

// StringPiece adds bytes to a string value; calls add up.
func (c *Cutter) StringPiece(b []byte) error {
	switch c.state {
	case partClosed:
		return c.notBegun()
	case wholeOmitted:
		c.leaveOut(b)
		return nil
	case partEmpty, partValue, partOmitted:
	}
	for len(c.tail) > 0 && len(b) > 0 {
		// A character that began in an earlier piece. Its bytes go on as one.
		if utf8.FullRune(c.tail) || utf8.RuneStart(b[0]) {
			c.takeString(c.tail)
			c.tail = c.tail[:0]
			break
		}
		c.tail = append(c.tail, b[0])
		b = b[1:]
	}
	if len(c.tail) > 0 {
		if !utf8.FullRune(c.tail) {
			return c.err
		}
		c.takeString(c.tail)
		c.tail = c.tail[:0]
	}
	whole := len(b) - unfinished(b)
	c.takeString(b[:whole])
	c.tail = append(c.tail, b[whole:]...)
	return c.err
}

// unfinished counts the bytes at the end of b that may become a character with the bytes that follow.
func unfinished(b []byte) int {
	for n := 1; n < utf8.UTFMax && n <= len(b); n++ {
		if end := b[len(b)-n:]; utf8.RuneStart(end[0]) {
			if utf8.FullRune(end) {
				return 0
			}
			return n
		}
	}
	return 0
}

// takeString takes bytes of which the last character is whole.
func (c *Cutter) takeString(s []byte) {
	for len(s) > 0 && c.err == nil {
		n := c.takeSome(s)
		if n == 0 && c.state == partValue {
			_ = c.freshPart() // the error stays in c.err
			continue
		}
		n = max(n, 1)
		c.state = partValue
		c.value.arena = append(c.value.arena, s[:n]...)
		s = s[n:]
	}
}

// takeSome says how many of the next bytes go into the part at hand; 0 = it is full.
func (c *Cutter) takeSome(s []byte) int {
	if !c.budget.exact {
		if bound := c.budget.bound + maxEscape*len(s); bound <= c.budget.limit {
			c.budget.bound = bound
			return len(s)
		}
		c.measure()
	}
	if !c.budget.isText {
		return min(len(s), max(0, c.base64Room()-len(c.value.arena)))
	}
	for size := stringBlock; size > utf8.UTFMax; size /= 4 {
		block := s[:min(len(s), size)]
		for len(block) < len(s) && len(block) > size-utf8.UTFMax && !utf8.RuneStart(s[len(block)]) {
			block = block[:len(block)-1] // not inside a character
		}
		if n, isText := textLen(block); isText && c.fixedAndText(n) <= c.budget.room {
			c.budget.text += n
			return len(block)
		}
	}
	return c.takeCharacter(s)
}

func (c *Cutter) fixedAndText(n int) int { return c.budget.fixed + c.budget.text + n }

// base64Room is how many bytes a part of base64 holds.
func (c *Cutter) base64Room() int { return (c.budget.room - c.budget.fixed - encLen) / 4 * 3 }

// takeCharacter is takeSome near the end of a part, or before a byte that is not text.
func (c *Cutter) takeCharacter(s []byte) int {
	n := 1
	if s[0] >= utf8.RuneSelf {
		var r rune
		if r, n = utf8.DecodeRune(s); r == utf8.RuneError && n == 1 {
			if len(c.value.arena)+1 > c.base64Room() {
				return 0
			}
			c.budget.isText = false
			return 1
		}
	}
	length, _ := textLen(s[:n])
	if c.fixedAndText(length) > c.budget.room {
		return 0
	}
	c.budget.text += length
	return n
}
