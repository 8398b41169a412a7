package event

// budget counts how long the part at hand would be. As long as a cheap upper bound is within the limit nothing is
// measured; then the strings of the part are measured once, and from there on every element exactly.
type budget struct {
	headerBound int // more than the envelope's length
	limit       int
	bound       int  // more than the part's length
	fixed       int  // JSON of the value that is neither string content nor envelope
	text        int  // content of the strings, as text
	base64      int  // the same in base64
	isText      bool // all strings so far can be text
	exact       bool // text, base64, isText and room are valid
	room        int  // limit without the envelope
}

const encLen = len(`,"enc":"base64"`)

func (b *budget) reset(s shape, headerBound int, settings Settings) {
	*b = budget{
		headerBound: headerBound, limit: settings.maxBytes(),
		fixed: frameLen(s), isText: !settings.BinaryAlways,
	}
	b.bound = headerBound + b.fixed + encLen
}

// frameLen is the JSON around the elements, which count a comma each: the first has none.
func frameLen(s shape) int {
	switch s {
	case shapeString:
		return len(`""`)
	case shapeModule:
		return len(`{"dump":""}`)
	case shapeStream:
		return streamFrame
	case shapeList, shapeHash, shapeScores, shapeIndexed:
		return len(`[]`) - len(`,`)
	}
	return 0
}

const (
	expireFrame = len(`,"field_expire_at_ms":{}`) - len(`,`)
	expireFixed = len(`"":,`)
)

// within reports whether the part is short enough with this much of text, base64 and fixed, and takes them if so.
func (b *budget) take(fixed, text, base64 int, isText bool) bool {
	isText = isText && b.isText
	size := b.fixed + fixed
	if isText {
		size += b.text + text
	} else {
		size += b.base64 + base64 + encLen
	}
	if size > b.room {
		return false
	}
	b.fixed += fixed
	b.text += text
	b.base64 += base64
	b.isText = isText
	return true
}

// measureStrings gives the lengths of the contents of strs.
func measureStrings(strs ...[]byte) (text, base64 int, isText bool) {
	isText = true
	for _, s := range strs {
		base64 += base64Len(len(s))
		if isText {
			var n int
			n, isText = textLen(s)
			text += n
		}
	}
	return text, base64, isText
}

// fits reports whether the part at hand has room for an element, and takes the room if so.
func (c *Cutter) fits(fixed int, spelt spelling, strs ...[]byte) bool {
	if !c.budget.exact {
		bound := c.budget.bound + fixed
		if spelt == firstTwice {
			bound += maxEscape * len(strs[0])
		}
		for _, s := range strs {
			bound += maxEscape * len(s)
		}
		if bound <= c.budget.limit {
			c.budget.bound = bound
			c.budget.fixed += fixed
			return true
		}
		c.measure()
	}
	text, base64, isText := measureStrings(strs...)
	if spelt == firstTwice {
		t, b, _ := measureStrings(strs[0])
		text, base64 = text+t, base64+b
	}
	return c.budget.take(fixed, text, base64, isText)
}

// measure makes the budget exact for what the part holds.
func (c *Cutter) measure() {
	c.ev.Part, c.ev.Value, c.ev.Omitted, c.ev.Cause, c.ev.FieldExpires = &c.part, nil, nil, "", nil
	c.budget.room = c.budget.limit - c.enc.Size(&c.ev) - len(`,"value":`)
	c.budget.exact = true
	v := &c.value
	add := func(s []byte) {
		text, base64, isText := measureStrings(s)
		c.budget.text += text
		c.budget.base64 += base64
		c.budget.isText = c.budget.isText && isText
	}
	switch v.shape {
	case shapeString:
		add(v.arena)
	case shapeModule:
		c.budget.base64 = base64Len(len(v.arena))
	case shapeScores, shapeIndexed:
		for i := 0; i < len(v.ends); i += 2 { // the numbers between are fixed
			add(v.str(i))
		}
	case shapeList, shapeHash, shapeStream:
		for i := range v.ends {
			add(v.str(i))
		}
		for _, x := range c.expires {
			add(v.str(x.str))
		}
	}
}

// dumpFits reports whether a dump of n bytes is short enough for the event. It is base64 by nature: enc may only add to
// it where it is forced.
func (c *Cutter) dumpFits(n int) bool {
	if c.budget.headerBound+encLen+c.budget.fixed+base64Len(n) <= c.budget.limit {
		return true
	}
	if !c.budget.exact {
		c.measure()
	}
	size := c.budget.fixed + base64Len(n)
	if c.settings.BinaryAlways {
		size += encLen
	}
	return size <= c.budget.room
}
