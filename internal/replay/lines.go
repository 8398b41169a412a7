package replay

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"hash/maphash"
	"io"
	"strings"
)

// maxLine bounds one line: the largest event that can be configured, and something.
const maxLine = 80 << 20

// ErrOrder is wrapped when events are not in the order of their ids: they cannot be told from events that were missed.
var ErrOrder = errors.New("the events are not in the order of their ids")

// Lines reads events from a file or pipe, one a line, as the sink stdout, keyfeed decode and keyfeed tail -json print them.
//
// A keyfeed that was killed has torn its last line and prints some events again. So an empty line is skipped, a line that
// is torn is skipped if it comes again whole, and an id that is not above the last one must be among the recent ones.
type Lines struct {
	Name string // for messages
	Open func() (io.ReadCloser, error)
}

var _ Feed = Lines{}

// Read reads to the end. Where ctx ends while the file gives nothing, a goroutine stays in its Read until it returns.
func (l Lines) Read(ctx context.Context, after Place, fn func(Item) error) error {
	f, err := l.Open()
	if err != nil {
		return fmt.Errorf("opening %s: %w", l.Name, err)
	}
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	lines := make(chan []byte)
	end := make(chan error, 1)
	go func() {
		defer close(lines)
		end <- errors.Join(scan(ctx, f, lines), f.Close())
	}()
	o := order{after: after.ID, recent: newRecent()}
	for {
		select {
		case <-ctx.Done():
			return context.Cause(ctx)
		case line, ok := <-lines:
			if !ok {
				return l.end(&o, <-end)
			}
			it, ok, err := o.next(line)
			if err != nil {
				return fmt.Errorf("%s, line %d: %w", l.Name, o.number, err)
			}
			if !ok {
				continue
			}
			if err := fn(it); err != nil {
				return err
			}
		}
	}
}

func (l Lines) end(o *order, err error) error {
	switch {
	case err != nil:
		return fmt.Errorf("reading %s: %w", l.Name, err)
	case o.torn != nil:
		return fmt.Errorf("%s, line %d: %w: the last line is torn; what stands before it was applied", l.Name, o.number, ErrEvent)
	}
	return nil
}

// scan sends the lines of f, without their ends.
func scan(ctx context.Context, f io.Reader, lines chan<- []byte) error {
	r := bufio.NewReaderSize(f, 256<<10)
	for {
		var line []byte
		for {
			piece, err := r.ReadSlice('\n')
			line = append(line, piece...)
			if len(line) > maxLine {
				return fmt.Errorf("%w: a line of more than %d bytes", ErrEvent, maxLine)
			}
			if err == nil {
				break
			}
			if errors.Is(err, bufio.ErrBufferFull) {
				continue
			}
			if !errors.Is(err, io.EOF) {
				return err
			}
			if len(line) == 0 {
				return nil
			}
			break
		}
		select {
		case lines <- bytes.TrimRight(line, "\r\n"):
		case <-ctx.Done():
			return context.Cause(ctx)
		}
	}
}

// order holds that lines are in the order of ids.
type order struct {
	after  string
	last   string
	torn   []byte // what was torn, until its event has come again
	number int64
	recent *recent
}

// next judges a line; ok is false when it is to be skipped.
func (o *order) next(line []byte) (it Item, ok bool, err error) {
	o.number++
	if len(line) == 0 {
		return it, false, nil
	}
	id, err := LineID(line)
	if err != nil || !json.Valid(line) {
		if o.torn != nil {
			return it, false, fmt.Errorf("%w, nor is the line before", ErrEvent)
		}
		o.torn = line
		return it, false, nil
	}
	if o.last != "" && id <= o.last {
		if !apart(id) && !o.recent.has(id) {
			return it, false, fmt.Errorf("%w: %s comes after %s and is new; are they of several partitions?", ErrOrder, id, o.last)
		}
	} else {
		if o.torn != nil && !bytes.HasPrefix(line, o.torn[:min(len(o.torn), tornCompared)]) {
			return it, false, fmt.Errorf("%w: a line before it is damaged and does not come again", ErrEvent)
		}
		it.Gap = o.last == "" && o.after != "" && id > o.after
		o.torn, o.last = nil, id
	}
	o.recent.add(id)
	it.Line = line
	return it, true, nil
}

// tornCompared is how much of a torn line is compared with the whole one: up to the id's end.
const tornCompared = len(`{"v":1,"id":"`) + 10 + 1 + 20 + 1 + 10

// apart reports whether an id is of a message that has no place in the order.
func apart(id string) bool {
	return strings.Contains(id, ":heartbeat:") || strings.Contains(id, ":history:")
}

// recentIDs is more than a sink holds that has not stored its position.
const recentIDs = 1 << 17

// recent remembers ids by their hash.
type recent struct {
	seed maphash.Seed
	ring []uint64
	at   int
	set  map[uint64]struct{}
}

func newRecent() *recent { return &recent{seed: maphash.MakeSeed(), set: map[uint64]struct{}{}} }

func (r *recent) has(id string) bool {
	_, ok := r.set[maphash.String(r.seed, id)]
	return ok
}

func (r *recent) add(id string) {
	h := maphash.String(r.seed, id)
	if _, ok := r.set[h]; ok {
		return
	}
	r.set[h] = struct{}{}
	if len(r.ring) < recentIDs {
		r.ring = append(r.ring, h)
		return
	}
	delete(r.set, r.ring[r.at])
	r.ring[r.at] = h
	r.at = (r.at + 1) % recentIDs
}
