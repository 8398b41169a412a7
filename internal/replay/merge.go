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
	limit  string // "" = none
}

type mergeInput struct {
	queue []Merged
	bytes int
	seen  string // id of the last line added
	done  bool
}

// Merged is a line with where it came from.
type Merged struct {
	ID     string
	Line   []byte
	Input  int
	Offset int64 // in the input, as it was given
}

// NewMerger returns a Merger of n inputs, numbered from 0.
func NewMerger(n int) *Merger { return &Merger{inputs: make([]mergeInput, n)} }

// Add is Put for inputs without offsets.
func (m *Merger) Add(input int, line []byte) error {
	_, err := m.Put(input, line, 0)
	return err
}

// Put queues a line of an input and returns its id. The Merger keeps line.
func (m *Merger) Put(input int, line []byte, offset int64) (id string, err error) {
	if id, err = LineID(line); err != nil {
		return "", err
	}
	in := &m.inputs[input]
	if id <= in.seen {
		return id, nil
	}
	in.seen = id
	in.queue = append(in.queue, Merged{id, line, input, offset})
	in.bytes += len(line)
	return id, nil
}

// Queued is how many bytes of an input wait for the others.
func (m *Merger) Queued(input int) int { return m.inputs[input].bytes }

// End says that the input will bring nothing more.
func (m *Merger) End(input int) { m.inputs[input].done = true }

// Next is Take without where the line came from.
func (m *Merger) Next() (line []byte, ok bool) {
	next, ok := m.Take()
	return next.Line, ok
}

// Take returns the line with the smallest id; ok is false as long as an input might still bring a smaller one, and
// when nothing is queued.
func (m *Merger) Take() (next Merged, ok bool) {
	for {
		best := -1
		for i := range m.inputs {
			in := &m.inputs[i]
			if len(in.queue) > 0 && (best < 0 || in.queue[0].ID < m.inputs[best].queue[0].ID) {
				best = i
			}
		}
		if best < 0 {
			return Merged{}, false
		}
		head := m.inputs[best].queue[0]
		for i := range m.inputs {
			if in := &m.inputs[i]; !m.certain(in, head.ID) {
				return Merged{}, false
			}
		}
		from := &m.inputs[best]
		from.queue[0].Line = nil // the array lives on
		from.queue = from.queue[1:]
		from.bytes -= len(head.Line)
		if head.ID > m.last {
			m.last = head.ID
			return head, true
		}
	}
}

// certain reports whether an input will bring nothing before id.
func (m *Merger) certain(in *mergeInput, id string) bool {
	return len(in.queue) > 0 || in.seen >= id || in.done && (m.limit == "" || id <= m.limit)
}

// Limit says that an ended input has brought all there is up to id only: later lines come out as far as the last ids of all
// inputs make the order certain. It holds for inputs that were cut off while somebody writes to them.
func (m *Merger) Limit(id string) { m.limit = id }

// Left is how many bytes are queued.
func (m *Merger) Left() int {
	n := 0
	for i := range m.inputs {
		n += m.inputs[i].bytes
	}
	return n
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
