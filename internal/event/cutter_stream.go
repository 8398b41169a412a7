package event

// openGroup is the consumer group that consumers and pending entries belong to. It is kept because a part that goes on
// with a group names it again.
type openGroup struct {
	name   []byte
	head   streamGroup
	inPart bool // the part at hand has it
	left   bool // its name alone is too large: the group is left out
}

// Entry adds an entry of a stream; fields are field, value, field, value … Entries come in the order of their ids and
// before StreamInfo.
func (c *Cutter) Entry(ms, seq uint64, fields [][]byte) error {
	id := StreamID{Ms: ms, Seq: seq}
	ok, err := c.admit(entryLen(id, len(fields)), once, fields...)
	if ok {
		c.value.entries = append(c.value.entries, streamEntry{id: id, strings: len(fields)})
		for _, f := range fields {
			c.value.add(f)
		}
	}
	return err
}

// StreamInfo adds the scalars of a stream, after its entries and before its groups.
func (c *Cutter) StreamInfo(info StreamInfo) error {
	ok, err := c.admit(info.len(), once)
	if ok {
		c.value.info, c.value.hasInfo = info, true
	}
	return err
}

// Group starts a consumer group. entriesRead is absent when nil: the server does not know it.
func (c *Cutter) Group(name []byte, lastID StreamID, entriesRead *int64) error {
	g := streamGroup{lastID: lastID}
	if entriesRead != nil {
		g.entriesRead, g.hasRead = *entriesRead, true
	}
	c.group.name = append(c.group.name[:0], name...)
	c.group.head, c.group.left = g, false
	ok, err := c.admit(g.len(), once, name)
	if ok {
		c.addGroup()
	} else if err == nil && c.state == partOmitted {
		c.group.left = true
	}
	return err
}

// Consumer adds a consumer to the group. A negative time is absent.
func (c *Cutter) Consumer(name []byte, seenMs, activeMs int64) error {
	consumer := streamConsumer{seenMs: seenMs, activeMs: activeMs}
	ok, err := c.admitInGroup(consumer.len(), name)
	if ok {
		consumer.name = len(c.value.ends)
		c.value.add(name)
		c.value.consumers = append(c.value.consumers, consumer)
		c.value.groups[len(c.value.groups)-1].consumers++
	}
	return err
}

// Pending adds an entry that was delivered to a consumer of the group, count times, and not acknowledged.
func (c *Cutter) Pending(id StreamID, consumer []byte, deliveryMs int64, count uint64) error {
	p := streamPending{id: id, deliveryMs: deliveryMs, count: count}
	ok, err := c.admitInGroup(p.len(), consumer)
	if ok {
		p.consumer = len(c.value.ends)
		c.value.add(consumer)
		c.value.pending = append(c.value.pending, p)
		c.value.groups[len(c.value.groups)-1].pending++
	}
	return err
}

func (c *Cutter) addGroup() {
	g := c.group.head
	g.name = len(c.value.ends)
	c.value.add(c.group.name)
	c.value.groups = append(c.value.groups, g)
	c.group.inPart = true
}

// admitInGroup is admit for something that belongs to the open group.
func (c *Cutter) admitInGroup(fixed int, name []byte) (bool, error) {
	if c.group.left && c.state == partOmitted {
		c.leaveOut(name) // the group it belongs to is left out as one
		return false, nil
	}
	if c.state == partValue && c.group.inPart && c.fits(fixed, once, name) {
		return true, nil
	}
	if c.state == wholeOmitted {
		c.leaveOut(name)
		return false, nil
	}
	if err := c.freshPart(); err != nil {
		return false, err
	}
	if c.fits(fixed+c.group.head.len(), once, c.group.name, name) {
		c.state = partValue
		c.addGroup()
		return true, nil
	}
	c.openOmitted()
	c.leaveOut(name)
	return false, nil
}
