package replay

import (
	"cmp"
	"fmt"
	"slices"
	"strconv"
	"strings"
)

const (
	// fullBytes of a partition may wait for the others before it is not fetched any more.
	fullBytes = 4 << 20
	// cursorEvery so many events the cursor is told: it is as long as there are partitions.
	cursorEvery = 256
)

// Partitions makes the items of a [Feed] out of the records of a topic's partitions. It is the follower of the topic's
// reader: Begin comes first, then Add and End; one goroutine calls them.
//
// While it waits for new events, an idle partition holds the others back until a heartbeat comes, which goes to all of them.
type Partitions struct {
	topic string
	after Place
	from  map[int32]int64
	fn    func(Item) error

	m      *Merger
	limit  string
	inputs map[int32]int
	begun  []bool          // by input: a line has come
	gaps   map[string]bool // ids of first lines behind which something may be missing
	gap    bool            // the next line too: a partition is empty that once was not
	next   []int64         // by input: offset of the last line taken, -1 before
	names  []int32
	taken  int
}

// NewPartitions makes the Partitions of a topic. limit is an id up to which everything is stored in the topic, "" when
// that is not known: it counts for partitions that have ended.
func NewPartitions(topic string, after Place, limit string, fn func(Item) error) *Partitions {
	p := &Partitions{topic: topic, after: after, limit: limit, fn: fn, gaps: map[string]bool{}, inputs: map[int32]int{}}
	p.from = p.parse(after.Cursor)
	return p
}

// From is, by partition, the offset where to begin.
func (p *Partitions) From() map[int32]int64 { return p.from }

// Begin names the partitions.
func (p *Partitions) Begin(partitions []int32) {
	p.m = NewMerger(len(partitions))
	p.m.Limit(cmp.Or(p.limit, "0"))
	p.names = partitions
	p.begun = make([]bool, len(partitions))
	p.next = slices.Repeat([]int64{-1}, len(partitions))
	for i, name := range partitions {
		p.inputs[name] = i
		if at, ok := p.from[name]; ok {
			p.next[i] = at
		}
	}
}

// Full reports whether enough of a partition waits for the others.
func (p *Partitions) Full(partition int32) bool { return p.m.Queued(p.inputs[partition]) >= fullBytes }

// End says that a partition brings no more.
func (p *Partitions) End(partition int32) {
	i := p.inputs[partition]
	if !p.begun[i] && p.after.ID != "" {
		p.gap = true
	}
	p.m.End(i)
}

// Add takes a record.
func (p *Partitions) Add(partition int32, offset int64, line []byte) error {
	i, ok := p.inputs[partition]
	if !ok {
		return fmt.Errorf("%w: partition %d has been added to the topic", ErrGap, partition)
	}
	id, err := p.m.Put(i, line, offset)
	if err != nil {
		return fmt.Errorf("partition %d, offset %d: %w", partition, offset, err)
	}
	if !p.begun[i] {
		p.begun[i] = true
		if p.after.ID != "" && id > p.after.ID {
			p.gaps[id] = true
		}
	}
	return p.Drain()
}

// Drain gives out what is certain. Call it once more after the last End. It returns fn's error.
func (p *Partitions) Drain() error {
	for {
		next, ok := p.m.Take()
		if !ok {
			return nil
		}
		p.next[next.Input] = next.Offset
		it := Item{Line: next.Line}
		if next.ID > p.after.ID {
			it.Gap = p.gap || p.gaps[next.ID]
			p.gap = false
		}
		delete(p.gaps, next.ID)
		if p.taken++; p.taken%cursorEvery == 0 {
			it.Cursor = p.cursor()
		}
		if err := p.fn(it); err != nil {
			return err
		}
	}
}

// Left is how many bytes were read and not given out: events that are ahead of other partitions.
func (p *Partitions) Left() int { return p.m.Left() }

func (p *Partitions) cursor() string {
	var b strings.Builder
	b.WriteString("kafka " + p.topic)
	for i, offset := range p.next {
		if offset >= 0 {
			b.WriteString(" " + strconv.Itoa(int(p.names[i])) + ":" + strconv.FormatInt(offset, 10))
		}
	}
	return b.String()
}

// parse reads a cursor; one of another topic gives nothing.
func (p *Partitions) parse(cursor string) map[int32]int64 {
	from := map[int32]int64{}
	fields := strings.Fields(cursor)
	if len(fields) < 2 || fields[0] != "kafka" || fields[1] != p.topic {
		return from
	}
	for _, f := range fields[2:] {
		name, at, _ := strings.Cut(f, ":")
		n, err1 := strconv.ParseInt(name, 10, 32)
		offset, err2 := strconv.ParseInt(at, 10, 64)
		if err1 == nil && err2 == nil && offset >= 0 {
			from[int32(n)] = offset
		}
	}
	return from
}
