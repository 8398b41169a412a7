package snapshot

import (
	"bytes"
	"context"
	"errors"
	"io"
	"io/fs"
	"maps"
	"testing"
)

// crashable is a directory that forgets in a power cut what was not synced. Entries change in order, and what was not
// followed by sync may be lost from some change on; of a file, what was not followed by Sync from some byte on.
type crashable struct {
	entries, durable map[string]*crashFile
	changes          []func(map[string]*crashFile) // since the last sync
	left             int                           // calls that still take place; then all fail, as nothing runs any more
}

type crashFile struct {
	d      *crashable
	data   []byte
	synced int
}

var errPowerCut = errors.New("power cut")

func (d *crashable) step() error {
	if d.left == 0 {
		return errPowerCut
	}
	d.left--
	return nil
}

func (d *crashable) change(f func(map[string]*crashFile)) error {
	if err := d.step(); err != nil {
		return err
	}
	f(d.entries)
	d.changes = append(d.changes, f)
	return nil
}

func (d *crashable) create(name string) (file, error) {
	f := &crashFile{d: d}
	return f, d.change(func(m map[string]*crashFile) { m[name] = f })
}

func (d *crashable) open(name string) (file, error) {
	f := d.entries[name]
	if f == nil {
		return nil, fs.ErrNotExist
	}
	return f, nil
}

func (d *crashable) rename(from, to string) error {
	return d.change(func(m map[string]*crashFile) { m[to] = m[from]; delete(m, from) })
}

func (d *crashable) remove(name string) error {
	if d.entries[name] == nil {
		return nil
	}
	return d.change(func(m map[string]*crashFile) { delete(m, name) })
}

func (d *crashable) sync() error {
	if err := d.step(); err != nil {
		return err
	}
	d.durable, d.changes = maps.Clone(d.entries), nil
	return nil
}

// after is what the power cut left: the first kept changes of entries, and of each file a part: of what was not synced
// nothing, all, the first half, or as many zeros.
func (d *crashable) after(kept, part int) *crashable {
	left := maps.Clone(d.durable)
	for _, f := range d.changes[:kept] {
		f(left)
	}
	after := &crashable{entries: map[string]*crashFile{}, left: -1}
	for name, f := range left {
		tail := bytes.Clone(f.data[f.synced:])
		switch part {
		case 0:
			tail = nil
		case 1:
			tail = tail[:len(tail)/2]
		case 2:
			clear(tail)
		}
		after.entries[name] = &crashFile{d: after, data: append(bytes.Clone(f.data[:f.synced]), tail...)}
	}
	return after
}

func (f *crashFile) Write(p []byte) (int, error) {
	if err := f.d.step(); err != nil {
		return 0, err
	}
	f.data = append(f.data, p...)
	return len(p), nil
}

func (f *crashFile) ReadAt(p []byte, at int64) (int, error) {
	if at >= int64(len(f.data)) {
		return 0, io.EOF
	}
	n := copy(p, f.data[at:])
	if n < len(p) {
		return n, io.EOF
	}
	return n, nil
}

func (f *crashFile) Sync() error {
	if err := f.d.step(); err != nil {
		return err
	}
	f.synced = len(f.data)
	return nil
}

func (*crashFile) Close() error { return nil }

// TestPowerCut cuts the power after every call that a spool makes from its beginning to its removal, with every loss of
// what was not synced. What is found then is a whole spool or none; a whole one from the moment Commit has said so until
// it is removed.
func TestPowerCut(t *testing.T) {
	rdb := smallRDB(true)
	for calls := 0; ; calls++ {
		d := &crashable{entries: map[string]*crashFile{}, durable: map[string]*crashFile{}, left: calls}
		committed, removed := spoolLife(d, rdb)
		for kept := range len(d.changes) + 1 {
			for part := range 4 {
				s, err := Open("", Config{at: d.after(kept, part)})
				switch {
				case err == nil:
					got := make([]byte, len(rdb))
					f, err := s.at.open(rdbFile)
					if err != nil {
						t.Fatal(err)
					}
					if n, _ := f.ReadAt(got, 0); n != len(rdb) || !bytes.Equal(got, rdb) {
						t.Fatalf("after %d calls, %d entries, loss %d: a spool that is not whole is called complete", calls, kept, part)
					}
				case !errors.Is(err, ErrNoSpool) && !errors.Is(err, ErrIncomplete):
					t.Fatalf("after %d calls, %d entries, loss %d: Open gives %v", calls, kept, part, err)
				case committed && !removed:
					t.Fatalf("after %d calls, %d entries, loss %d: a committed spool is lost: %v", calls, kept, part, err)
				}
			}
		}
		if d.left > 0 {
			if calls < 10 || !removed {
				t.Errorf("only %d calls were found", calls)
			}
			return
		}
	}
}

// spoolLife receives a spool and removes it, until the power is cut.
func spoolLife(d *crashable, rdb []byte) (committed, removed bool) {
	w, err := Create("", Config{at: d}, testOrigin())
	if err != nil {
		return false, false
	}
	_, err = w.Write(rdb)
	if err != nil {
		return false, false
	}
	s, err := w.Commit(context.Background())
	if err != nil {
		return false, false
	}
	before := d.left
	err = s.Remove()
	return true, err == nil || d.left < before
}
