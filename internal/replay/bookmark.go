package replay

import (
	"crypto/rand"
	"fmt"
	"strconv"
	"strings"
)

// bookmarkKey is the hash in database 0 of the target that says what the target holds. Names that begin with it and a
// colon are reserved too.
const bookmarkKey = "keyfeed:replay"

const (
	bookmarkDB      = 0
	bookmarkVersion = "1"
)

// Place is what a target remembers.
type Place struct {
	Known  bool   // a replay has written to the target
	ID     string // of the last event that the target holds; "" = none
	Source string // name of the source of the events
	Cursor string // where to read on, in the words of the [Feed]; never behind ID
	// SnapshotOpen says that the snapshot which holds ID has not ended.
	SnapshotOpen bool
	Inexact      int64 // events that could not be replayed since the snapshot began
}

// bookmark writes the Place into the target, in the transaction of the events that it stands for. Its methods do nothing
// when it is nil.
//
// The key is watched from one transaction to the next, and holds a word that each run draws for itself: a run that begins
// makes the next transaction of an older one fail.
type bookmark struct {
	place   Place
	changed bool // since it was written
	writer  string
}

func newBookmark() *bookmark { return &bookmark{writer: rand.Text()} }

// check holds that e is of the source that the target is a copy of.
func (k *bookmark) check(e *Event) error {
	if k == nil {
		return nil
	}
	if k.place.Source == "" {
		k.place.Source = e.Source.Name
	}
	if e.Source.Name != k.place.Source {
		return fmt.Errorf("%w: it is a copy of source %q, and event %s is of source %q: a target takes one source",
			ErrTarget, k.place.Source, e.ID, e.Source.Name)
	}
	return nil
}

// isOurs reports whether an event is about a key of the replay: the source was itself the target of one.
func (k *bookmark) isOurs(e *Event) (bool, error) {
	if k == nil {
		return false, nil
	}
	key, ok, err := e.KeyBytes()
	if err != nil || ok && Reserved(string(key)) {
		return true, err
	}
	for _, name := range e.Keys {
		b, err := e.Bytes(name)
		if err != nil || Reserved(string(b)) {
			return true, err
		}
	}
	return false, nil
}

// Reserved reports whether a key of database 0 of a target belongs to the replay and not to the copy.
func Reserved(key string) bool {
	rest, ok := strings.CutPrefix(key, bookmarkKey)
	return ok && (rest == "" || rest[0] == ':')
}

// reach says that everything up to id is in the group.
func (k *bookmark) reach(id string) {
	if k != nil {
		k.place.ID, k.changed = id, true
	}
}

// reached is the last id that was; last where nothing is remembered.
func (k *bookmark) reached(last string) string {
	if k == nil {
		return last
	}
	return k.place.ID
}

func (k *bookmark) moved() bool { return k != nil && k.changed }

// write adds the bookmark to the end of a group. It writes every field: FLUSHALL and the like may have come before.
func (k *bookmark) write(b *batch, s *Stats) {
	if k == nil {
		return
	}
	open := "0"
	if s.SnapshotOpen {
		open = "1"
	}
	words := [][]byte{[]byte("HSET"), []byte(bookmarkKey)}
	for _, w := range []string{
		"v", bookmarkVersion, "id", k.place.ID, "source", k.place.Source, "cursor", k.place.Cursor,
		"snapshot_open", open, "inexact", strconv.FormatInt(s.Inexact, 10), "writer", k.writer,
	} {
		words = append(words, []byte(w))
	}
	b.add(s.LastID, bookmarkDB, words...)
}

func (k *bookmark) written() {
	if k != nil {
		k.changed = false
	}
}

// guard watches the key for the next group, and holds that it is still ours.
func (k *bookmark) guard(p *pipeline) error {
	if k == nil {
		return nil
	}
	if err := p.selectDB("", bookmarkDB); err != nil {
		return err
	}
	p.queue(waiting{origin: origin{"", "WATCH"}}, []byte("WATCH"), []byte(bookmarkKey))
	p.queue(waiting{origin: origin{"", "HGET"}, then: func(r *reply) error {
		if err := r.err(); err != nil {
			return fmt.Errorf("%w: reading %s: %w", ErrTarget, bookmarkKey, err)
		}
		if string(r.text) != k.writer {
			return fmt.Errorf("%w: %s was changed by somebody else", ErrFenced, bookmarkKey)
		}
		return nil
	}}, []byte("HGET"), []byte(bookmarkKey), []byte("writer"))
	return nil
}

// read asks the target for its Place and watches it.
func (k *bookmark) read(p *pipeline) (Place, error) {
	fields := map[string]string{}
	if err := p.selectDB("", bookmarkDB); err != nil {
		return Place{}, err
	}
	p.queue(waiting{origin: origin{"", "WATCH"}}, []byte("WATCH"), []byte(bookmarkKey))
	p.queue(waiting{origin: origin{"", "HGETALL"}, then: func(r *reply) error {
		if err := r.err(); err != nil {
			if state := stateError("HGETALL", err); state != nil {
				return state
			}
			return fmt.Errorf("%w: reading %s: %w", ErrTarget, bookmarkKey, err)
		}
		for i := 0; i+1 < len(r.elem); i += 2 {
			fields[string(r.elem[i].text)] = string(r.elem[i+1].text)
		}
		return nil
	}}, []byte("HGETALL"), []byte(bookmarkKey))
	if err := p.flush(); err != nil {
		return Place{}, err
	}
	if len(fields) == 0 {
		return Place{}, nil
	}
	inexact, err := strconv.ParseInt(fields["inexact"], 10, 64)
	if v := fields["v"]; v != bookmarkVersion || err != nil {
		return Place{}, fmt.Errorf("%w: %s is of version %q, which this keyfeed does not read", ErrTarget, bookmarkKey, v)
	}
	return Place{
		Known: true, ID: fields["id"], Source: fields["source"], Cursor: fields["cursor"],
		SnapshotOpen: fields["snapshot_open"] == "1", Inexact: inexact,
	}, nil
}

// Remembered asks the target what it holds; a zero Place when it remembers nothing. It changes nothing. Options.Bookmark
// must be set, and [Replayer.Claim] follows before the first event.
func (r *Replayer) Remembered() (Place, error) { return r.book.read(r.p) }

// Claim goes on from a Place, the one that the target remembers or an earlier one of no matter: events up to its ID are
// dropped. It ends every other replay into this target.
func (r *Replayer) Claim(p Place) error {
	r.book.place = p
	r.stats.LastID, r.stats.Inexact, r.stats.SnapshotOpen = p.ID, p.Inexact, p.SnapshotOpen
	r.book.changed = true
	return r.Commit()
}

// SetCursor says where to read on after the last event. It is written with the next group.
func (r *Replayer) SetCursor(cursor string) { r.book.place.Cursor = cursor }

// Forget removes what the target remembers.
func (r *Replayer) Forget() error {
	if err := r.p.selectDB("", bookmarkDB); err != nil {
		return err
	}
	if err := r.p.send("", nil, []byte("DEL"), []byte(bookmarkKey)); err != nil {
		return err
	}
	return r.p.flush()
}

// forgetBeforeSwap removes the bookmark before a SWAPDB takes it to another database; it comes back with the group.
func (r *Replayer) forgetBeforeSwap(id string) {
	if r.book == nil {
		return
	}
	db := r.db
	r.db = bookmarkDB
	r.send(id, []byte("DEL"), []byte(bookmarkKey))
	r.db = db
}
