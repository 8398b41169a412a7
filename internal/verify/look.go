package verify

import (
	"errors"
	"fmt"
	"slices"
	"strconv"
)

// kinds that are compared by element; every other one, modules among them, is compared by DUMP.
const (
	kindNone   = "none"
	kindString = "string"
	kindList   = "list"
	kindSet    = "set"
	kindHash   = "hash"
	kindZset   = "zset"
	kindStream = "stream"
)

// look is what one side tells of a key before its value is read.
type look struct {
	kind     string
	deadline int64 // Unix ms, -1 none
	size     int64 // bytes of a string, elements of a list, set, hash, zset
	bytes    int64 // memory that it takes on the source, 0 not known
	plain    bool  // of a hash: no field can have a deadline
	changed  bool  // the key became something else since its type was asked
	sum      digest
}

// tolerant is then for a command on a key whose type is known: where the key has changed or gone since, it sets flag.
func tolerant(flag *bool, then func(*reader) error) func(*reader) error {
	return func(r *reader) error {
		err := then(r)
		if isChanged(err) {
			*flag = true
			return nil
		}
		return err
	}
}

func isChanged(err error) bool {
	e, ok := errors.AsType[*replyError](err)
	return ok && (e.code() == "WRONGTYPE" || e.code() == "NOGROUP" || e.text == "ERR no such key")
}

// first asks for type and deadline of all keys, and for the clock before and after.
func (d *side) first(ref []ref, looks []look) (now, end int64, err error) {
	d.data.use(ref[0].db)
	d.data.do(timeInto(&now), "TIME")
	for i := range ref {
		l := &looks[i]
		d.data.do(func(r *reader) (err error) {
			l.kind, err = r.text()
			return err
		}, "TYPE", ref[i].key)
		d.data.do(d.deadlineReader(l, &now), d.deadlineCommand(), ref[i].key)
	}
	d.data.do(timeInto(&end), "TIME")
	err = d.data.flush()
	return now, end, err
}

func timeInto(ms *int64) func(*reader) error {
	return func(r *reader) (err error) {
		*ms, err = readTime(r)
		return err
	}
}

func (d *side) deadlineCommand() string {
	if d.exactTTL {
		return "PEXPIRETIME"
	}
	return "PTTL"
}

func (d *side) deadlineReader(l *look, now *int64) func(*reader) error {
	return func(r *reader) error {
		n, err := r.integer()
		if err != nil {
			return err
		}
		switch {
		case n == -2: // gone since TYPE was answered
			l.kind = kindNone
		case n >= 0 && !d.exactTTL:
			n += *now
		}
		l.deadline = n
		return nil
	}
}

// readTime reads the answer to TIME as Unix ms.
func readTime(r *reader) (int64, error) {
	if err := r.arrayOf(2); err != nil {
		return 0, err
	}
	var parts [2]int64
	for i := range parts {
		text, err := r.text()
		if err != nil {
			return 0, err
		}
		if parts[i], err = strconv.ParseInt(text, 10, 64); err != nil {
			return 0, fmt.Errorf("reading a reply: %w: a time", errProtocol)
		}
	}
	return parts[0]*1000 + parts[1]/1000, nil
}

// sizes asks for what decides how the keys of which are read.
func (d *side) sizes(refs []ref, looks []look, which []int) error {
	for _, i := range which {
		l, key := &looks[i], refs[i].key
		count := sizeCommand(l.kind)
		if count == "" {
			continue
		}
		d.data.do(tolerant(&l.changed, func(r *reader) (err error) {
			l.size, err = r.integer()
			return err
		}), count, key)
		if l.kind == kindHash {
			d.askPlain(l, key)
		}
		if d.memory && d.name == sourceName && l.kind != kindString {
			d.data.do(func(r *reader) error {
				text, ok, err := r.scalar()
				if err == nil && ok {
					l.bytes, err = strconv.ParseInt(text, 10, 64)
				}
				return err
			}, "MEMORY", "USAGE", key)
		}
	}
	return d.data.flush()
}

// sizeCommand is the command that tells the size of a key, "" for kinds that are read without it.
func sizeCommand(kind string) string {
	switch kind {
	case kindString:
		return "STRLEN"
	case kindList:
		return "LLEN"
	case kindHash:
		return "HLEN"
	case kindSet:
		return "SCARD"
	case kindZset:
		return "ZCARD"
	}
	return ""
}

// askPlain finds out by its encoding whether a hash can have fields that expire: both servers that know such fields
// store them in an encoding of their own, or in a table.
func (d *side) askPlain(l *look, key string) {
	if !d.fieldTTL {
		l.plain = true
		return
	}
	d.data.do(tolerant(&l.changed, func(r *reader) error {
		encoding, _, err := r.scalar()
		l.plain = slices.Contains([]string{"listpack", "ziplist", "zipmap"}, encoding)
		return err
	}), "OBJECT", "ENCODING", key)
}
