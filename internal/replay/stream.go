package replay

import (
	"encoding/json"
	"fmt"
	"strconv"
)

// streamValue is the value of a snapshot event of type stream, or of a part of it.
type streamValue struct {
	Entries      []streamEntry `json:"entries"`
	LastID       string        `json:"last_id"`
	MaxDeletedID string        `json:"max_deleted_id"`
	EntriesAdded *int64        `json:"entries_added"`
	Groups       []streamGroup `json:"groups"`
}

type streamEntry struct {
	id     string
	fields []string // field, value, field, value
}

// UnmarshalJSON reads ["1-0",["f","v"]].
func (s *streamEntry) UnmarshalJSON(b []byte) error { return tuple(b, &s.id, &s.fields) }

type streamGroup struct {
	Name        string           `json:"name"`
	LastID      string           `json:"last_id"`
	EntriesRead *int64           `json:"entries_read"`
	Consumers   []streamConsumer `json:"consumers"`
	Pending     []streamPending  `json:"pending"`
}

type streamConsumer struct {
	Name string `json:"name"`
}

type streamPending struct {
	id, consumer string
	deliveredMs  int64
	count        int64
}

// UnmarshalJSON reads ["4-0","c",1795311159408,1].
func (s *streamPending) UnmarshalJSON(b []byte) error {
	return tuple(b, &s.id, &s.consumer, &s.deliveredMs, &s.count)
}

// tuple reads a JSON array of a fixed length.
func tuple(b []byte, to ...any) error {
	var raw []json.RawMessage
	if err := json.Unmarshal(b, &raw); err != nil {
		return err
	}
	if len(raw) != len(to) {
		return fmt.Errorf("array of %d elements, want %d", len(raw), len(to))
	}
	for i := range to {
		if err := json.Unmarshal(raw[i], to[i]); err != nil {
			return err
		}
	}
	return nil
}

// streamState is what a stream needs after its last part.
type streamState struct {
	lastID, maxDeletedID string
	entriesAdded         *int64
	empty                bool            // no entry has come
	groups               map[string]bool // groups made, by their encoded names
	missing              []pendingEntry  // pending entries that XCLAIM did not make
}

// pendingEntry is a pending entry with decoded names.
type pendingEntry struct {
	group, consumer    []byte
	id                 string
	deliveredMs, count int64
}

func (r *Replayer) writeStream(e *Event, key []byte, part Part) error {
	var v streamValue
	if err := unmarshal(e.Value, &v); err != nil {
		return err
	}
	st := &r.value.stream
	if part.I == 0 {
		*st = streamState{groups: map[string]bool{}, empty: true}
	}
	if err := r.direct(e.ID, *e.DB); err != nil {
		return err
	}
	for _, entry := range v.Entries {
		argv := [][]byte{[]byte("XADD"), key, []byte(entry.id)}
		for _, f := range entry.fields {
			b, err := e.Bytes(f)
			if err != nil {
				return err
			}
			argv = append(argv, b)
		}
		if err := r.p.send(e.ID, nil, argv...); err != nil {
			return err
		}
		st.empty = false
	}
	if v.LastID != "" {
		st.lastID, st.maxDeletedID, st.entriesAdded = v.LastID, v.MaxDeletedID, v.EntriesAdded
	}
	for i := range v.Groups {
		if err := r.writeGroup(e, key, &v.Groups[i]); err != nil {
			return err
		}
	}
	if !part.Last {
		return nil
	}
	if err := r.makeEmptyStream(e.ID, key); err != nil {
		return err
	}
	if err := r.p.flush(); err != nil { // the answers to XCLAIM say what is missing
		return err
	}
	if len(st.missing) > 0 {
		r.stats.Rebuilt++
		return r.rebuild(e.ID, key)
	}
	return r.setScalars(e.ID, key)
}

// makeEmptyStream makes the key of a stream without entries exist, by a group that is made and destroyed.
func (r *Replayer) makeEmptyStream(id string, key []byte) error {
	if !r.value.stream.empty || len(r.value.stream.groups) > 0 {
		return nil
	}
	if err := r.p.send(id, nil, []byte("XGROUP"), []byte("CREATE"), key, []byte("g"), []byte("0"), []byte("MKSTREAM")); err != nil {
		return err
	}
	return r.p.send(id, nil, []byte("XGROUP"), []byte("DESTROY"), key, []byte("g"))
}

// setScalars is the last step: XDEL and XADD change them.
func (r *Replayer) setScalars(id string, key []byte) error {
	st := &r.value.stream
	if st.lastID == "" {
		return nil
	}
	argv := [][]byte{[]byte("XSETID"), key, []byte(st.lastID)}
	if st.entriesAdded != nil { // both are absent from servers before 7.0, which do not take them either
		argv = append(argv, []byte("ENTRIESADDED"), strconv.AppendInt(nil, *st.entriesAdded, 10))
		if st.maxDeletedID != "" {
			argv = append(argv, []byte("MAXDELETEDID"), []byte(st.maxDeletedID))
		}
	}
	return r.p.send(id, nil, argv...)
}

func (r *Replayer) writeGroup(e *Event, key []byte, g *streamGroup) error {
	name, err := e.Bytes(g.Name)
	if err != nil {
		return err
	}
	st := &r.value.stream
	if !st.groups[g.Name] { // a group too big for one part comes again by name
		st.groups[g.Name] = true
		argv := [][]byte{[]byte("XGROUP"), []byte("CREATE"), key, name, []byte(g.LastID), []byte("MKSTREAM")}
		if g.EntriesRead != nil {
			argv = append(argv, []byte("ENTRIESREAD"), strconv.AppendInt(nil, *g.EntriesRead, 10))
		}
		if err := r.p.send(e.ID, nil, argv...); err != nil {
			return err
		}
	}
	for _, c := range g.Consumers {
		consumer, err := e.Bytes(c.Name)
		if err != nil {
			return err
		}
		if err := r.p.send(e.ID, nil, []byte("XGROUP"), []byte("CREATECONSUMER"), key, name, consumer); err != nil {
			return err
		}
	}
	for _, p := range g.Pending {
		consumer, err := e.Bytes(p.consumer)
		if err != nil {
			return err
		}
		pe := pendingEntry{group: name, consumer: consumer, id: p.id, deliveredMs: p.deliveredMs, count: p.count}
		if err := r.claim(e.ID, key, pe, func() { st.missing = append(st.missing, pe) }); err != nil {
			return err
		}
	}
	return nil
}

// claim makes a pending entry; missing is called when the server did not make it because its entry is gone.
func (r *Replayer) claim(id string, key []byte, p pendingEntry, missing func()) error {
	then := func(rep *reply) error {
		if err := rep.err(); err != nil {
			return r.p.refused(id, "XCLAIM", err)
		}
		if len(rep.elem) == 0 {
			missing()
		}
		return nil
	}
	return r.p.send(
		id, then, []byte("XCLAIM"), key, p.group, p.consumer, []byte("0"), []byte(p.id),
		[]byte("TIME"), strconv.AppendInt(nil, p.deliveredMs, 10),
		[]byte("RETRYCOUNT"), strconv.AppendInt(nil, p.count, 10), []byte("FORCE"), []byte("JUSTID"),
	)
}
