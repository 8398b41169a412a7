package replay

import (
	"bytes"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"
)

// valueState is the value of which parts have come and the last one has not.
type valueState struct {
	open  bool
	began string // id of part 0
	db    int
	key   string
	next  int64 // number of the part that must come
	// stream collects what a stream needs after its last part.
	stream streamState
}

// continues reports whether e is the part that must come next. A new generation may come at any time.
func (v *valueState) continues(e *Event) bool {
	if beginsGeneration(e) {
		return true
	}
	key, ok, err := e.KeyBytes()
	return err == nil && ok && e.Op == "r" && e.Part != nil && e.Part.I == v.next && e.DB != nil && *e.DB == v.db && string(key) == v.key
}

// read applies a snapshot event.
func (r *Replayer) read(e *Event) error {
	key, ok, err := e.KeyBytes()
	if err != nil {
		return err
	}
	if !ok || e.DB == nil || e.Value == nil {
		return fmt.Errorf("%w: %s: a snapshot event without key, db or value", ErrEvent, e.ID)
	}
	r.db = *e.DB
	part := Part{Last: true}
	if e.Part != nil {
		part = *e.Part
	}
	if part.I == 0 {
		r.value = valueState{open: true, began: e.ID, db: *e.DB, key: string(key)}
		r.send(e.ID, []byte("DEL"), key)
	} else if !r.value.open {
		return fmt.Errorf("%w: %s is part %d and part 0 has not come", ErrParts, e.ID, part.I)
	}
	r.value.next = part.I + 1
	if err := r.write(e, key, part); err != nil {
		return fmt.Errorf("%s: %w", e.ID, err)
	}
	if !part.Last {
		return nil
	}
	r.value.open = false
	if e.ExpireAtMs == nil {
		return nil
	}
	r.send(e.ID, []byte("PEXPIREAT"), key, strconv.AppendInt(nil, r.raise(*e.ExpireAtMs), 10))
	return nil
}

// write sends the value of one event.
func (r *Replayer) write(e *Event, key []byte, part Part) error {
	switch e.Type {
	case "string":
		return r.writeString(e, key, part)
	case "list":
		return r.writeElements(e, "RPUSH", key)
	case "set":
		return r.writeElements(e, "SADD", key)
	case "hash":
		return r.writeHash(e, key)
	case "zset":
		return r.writePairs(e, "ZADD", key, 1)
	case "array":
		return r.writePairs(e, "ARMSET", key, 0)
	case "stream":
		return r.writeStream(e, key, part)
	}
	return r.writeDump(e, key)
}

func (r *Replayer) writeString(e *Event, key []byte, part Part) error {
	var text string
	if err := unmarshal(e.Value, &text); err != nil {
		return err
	}
	value, err := e.Bytes(text)
	if err != nil {
		return err
	}
	cmd := "SET"
	if part.I > 0 {
		cmd = "APPEND"
	}
	r.send(e.ID, []byte(cmd), key, value)
	return nil
}

func (r *Replayer) writeElements(e *Event, cmd string, key []byte) error {
	var elements []string
	if err := unmarshal(e.Value, &elements); err != nil {
		return err
	}
	if len(elements) == 0 {
		return nil
	}
	argv := make([][]byte, 2, len(elements)+2)
	argv[0], argv[1] = []byte(cmd), key
	for _, s := range elements {
		b, err := e.Bytes(s)
		if err != nil {
			return err
		}
		argv = append(argv, b)
	}
	r.send(e.ID, argv...)
	return nil
}

// writeHash keeps the order of the fields, which encoding/json's maps would lose.
func (r *Replayer) writeHash(e *Event, key []byte) error {
	argv := [][]byte{[]byte("HSET"), key}
	d := json.NewDecoder(bytes.NewReader(e.Value))
	if tok, err := d.Token(); err != nil || tok != json.Delim('{') {
		return fmt.Errorf("%w: a hash that is no object", ErrEvent)
	}
	for {
		tok, err := d.Token()
		if err != nil {
			return fmt.Errorf("%w: %w", ErrEvent, err)
		}
		if tok == json.Delim('}') {
			break
		}
		text, ok := tok.(string)
		if !ok {
			return fmt.Errorf("%w: a hash with something else than strings", ErrEvent)
		}
		b, err := e.Bytes(text)
		if err != nil {
			return err
		}
		argv = append(argv, b)
	}
	if len(argv) > 2 {
		r.send(e.ID, argv...)
	}
	return r.expireFields(e, key)
}

// expireFields sends one HPEXPIREAT for each distinct deadline.
func (r *Replayer) expireFields(e *Event, key []byte) error {
	byDeadline := map[int64][][]byte{}
	for field, ms := range e.FieldExpireMs {
		b, err := e.Bytes(field)
		if err != nil {
			return err
		}
		ms = r.raise(ms)
		byDeadline[ms] = append(byDeadline[ms], b)
	}
	for _, ms := range slices.Sorted(maps.Keys(byDeadline)) {
		fields := byDeadline[ms]
		slices.SortFunc(fields, bytes.Compare)
		argv := [][]byte{
			[]byte("HPEXPIREAT"), key, strconv.AppendInt(nil, ms, 10),
			[]byte("FIELDS"), strconv.AppendInt(nil, int64(len(fields)), 10),
		}
		r.send(e.ID, append(argv, fields...)...)
	}
	return nil
}

// writePairs sends arrays of two strings, the one at first before the other. Only the member of a zset and the value of
// an array are byte strings; scores and indexes are plain.
func (r *Replayer) writePairs(e *Event, cmd string, key []byte, first int) error {
	var pairs [][2]string
	if err := unmarshal(e.Value, &pairs); err != nil {
		return err
	}
	if len(pairs) == 0 {
		return nil
	}
	member := 1 - first
	argv := make([][]byte, 2, 2*len(pairs)+2)
	argv[0], argv[1] = []byte(cmd), key
	minusZero := false
	for _, p := range pairs {
		b, err := e.Bytes(p[member])
		if err != nil {
			return err
		}
		argv = append(argv, []byte(p[first]), b)
		minusZero = minusZero || cmd == "ZADD" && p[first] == "-0"
	}
	if !minusZero {
		r.send(e.ID, argv...)
		return nil
	}
	// A score of -0 shows that the source has a skiplist: the listpack of a small sorted set turns it into 0. A member
	// too long for a listpack makes the target have a skiplist too; there is no way back to a listpack.
	long := []byte("keyfeed:replay:" + strings.Repeat("x", 1024))
	r.send(e.ID, []byte("ZADD"), key, []byte("0"), long)
	r.send(e.ID, argv...)
	r.send(e.ID, []byte("ZREM"), key, long)
	return nil
}

func (r *Replayer) writeDump(e *Event, key []byte) error {
	var v struct {
		Dump *string `json:"dump"`
	}
	if err := unmarshal(e.Value, &v); err != nil {
		return err
	}
	if v.Dump == nil {
		return fmt.Errorf("%w: type %q without a dump", ErrEvent, e.Type)
	}
	dump, err := base64.StdEncoding.DecodeString(*v.Dump)
	if err != nil {
		return fmt.Errorf("%w: dump: %w", ErrEvent, err)
	}
	r.send(e.ID, []byte("RESTORE"), key, []byte("0"), dump, []byte("REPLACE"))
	return nil
}

func unmarshal(b []byte, to any) error {
	if err := json.Unmarshal(b, to); err != nil {
		return fmt.Errorf("%w: value: %w", ErrEvent, err)
	}
	return nil
}
