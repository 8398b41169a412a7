package event

import "strconv"

// StreamInfo is the scalars of a stream.
type StreamInfo struct {
	LastID       StreamID
	MaxDeletedID StreamID // absent unless HasMaxDeleted (RDB types before STREAM_LISTPACKS_2 lack it)
	EntriesAdded uint64   // absent unless HasAdded (the same)

	HasMaxDeleted, HasAdded bool
}

// stream is what a Value of a stream holds besides its strings. An array of the JSON is absent when it is empty.
type stream struct {
	entries   []streamEntry // their strings come first
	info      StreamInfo
	hasInfo   bool
	groups    []streamGroup
	consumers []streamConsumer // of all groups, in the order of groups
	pending   []streamPending  // the same
}

type streamEntry struct {
	id      StreamID
	strings int
}

type streamGroup struct {
	name               int // string number
	lastID             StreamID
	entriesRead        int64
	hasRead            bool
	consumers, pending int // how many of each are its own
}

type streamConsumer struct {
	name             int
	seenMs, activeMs int64 // negative = absent
}

type streamPending struct {
	id         StreamID
	consumer   int
	deliveryMs int64
	count      uint64
}

func (s *stream) reset() {
	s.entries, s.groups, s.consumers, s.pending = s.entries[:0], s.groups[:0], s.consumers[:0], s.pending[:0]
	s.hasInfo = false
}

// bound is more than the encoded length without the strings.
func (s *stream) bound() int {
	return 256 + 64*len(s.entries) + 160*len(s.groups) + 96*len(s.consumers) + 112*len(s.pending)
}

// The lengths of the pieces of a stream's JSON, without the strings but with the comma in front where one may stand.
// The frame of the object and of the arrays is streamFrame, taken as if all of them were there.
const streamFrame = len(`{"entries":[],"groups":[]}`) + 2

func entryLen(id StreamID, strs int) int { return id.len() + len(`,[,[]]`) + 3*strs }

func (info StreamInfo) len() int {
	n := len(`,"last_id":`) + info.LastID.len()
	if info.HasMaxDeleted {
		n += len(`,"max_deleted_id":`) + info.MaxDeletedID.len()
	}
	if info.HasAdded {
		n += len(`,"entries_added":`) + uintLen(info.EntriesAdded)
	}
	return n
}

func (g *streamGroup) len() int {
	n := len(`,{"name":"","last_id":,"consumers":[],"pending":[]}`) + g.lastID.len()
	if g.hasRead {
		n += len(`,"entries_read":`) + intLen(g.entriesRead)
	}
	return n
}

func (c *streamConsumer) len() int {
	n := len(`,{"name":""}`)
	if c.seenMs >= 0 {
		n += len(`,"seen_ms":`) + intLen(c.seenMs)
	}
	if c.activeMs >= 0 {
		n += len(`,"active_ms":`) + intLen(c.activeMs)
	}
	return n
}

func (p *streamPending) len() int {
	return len(`,[,"",,]`) + p.id.len() + intLen(p.deliveryMs) + uintLen(p.count)
}

func (v *Value) appendStream(dst []byte, binaryForm bool) ([]byte, bool) {
	start := len(dst) + 1
	dst = append(dst, '{')
	dst, isText := v.appendEntries(dst, binaryForm)
	if !isText {
		return dst, false
	}
	if v.hasInfo {
		dst = v.info.append(dst)
	}
	if len(v.groups) > 0 {
		dst = append(dst, `,"groups":[`...)
		consumers, pending := v.consumers, v.pending
		for i := range v.groups {
			g := &v.groups[i]
			if i > 0 {
				dst = append(dst, ',')
			}
			dst, isText = v.appendGroup(dst, g, consumers[:g.consumers], pending[:g.pending], binaryForm)
			if !isText {
				return dst, false
			}
			consumers, pending = consumers[g.consumers:], pending[g.pending:]
		}
		dst = append(dst, ']')
	}
	if start < len(dst) && dst[start] == ',' { // the first field of the object
		dst = append(dst[:start], dst[start+1:]...)
	}
	return append(dst, '}'), true
}

func (v *Value) appendEntries(dst []byte, binaryForm bool) ([]byte, bool) {
	if len(v.entries) == 0 {
		return dst, true
	}
	dst = append(dst, `"entries":[`...)
	var isText bool
	s := 0
	for i, e := range v.entries {
		if i > 0 {
			dst = append(dst, ',')
		}
		dst = append(e.id.append(append(dst, '[')), ',', '[')
		for k := range e.strings {
			if k > 0 {
				dst = append(dst, ',')
			}
			if dst, isText = appendQuoted(dst, v.str(s), binaryForm); !isText {
				return dst, false
			}
			s++
		}
		dst = append(dst, ']', ']')
	}
	return append(dst, ']'), true
}

func (info StreamInfo) append(dst []byte) []byte {
	dst = info.LastID.append(append(dst, `,"last_id":`...))
	if info.HasMaxDeleted {
		dst = info.MaxDeletedID.append(append(dst, `,"max_deleted_id":`...))
	}
	if info.HasAdded {
		dst = strconv.AppendUint(append(dst, `,"entries_added":`...), info.EntriesAdded, 10)
	}
	return dst
}

func (v *Value) appendGroup(dst []byte, g *streamGroup, consumers []streamConsumer, pending []streamPending,
	binaryForm bool,
) ([]byte, bool) {
	dst, isText := appendQuoted(append(dst, `{"name":`...), v.str(g.name), binaryForm)
	if !isText {
		return dst, false
	}
	dst = g.lastID.append(append(dst, `,"last_id":`...))
	if g.hasRead {
		dst = appendField(dst, `,"entries_read":`, g.entriesRead)
	}
	for i, c := range consumers {
		if i == 0 {
			dst = append(dst, `,"consumers":[`...)
		} else {
			dst = append(dst, ',')
		}
		if dst, isText = appendQuoted(append(dst, `{"name":`...), v.str(c.name), binaryForm); !isText {
			return dst, false
		}
		if c.seenMs >= 0 {
			dst = appendField(dst, `,"seen_ms":`, c.seenMs)
		}
		if c.activeMs >= 0 {
			dst = appendField(dst, `,"active_ms":`, c.activeMs)
		}
		dst = append(dst, '}')
	}
	if len(consumers) > 0 {
		dst = append(dst, ']')
	}
	for i, p := range pending {
		if i == 0 {
			dst = append(dst, `,"pending":[`...)
		} else {
			dst = append(dst, ',')
		}
		dst = append(p.id.append(append(dst, '[')), ',')
		if dst, isText = appendQuoted(dst, v.str(p.consumer), binaryForm); !isText {
			return dst, false
		}
		dst = strconv.AppendInt(append(dst, ','), p.deliveryMs, 10)
		dst = strconv.AppendUint(append(dst, ','), p.count, 10)
		dst = append(dst, ']')
	}
	if len(pending) > 0 {
		dst = append(dst, ']')
	}
	return append(dst, '}'), true
}
