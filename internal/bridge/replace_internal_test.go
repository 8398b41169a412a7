package bridge

import (
	"bytes"
	"errors"
	"maps"
	"testing"
)

// crashPlace forgets in a power cut what was not synced: entries from some change on, of a file everything, or all but a
// part.
type crashPlace struct {
	now, durable map[string]*crashState
	changes      []func(map[string]*crashState) // since the last sync
	left         int                            // calls that still take place
}

type crashState struct {
	p      *crashPlace
	data   []byte
	synced int
}

var errPowerCut = errors.New("power cut")

func (p *crashPlace) step() error {
	if p.left == 0 {
		return errPowerCut
	}
	p.left--
	return nil
}

func (p *crashPlace) change(f func(map[string]*crashState)) error {
	if err := p.step(); err != nil {
		return err
	}
	f(p.now)
	p.changes = append(p.changes, f)
	return nil
}

func (p *crashPlace) create(name string) (stateFile, error) {
	f := &crashState{p: p}
	return f, p.change(func(m map[string]*crashState) { m[name] = f })
}

func (p *crashPlace) rename(from, to string) error {
	return p.change(func(m map[string]*crashState) { m[to] = m[from]; delete(m, from) })
}

func (p *crashPlace) sync() error {
	if err := p.step(); err != nil {
		return err
	}
	p.durable, p.changes = maps.Clone(p.now), nil
	return nil
}

func (f *crashState) Write(b []byte) (int, error) {
	if err := f.p.step(); err != nil {
		return 0, err
	}
	f.data = append(f.data, b...)
	return len(b), nil
}

func (f *crashState) Sync() error {
	if err := f.p.step(); err != nil {
		return err
	}
	f.synced = len(f.data)
	return nil
}

func (*crashState) Close() error { return nil }

// TestPowerCutWhileReplacing cuts the power after every call, with every loss: the file is the old one or the new one.
func TestPowerCutWhileReplacing(t *testing.T) {
	const name = "gen.json"
	before, after := []byte("the old content"), []byte("the new, longer content")
	for calls := 0; ; calls++ {
		p := &crashPlace{now: map[string]*crashState{}, left: -1}
		if err := replaceFile(p, name, before); err != nil {
			t.Fatal(err)
		}
		p.left = calls
		err := replaceFile(p, name, after)
		for kept := range len(p.changes) + 1 {
			for _, lost := range []int{0, 1, 10, len(after)} {
				left := maps.Clone(p.durable)
				for _, f := range p.changes[:kept] {
					f(left)
				}
				f := left[name]
				if f == nil {
					t.Fatalf("after %d calls, %d entries: the file is gone", calls, kept)
				}
				got := f.data[:max(f.synced, len(f.data)-lost)]
				if old := bytes.Equal(got, before); !old && !bytes.Equal(got, after) || old && err == nil {
					t.Fatalf("after %d calls (%v), %d entries, %d bytes lost: the file holds %q", calls, err, kept, lost, got)
				}
			}
		}
		if err == nil {
			if calls < 4 {
				t.Errorf("only %d calls were found", calls)
			}
			return
		}
	}
}
