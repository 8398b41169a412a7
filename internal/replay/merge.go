package replay

import (
	"bytes"
	"encoding/json"
	"fmt"
)

// Merger makes one sequence in the order of ids out of several inputs that are ordered each: the partitions of a topic.
//
// An input that has nothing to offer may still bring an early id; the order is certain up to the smallest of the last
// ids seen of such inputs. Events that go to every partition, heartbeats above all, move all inputs on. Repeats are
// dropped: an id of an input that is not above the last one of that input, and the same id from another input.
type Merger struct {
	inputs []mergeInput
	last   string // of what Next returned
}

type mergeInput struct {
	queue []mergeLine
	seen  string // id of the last line added
	done  bool
}

type mergeLine struct {
	id   string
	line []byte
}

// NewMerger returns a Merger of n inputs, numbered from 0.
func NewMerger(n int) *Merger { return &Merger{inputs: make([]mergeInput, n)} }

// Add queues a line of an input. The Merger keeps line.
func (m *Merger) Add(input int, line []byte) error {
	id, err := LineID(line)
	if err != nil {
		return err
	}
	in := &m.inputs[input]
	if id <= in.seen {
		return nil
	}
	in.seen = id
	in.queue = append(in.queue, mergeLine{id, line})
	return nil
}

// End says that the input will bring nothing more.
func (m *Merger) End(input int) { m.inputs[input].done = true }

// Next returns the line with the smallest id; ok is false as long as an input might still bring a smaller one, and
// when nothing is queued.
func (m *Merger) Next() (line []byte, ok bool) {
	for {
		best := -1
		for i := range m.inputs {
			in := &m.inputs[i]
			if len(in.queue) > 0 && (best < 0 || in.queue[0].id < m.inputs[best].queue[0].id) {
				best = i
			}
		}
		if best < 0 {
			return nil, false
		}
		head := m.inputs[best].queue[0]
		for i := range m.inputs {
			if in := &m.inputs[i]; len(in.queue) == 0 && !in.done && in.seen < head.id {
				return nil, false
			}
		}
		m.inputs[best].queue = m.inputs[best].queue[1:]
		if head.id > m.last {
			m.last = head.id
			return head.line, true
		}
	}
}

// Wanting is the input that Next waits for, or one that is to be read when nothing is queued; -1 when all have ended.
// Adding a line, or End, for just that input keeps no more than a line or so per input in memory.
func (m *Merger) Wanting() int {
	best := -1
	for i := range m.inputs {
		in := &m.inputs[i]
		if len(in.queue) == 0 && !in.done && (best < 0 || in.seen < m.inputs[best].seen) {
			best = i
		}
	}
	return best
}

// LineID is the id of an event, without reading the rest of it: the fields have a fixed order and v and id stand first.
func LineID(line []byte) (string, error) {
	if rest, ok := bytes.CutPrefix(line, []byte(`{"v":1,"id":"`)); ok {
		if id, _, ok := bytes.Cut(rest, []byte(`"`)); ok && len(id) > 0 && bytes.IndexByte(id, '\\') < 0 {
			return string(id), nil
		}
	}
	var e struct {
		ID string `json:"id"`
	}
	if err := json.Unmarshal(line, &e); err != nil {
		return "", fmt.Errorf("%w: %w", ErrEvent, err)
	}
	if e.ID == "" {
		return "", fmt.Errorf("%w: no id", ErrEvent)
	}
	return e.ID, nil
}
