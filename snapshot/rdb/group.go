package rdb

import (
	"encoding/binary"
	"io"
	"slices"
)

// held is a pending entry while its consumer is not known.
type held struct {
	id          StreamID
	deliveredMs int64
	count       uint64
	owner       int32 // index of the consumer, noOwner before it is known
}

const (
	noOwner          = -1
	maxConsumerNames = 8 << 20 // bytes of names that a group may need before the file is read again instead
)

// pel joins the pending entries of a group with its consumers.
//
// The file has them apart: first all pending entries of the group with delivery time and count, in order of their ids;
// then the consumers, each with the ids of its own. Both are kept while they are few. Otherwise the consumers are
// delivered as they come, and then the file is read again: per block of pending entries once over all consumers.
type pel struct {
	block     []held
	consumers []Consumer
	names     []byte
}

// groups reads the consumer groups of a stream: a count, then per group name, last delivered id and (from type 19 on)
// entries read, 2^64-1 when unknown; its pending entries; its consumers.
func (d *Decoder) groups(code byte) error {
	n, err := d.length(&d.main)
	if err != nil {
		return err
	}
	for range n {
		if err := d.group(code); err != nil {
			return err
		}
	}
	return nil
}

func (d *Decoder) group(code byte) error {
	name, err := d.string(&d.main, &d.slots[0])
	if err != nil {
		return err
	}
	d.keep(&d.slots[0], &name)
	g := &d.stream.group
	*g = Group{}
	g.Name, g.Oversize = d.named(name)
	if g.LastID, err = d.packedID(); err != nil {
		return err
	}
	if code != typeStream {
		if g.EntriesRead, err = d.length(&d.main); err != nil {
			return err
		}
		g.HasEntriesRead = g.EntriesRead != 1<<64-1
		if !g.HasEntriesRead {
			g.EntriesRead = 0
		}
	}
	if err := d.v.Group(g); err != nil {
		return err
	}
	total, err := d.length(&d.main)
	if err != nil {
		return err
	}
	start := d.main.offset()
	if total > uint64(d.cfg.PendingHeld) {
		return d.groupTwice(code, start, total)
	}
	if err := d.stream.pel.readBlock(&d.main, int(total)); err != nil {
		return err
	}
	return d.groupHeld(code)
}

// readBlock reads n pending entries: id 16, delivery time 8, count as a length.
func (p *pel) readBlock(in *input, n int) error {
	p.block = p.block[:0]
	for range n {
		h, err := readHeld(in)
		if err != nil {
			return err
		}
		if k := len(p.block); k > 0 && p.block[k-1].id.compare(h.id) >= 0 {
			return corrupt("the pending entries of a group are not in order")
		}
		p.block = append(p.block, h)
	}
	return nil
}

func readHeld(in *input) (held, error) {
	b, err := in.next(24)
	if err != nil {
		return held{}, err
	}
	h := held{
		id:          StreamID{Ms: binary.BigEndian.Uint64(b), Seq: binary.BigEndian.Uint64(b[8:])},
		deliveredMs: int64(binary.LittleEndian.Uint64(b[16:])),
		owner:       noOwner,
	}
	n, form, err := lengthOrForm(in)
	if err == nil && form {
		return held{}, corrupt("a string form where a length must stand")
	}
	h.count = n
	return h, err
}

const (
	errNoEntry = corrupt("a consumer has a pending entry that its group does not have")
	errNoOwner = corrupt("a pending entry belongs to no consumer")
)

// consumer reads a consumer up to its pending entries: name, time seen, and (from type 21 on) time active.
func (d *Decoder) consumer(in *input, code byte) (*Consumer, uint64, error) {
	c := &d.stream.consumer
	*c = Consumer{}
	name, err := d.string(in, &d.slots[0])
	if err != nil {
		return c, 0, err
	}
	d.keep(&d.slots[0], &name)
	c.Name, c.Oversize = d.named(name)
	b, err := in.next(8)
	if err != nil {
		return c, 0, err
	}
	c.SeenMs = int64(binary.LittleEndian.Uint64(b))
	if code == typeStream3 {
		if b, err = in.next(8); err != nil {
			return c, 0, err
		}
		c.ActiveMs, c.HasActive = int64(binary.LittleEndian.Uint64(b)), true
	}
	n, err := d.length(in)
	return c, n, err
}

// groupHeld joins the pending entries in p.block with the consumers that follow in the file, and delivers first the
// consumers in file order and then the entries in order of their ids.
func (d *Decoder) groupHeld(code byte) error {
	p := &d.stream.pel
	p.consumers, p.names = p.consumers[:0], p.names[:0]
	second := d.main.offset()
	owned, tooMany := 0, false
	err := d.eachConsumer(&d.main, code, func(c *Consumer, in *input, n uint64) error {
		if err := d.v.Consumer(c); err != nil {
			return err
		}
		if tooMany = tooMany || len(p.names)+len(c.Name) > maxConsumerNames; tooMany {
			return skipIDs(in, n)
		}
		if n > 0 { // otherwise its name is not needed any more
			p.remember(c)
		}
		for range n {
			id, err := rawID(in)
			if err != nil {
				return err
			}
			h, err := p.find(id)
			if err != nil || h == nil {
				return orCorrupt(err, string(errNoEntry))
			}
			h.owner = int32(len(p.consumers) - 1)
			owned++
		}
		return nil
	})
	switch {
	case err != nil:
		return err
	case tooMany:
		return d.deliverAgain(code, second)
	case owned != len(p.block):
		return errNoOwner
	}
	for i := range p.block {
		h := &p.block[i]
		if err := d.pending(h, &p.consumers[h.owner]); err != nil {
			return err
		}
	}
	return nil
}

// remember keeps a consumer until the entries are delivered.
func (p *pel) remember(c *Consumer) {
	start := len(p.names)
	p.names = append(p.names, c.Name...)
	p.consumers = append(p.consumers, Consumer{Name: p.names[start:len(p.names):len(p.names)], Oversize: c.Oversize})
}

// find looks an entry up that has no consumer yet; nil when it is not in the block.
func (p *pel) find(id StreamID) (*held, error) {
	i, ok := slices.BinarySearchFunc(p.block, id, func(h held, id StreamID) int { return h.id.compare(id) })
	if !ok {
		return nil, nil //nolint:nilnil // "not here" is no error of its own
	}
	if p.block[i].owner != noOwner {
		return nil, corrupt("a pending entry belongs to two consumers")
	}
	return &p.block[i], nil
}

func skipIDs(in *input, n uint64) error {
	for range n {
		if _, err := in.next(16); err != nil {
			return err
		}
	}
	return nil
}

// deliverAgain delivers the entries in p.block where the names of their consumers were too much to hold.
func (d *Decoder) deliverAgain(code byte, second int64) error {
	if d.cfg.Again == nil {
		return errNotSeekable()
	}
	p := &d.stream.pel
	for i := range p.block {
		p.block[i].owner = noOwner
	}
	return d.deliverBlock(d.reread(second, d.main.offset()), code)
}

func errNotSeekable() error {
	return &UnsupportedError{
		What: "a consumer group with more pending entries than are held at a time",
		Need: "decode from a file instead of a pipe",
	}
}

func (d *Decoder) pending(h *held, c *Consumer) error {
	d.stream.pending = Pending{
		ID: h.id, Consumer: c.Name, Oversize: c.Oversize, DeliveredMs: h.deliveredMs, Count: h.count,
	}
	return d.v.Pending(&d.stream.pending)
}

// groupTwice joins more pending entries than are held: the consumers are delivered while they are read, then blocks of
// pending entries, each in the order of consumers, by reading the consumers again. The cost grows with the square of
// the number of entries, over PendingHeld: a million entries are read four times.
func (d *Decoder) groupTwice(code byte, start int64, total uint64) error {
	if d.cfg.Again == nil {
		return errNotSeekable()
	}
	var last StreamID
	for i := range total {
		h, err := readHeld(&d.main)
		if err != nil {
			return err
		}
		if i > 0 && last.compare(h.id) >= 0 {
			return corrupt("the pending entries of a group are not in order")
		}
		last = h.id
	}
	second := d.main.offset()
	var ids uint64
	err := d.eachConsumer(&d.main, code, func(c *Consumer, in *input, n uint64) error {
		if err := d.v.Consumer(c); err != nil {
			return err
		}
		ids += n
		return skipIDs(in, n)
	})
	if err != nil {
		return err
	}
	if ids != total {
		return corrupt("a group and its consumers do not have the same number of pending entries")
	}
	end := d.main.offset()
	entries := d.reread(start, second)
	p := &d.stream.pel
	for left := total; left > 0; left -= uint64(len(p.block)) {
		n := min(left, uint64(d.cfg.PendingHeld))
		if err := p.readBlock(entries, int(n)); err != nil {
			return err
		}
		if err := d.deliverBlock(d.reread(second, end), code); err != nil {
			return err
		}
	}
	return nil
}

// reread reads bytes of the file once more.
func (d *Decoder) reread(from, to int64) *input {
	in := &input{buf: make([]byte, blobBuffer)}
	in.reset(io.NewSectionReader(d.cfg.Again, from, to-from), from)
	return in
}

// deliverBlock delivers the entries of p.block, walking over all consumers.
func (d *Decoder) deliverBlock(in *input, code byte) error {
	p := &d.stream.pel
	if len(p.block) == 0 {
		return nil
	}
	owned := 0
	err := d.eachConsumer(in, code, func(c *Consumer, in *input, n uint64) error {
		for range n {
			id, err := rawID(in)
			if err != nil {
				return err
			}
			if id.compare(p.block[0].id) < 0 || id.compare(p.block[len(p.block)-1].id) > 0 {
				continue
			}
			h, err := p.find(id)
			if err != nil || h == nil {
				return orCorrupt(err, string(errNoEntry))
			}
			h.owner = 0
			owned++
			if err := d.pending(h, c); err != nil {
				return err
			}
		}
		return nil
	})
	if err == nil && owned != len(p.block) {
		return errNoOwner
	}
	return err
}

// eachConsumer reads the consumers of a group; fn reads the n ids of each.
func (d *Decoder) eachConsumer(in *input, code byte, fn func(c *Consumer, in *input, n uint64) error) error {
	n, err := d.length(in)
	if err != nil {
		return err
	}
	for range n {
		c, ids, err := d.consumer(in, code)
		if err != nil {
			return err
		}
		if err := fn(c, in, ids); err != nil {
			return err
		}
	}
	return nil
}

func (id StreamID) compare(o StreamID) int {
	switch {
	case id.Ms < o.Ms || id.Ms == o.Ms && id.Seq < o.Seq:
		return -1
	case id == o:
		return 0
	}
	return 1
}
