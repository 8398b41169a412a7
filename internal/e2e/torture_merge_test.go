//go:build e2e

package e2e

import (
	"bufio"
	"bytes"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"io"
	"os"
	"strings"
)

// merged is one event of a sink as the check sees it: what id and position say, and a hash of the rest.
type merged struct {
	offset    int64
	content   content
	seq, n    int32
	txnAt     int64 // offset in the id of its transaction, 0 without one
	txnSeq    int32
	txnSize   int32
	txnLast   bool
	broadcast bool
}

// wire are the fields of an event that the check reads.
type wire struct {
	ID     string  `json:"id"`
	Op     string  `json:"op"`
	Kind   string  `json:"kind"`
	DB     *int    `json:"db"`
	Key    *string `json:"key"`
	KeyEnc string  `json:"key_enc"`
	Cmd    string  `json:"cmd"`
	Prev   string  `json:"prev"`
	Reason string  `json:"reason"`
	Events int64   `json:"events"`
	Txn    *struct {
		ID   string `json:"id"`
		Seq  int32  `json:"seq"`
		Size int32  `json:"size"`
		Last bool   `json:"last"`
	} `json:"txn"`
	Source struct {
		Gen    int64 `json:"gen"`
		Offset int64 `json:"offset"`
		Seq    int32 `json:"seq"`
		N      int32 `json:"n"`
	} `json:"source"`
}

// outside says that an event has no place in the order and may come more than once.
func (w *wire) outside() bool { return w.Op == "m" && (w.Kind == "heartbeat" || w.Kind == "history") }

// broadcast says that an event goes to every partition.
func (w *wire) broadcast() bool {
	return w.Op == "t" || w.Op == "m" && w.Kind != "unknown" && w.Kind != "publish"
}

func (w *wire) compact() (merged, error) {
	m := merged{offset: w.Source.Offset, seq: w.Source.Seq, n: w.Source.N, broadcast: w.broadcast()}
	if want := fmt.Sprintf("%010d:%020d:%010d", w.Source.Gen, m.offset, m.seq); w.ID != want {
		return m, fmt.Errorf("id %s, but its source says %s", w.ID, want)
	}
	db := noDB
	if w.DB != nil {
		db = *w.DB
	}
	var key []byte
	if w.Key != nil {
		key = []byte(*w.Key)
		if w.KeyEnc != "" {
			var err error
			if key, err = base64.StdEncoding.DecodeString(*w.Key); err != nil {
				return m, fmt.Errorf("%s: key: %w", w.ID, err)
			}
		}
	}
	m.content = contentOf(w.Cmd, db, key)
	if t := w.Txn; t != nil {
		var gen int64
		if _, err := fmt.Sscanf(t.ID, "%d:%d", &gen, &m.txnAt); err != nil || gen != w.Source.Gen {
			return m, fmt.Errorf("%s: transaction %q: %w", w.ID, t.ID, err)
		}
		m.txnSeq, m.txnSize, m.txnLast = t.Seq, t.Size, t.Last
	}
	return m, nil
}

// input is one partition, read from its file.
type input struct {
	file *os.File
	in   *bufio.Reader
	head wire
	line []byte
	done bool
	last string // highest id taken
}

// merger gives out the events of all partitions once each in the order of ids, and counts what breaks the promise:
// an id that comes twice, or behind a later one.
type merger struct {
	inputs []*input
	keys   map[string]int // partition of each key
	late   map[string]int // ids that came behind a later one of their partition: how often

	events, ids, outside, duplicated, misplaced int64
	problems                                    problems
}

func newMerger(files []string) (*merger, error) {
	m := &merger{keys: map[string]int{}, late: map[string]int{}}
	for _, name := range files {
		f, err := os.Open(name)
		if err != nil {
			return nil, err
		}
		m.inputs = append(m.inputs, &input{file: f, in: bufio.NewReaderSize(f, 1<<20)})
	}
	for i := range m.inputs {
		if err := m.advance(i); err != nil {
			return nil, err
		}
	}
	return m, nil
}

func (m *merger) close() {
	for _, in := range m.inputs {
		in.file.Close()
	}
}

// advance reads the next event of a partition that stands in the order.
func (m *merger) advance(i int) error {
	in := m.inputs[i]
	for {
		text, err := in.in.ReadBytes('\n')
		if err == io.EOF {
			in.done = true
			return nil
		}
		if err != nil {
			return err
		}
		m.events++
		in.line = bytes.TrimSuffix(text, []byte("\n"))
		in.head = wire{}
		if err := json.Unmarshal(withoutData(in.line), &in.head); err != nil {
			return fmt.Errorf("partition %d: %w: %.200q", i, err, in.line)
		}
		id := in.head.ID
		switch {
		case in.head.outside():
			m.outside++
		case id <= in.last:
			if m.late[id]++; len(m.late) <= 5 {
				m.problems.add("partition %d: %s comes behind %s", i, id, in.last)
			}
		default:
			in.last = id
			m.place(i, &in.head)
			return nil
		}
	}
}

// withoutData is an event without the fields between args or value and txn or ts_ms, most of its bytes. Inside a string
// no quote stands without a backslash, and no value of a hash is an object, so the names are found where they are fields.
func withoutData(line []byte) []byte {
	from := len(line)
	for _, name := range []string{`,"args":[`, `,"value":`} {
		if i := bytes.Index(line, []byte(name)); i >= 0 {
			from = min(from, i)
		}
	}
	to := bytes.LastIndex(line, []byte(`,"txn":{`))
	if to < 0 {
		to = bytes.LastIndex(line, []byte(`,"ts_ms":`))
	}
	if from >= to {
		return line
	}
	return append(line[:from:from], line[to:]...)
}

// place holds that a key is in one partition only.
func (m *merger) place(i int, w *wire) {
	if w.Key == nil || len(m.inputs) == 1 {
		return
	}
	key := *w.Key
	if at, ok := m.keys[key]; !ok {
		m.keys[key] = i
	} else if at != i {
		m.misplaced++
		m.problems.add("%s: its key %.60q is in partitions %d and %d", w.ID, key, at, i)
	}
}

// next returns the event with the smallest id; ok is false at the end.
func (m *merger) next() (w wire, ok bool, err error) {
	var id string
	for _, in := range m.inputs {
		if !in.done && (id == "" || in.head.ID < id) {
			id = in.head.ID
		}
	}
	if id == "" {
		return w, false, nil
	}
	copies := 0
	for i, in := range m.inputs {
		if in.done || in.head.ID != id {
			continue
		}
		copies++
		w = in.head
		if err := m.advance(i); err != nil {
			return w, false, err
		}
	}
	m.ids++
	switch {
	case w.broadcast() && copies < len(m.inputs):
		m.problems.add("%s (%s %s) is in %d of %d partitions", id, w.Op, w.Kind, copies, len(m.inputs))
	case !w.broadcast() && copies > 1:
		m.duplicated += int64(copies - 1)
		m.problems.add("%s is in %d partitions", id, copies)
	}
	return w, true, nil
}

// sortLate tells, at the end, of the events that came late those that had come before from those that had not.
func (m *merger) sortLate() (reordered int64, err error) {
	if len(m.late) == 0 {
		return 0, nil
	}
	times := map[string]int{}
	for _, in := range m.inputs {
		if _, err := in.file.Seek(0, io.SeekStart); err != nil {
			return 0, err
		}
		in.in.Reset(in.file)
		for {
			text, err := in.in.ReadBytes('\n')
			if err == io.EOF {
				break
			}
			if err != nil {
				return 0, err
			}
			var w wire
			if err := json.Unmarshal(text, &w); err != nil {
				return 0, err
			}
			if _, late := m.late[w.ID]; late {
				times[w.ID]++
			}
		}
	}
	for id, late := range m.late {
		// Broadcasts stand in every partition; a late one is late in its own.
		if times[id] > late {
			m.duplicated += int64(late)
		} else {
			m.duplicated += int64(late - 1)
			reordered++
		}
	}
	return reordered, nil
}

// problems are texts for people, the first of them.
type problems struct {
	list []string
	more int
}

func (p *problems) add(format string, args ...any) {
	if len(p.list) >= 12 {
		p.more++
		return
	}
	p.list = append(p.list, fmt.Sprintf(format, args...))
}

func (p *problems) String() string {
	if p.more > 0 {
		return strings.Join(p.list, "\n") + fmt.Sprintf("\n… and %d more", p.more)
	}
	return strings.Join(p.list, "\n")
}
