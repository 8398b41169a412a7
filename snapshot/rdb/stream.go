package rdb

import (
	"encoding/binary"
	"strconv"
)

// streamState is what the decoder reuses from stream to stream.
type streamState struct {
	names    [][]byte // field names that a node holds once for its entries
	fields   [][]byte // of the entry being read
	arena    []byte   // bytes of names
	text     []byte   // bytes of fields that are not in the input
	entry    Entry
	size     int // bytes of fields
	info     StreamInfo
	group    Group
	consumer Consumer
	pending  Pending
	pel      pel
}

// streamValue reads types 15, 19 and 21: a count of nodes, each the id of its first entry (16 bytes, big endian) and a
// listpack; then the stream's numbers; then the groups.
func (d *Decoder) streamValue(code byte) error {
	if err := d.begin(); err != nil {
		return err
	}
	nodes, err := d.length(&d.main)
	if err != nil {
		return err
	}
	entries := uint64(0)
	for range nodes {
		n, err := d.streamNode()
		if err != nil {
			return err
		}
		entries += n
	}
	info := &d.stream.info
	*info = StreamInfo{Counters: code != typeStream}
	if info.Length, err = d.length(&d.main); err != nil {
		return err
	}
	if info.LastID, err = d.packedID(); err != nil {
		return err
	}
	if info.Counters {
		if info.FirstID, err = d.packedID(); err != nil {
			return err
		}
		if info.MaxDeleted, err = d.packedID(); err != nil {
			return err
		}
		if info.Added, err = d.length(&d.main); err != nil {
			return err
		}
	}
	if info.Length != entries {
		// The entries are what counts: servers have had bugs that let the number drift.
		if err := d.v.Skipped(SkipStreamLength); err != nil {
			return err
		}
	}
	if err := d.v.StreamInfo(info); err != nil {
		return err
	}
	return d.groups(code)
}

// packedID reads an id as two lengths.
func (d *Decoder) packedID() (id StreamID, err error) {
	if id.Ms, err = d.length(&d.main); err != nil {
		return id, err
	}
	id.Seq, err = d.length(&d.main)
	return id, err
}

// rawID reads an id as 16 bytes.
func rawID(in *input) (StreamID, error) {
	b, err := in.next(16)
	if err != nil {
		return StreamID{}, err
	}
	return StreamID{Ms: binary.BigEndian.Uint64(b), Seq: binary.BigEndian.Uint64(b[8:])}, nil
}

// Flags of an entry.
const (
	entryDeleted    = 1
	entrySameFields = 2
)

// streamNode reads a node and delivers its entries. Its listpack, from t_stream.c:
//
//	entries, deleted, number of names, names …, 0
//	per entry: flags, ms, seq (distances to the node's id),
//	           without the flag "same fields": number of fields, name, value …; with it: value …
//	           number of elements of the entry
func (d *Decoder) streamNode() (delivered uint64, err error) {
	key, err := d.string(&d.main, &d.slots[0])
	if err != nil {
		return 0, err
	}
	if len(key.b) != 16 {
		return 0, corrupt("the id of a stream node does not have 16 bytes")
	}
	first := StreamID{Ms: binary.BigEndian.Uint64(key.b), Seq: binary.BigEndian.Uint64(key.b[8:])}
	w, err := d.open(listpack)
	if err != nil {
		return 0, err
	}
	live, err := w.integer()
	if err != nil {
		return 0, err
	}
	deleted, err := w.integer()
	if err != nil {
		return 0, err
	}
	if live < 0 || deleted < 0 {
		return 0, corrupt("a stream node has a negative number of entries")
	}
	if err := d.streamNames(&w); err != nil {
		return 0, err
	}
	for range live + deleted {
		ok, err := d.streamEntry(&w, first)
		if err != nil {
			return 0, err
		}
		if ok {
			delivered++
		}
	}
	if delivered != uint64(live) {
		return 0, corrupt("a stream node does not hold as many entries as it says")
	}
	it, err := w.item()
	if err == nil && it.kind != itemEnd {
		return 0, corrupt("a stream node holds more than its entries")
	}
	return delivered, err
}

// streamNames reads the field names of a node.
func (d *Decoder) streamNames(w *walker) error {
	st := &d.stream
	st.names, st.arena = st.names[:0], st.arena[:0]
	n, err := w.integer()
	if err != nil {
		return err
	}
	for range n {
		name, err := w.more(&d.slots[0])
		if err != nil {
			return err
		}
		if name.over || len(st.arena)+len(name.b) > maxEntryNames {
			return &UnsupportedError{
				What: "a stream entry whose field names take more than can be held (1 MiB for one, 64 MiB for all)",
				Need: "store such data in values",
			}
		}
		// Growing moves the arena, but names that point into the old one stay as they are.
		start := len(st.arena)
		st.arena = append(st.arena, name.b...)
		st.names = append(st.names, st.arena[start:len(st.arena):len(st.arena)])
	}
	if end, err := w.integer(); err != nil || end != 0 {
		return orCorrupt(err, "the names of a stream node do not end with 0")
	}
	return nil
}

func orCorrupt(err error, what string) error {
	if err != nil {
		return err
	}
	return corrupt(what)
}

// streamEntry reads an entry and delivers it unless it is deleted.
func (d *Decoder) streamEntry(w *walker, first StreamID) (delivered bool, err error) {
	st := &d.stream
	flags, err := w.integer()
	if err != nil {
		return false, err
	}
	ms, err := w.integer()
	if err != nil {
		return false, err
	}
	seq, err := w.integer()
	if err != nil {
		return false, err
	}
	st.entry = Entry{ID: StreamID{Ms: first.Ms + uint64(ms), Seq: first.Seq + uint64(seq)}}
	st.fields, st.text, st.size = st.fields[:0], st.text[:0], 0
	if flags&entrySameFields != 0 {
		for _, name := range st.names {
			d.entryBytes(name)
			if err := d.entryItem(w); err != nil {
				return false, err
			}
		}
	} else {
		n, err := w.integer()
		if err != nil {
			return false, err
		}
		if n < 0 {
			return false, corrupt("a stream entry has a negative number of fields")
		}
		for range n {
			if err := d.entryItem(w); err != nil {
				return false, err
			}
			if err := d.entryItem(w); err != nil {
				return false, err
			}
		}
	}
	if _, err := w.integer(); err != nil {
		return false, err
	}
	st.entry.Fields, st.fields = st.fields, st.fields[:0]
	if flags&entryDeleted != 0 {
		d.over.open = false
		return false, nil
	}
	if d.over.open {
		return true, d.omit()
	}
	return true, d.v.Entry(&st.entry)
}

// entryItem reads a name or a value of an entry.
func (d *Decoder) entryItem(w *walker) error {
	st := &d.stream
	if w.in.fixed() {
		if b := w.short(); b != nil {
			d.entryBytes(b)
			return nil
		}
	}
	it, err := w.item()
	switch {
	case err != nil:
		return err
	case it.kind == itemEnd:
		return corrupt("a stream node ends inside an entry")
	case it.data.over: // the digest has it
	case it.kind == itemInt:
		d.entryBytes(st.own(strconv.AppendInt(d.slots[0].num[:0], it.n, 10)))
	case w.in.fixed() || d.over.open:
		d.entryBytes(it.data.b)
	default:
		d.entryBytes(st.own(it.data.b))
	}
	return nil
}

// own copies b to where it stays until the entry is delivered.
func (st *streamState) own(b []byte) []byte {
	start := len(st.text)
	st.text = append(st.text, b...)
	return st.text[start:len(st.text):len(st.text)]
}

// entryBytes adds a name or a value to the entry.
func (d *Decoder) entryBytes(b []byte) {
	st := &d.stream
	st.size += len(b)
	if !d.over.open && st.size <= d.cfg.MaxElement {
		st.fields = append(st.fields, b)
		return
	}
	st.giveUp(&d.over)
	d.over.write(b)
}

// giveUp stops holding the entry: what there is of it goes to a digest.
func (st *streamState) giveUp(g *digest) {
	for _, f := range st.fields {
		g.write(f)
	}
	st.fields = st.fields[:0]
}
