package replay

import (
	"cmp"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"
)

// rebuildPage is how many entries are copied at a time.
const rebuildPage = 500

// errRebuild is wrapped by errors of a rebuild that are no refusals of a single command.
var errRebuild = errors.New("building stream anew")

// streamID is an entry id as two numbers.
type streamID struct{ ms, seq uint64 }

func parseStreamID(s string) (streamID, error) {
	ms, seq, ok := strings.Cut(s, "-")
	m, err1 := strconv.ParseUint(ms, 10, 64)
	q, err2 := strconv.ParseUint(seq, 10, 64)
	if !ok || err1 != nil || err2 != nil {
		return streamID{}, fmt.Errorf("%w: stream id %q", ErrEvent, s)
	}
	return streamID{m, q}, nil
}

func (a streamID) compare(b streamID) int {
	return cmp.Or(cmp.Compare(a.ms, b.ms), cmp.Compare(a.seq, b.seq))
}

func (a streamID) String() string { return fmt.Sprintf("%d-%d", a.ms, a.seq) }

// rebuild makes the pending entries whose stream entries are gone. The stream is in the target with its entries and
// groups. Its entries are copied aside and come back one by one, with stand-ins at the missing ids in between; while
// the stand-ins are there XCLAIM makes the pending entries. XTRIM, XADD and XDEL leave groups as they are.
func (r *Replayer) rebuild(id string, key []byte) error {
	st := &r.value.stream
	standIns, err := r.missingIDs()
	if err != nil {
		return err
	}
	tmp := []byte(bookmarkKey + ":stream")    // the same for all, so that a rebuild that was killed leaves nothing behind the next one
	first := streamID{^uint64(0), ^uint64(0)} // of the real entries
	if !st.empty {
		if err := r.p.send(id, nil, []byte("COPY"), key, tmp, []byte("REPLACE")); err != nil {
			return err
		}
		if err := r.p.send(id, nil, []byte("XTRIM"), key, []byte("MAXLEN"), []byte("0")); err != nil {
			return err
		}
		if err := r.p.send(id, nil, []byte("XSETID"), key, []byte("0-0")); err != nil {
			return err
		}
	}
	add := func(s streamID) error {
		return r.p.send(id, nil, []byte("XADD"), key, []byte(s.String()), []byte("f"), []byte("v"))
	}
	rest := standIns
	if !st.empty {
		first, rest, err = r.copyBack(id, key, tmp, standIns, add)
		if err != nil {
			return err
		}
		if err := r.p.send(id, nil, []byte("DEL"), tmp); err != nil {
			return err
		}
	}
	for _, s := range rest {
		if err := add(s); err != nil {
			return err
		}
	}
	for _, p := range st.missing {
		if err := r.claim(id, key, p, func() {}); err != nil {
			return err
		}
	}
	if err := r.removeStandIns(id, key, standIns, first); err != nil {
		return err
	}
	return r.setScalars(id, key)
}

// missingIDs returns the distinct ids of pending entries without an entry, in order.
func (r *Replayer) missingIDs() ([]streamID, error) {
	var ids []streamID
	for _, p := range r.value.stream.missing {
		s, err := parseStreamID(p.id)
		if err != nil {
			return nil, err
		}
		ids = append(ids, s)
	}
	slices.SortFunc(ids, streamID.compare)
	return slices.Compact(ids), nil
}

// copyBack copies the entries of tmp into key, with stand-ins among them, page by page. It returns the first real
// entry's id and the stand-ins above the last one.
func (r *Replayer) copyBack(id string, key, tmp []byte, standIns []streamID, add func(streamID) error) (first streamID, rest []streamID, err error) {
	rest = standIns
	from := "-"
	for n := 0; ; {
		var page reply
		keep := func(rep *reply) error { page = *rep; return rep.err() }
		err := r.p.send(id, keep, []byte("XRANGE"), tmp, []byte(from), []byte("+"), []byte("COUNT"), strconv.AppendInt(nil, rebuildPage, 10))
		if err != nil {
			return first, nil, err
		}
		if err := r.p.flush(); err != nil {
			return first, nil, fmt.Errorf("%w: %w", errRebuild, err)
		}
		if len(page.elem) == 0 {
			return first, rest, nil
		}
		for _, entry := range page.elem {
			if len(entry.elem) != 2 {
				return first, nil, fmt.Errorf("%w: an entry of XRANGE with %d elements", errRebuild, len(entry.elem))
			}
			s, err := parseStreamID(string(entry.elem[0].text))
			if err != nil {
				return first, nil, err
			}
			if n++; n == 1 {
				first = s
			}
			for len(rest) > 0 && rest[0].compare(s) < 0 {
				if err := add(rest[0]); err != nil {
					return first, nil, err
				}
				rest = rest[1:]
			}
			argv := [][]byte{[]byte("XADD"), key, entry.elem[0].text}
			for _, f := range entry.elem[1].elem {
				argv = append(argv, f.text)
			}
			if err := r.p.send(id, nil, argv...); err != nil {
				return first, nil, err
			}
			from = "(" + s.String()
		}
	}
}

// removeStandIns trims the ones before the first real entry, as the source has trimmed them, and deletes the others.
// XTRIM does not count as a deletion, so a max-deleted-entry-id of 0-0 stays; XDEL does, and XSETID sets the id after.
func (r *Replayer) removeStandIns(id string, key []byte, standIns []streamID, first streamID) error {
	trimmed, _ := slices.BinarySearchFunc(standIns, first, streamID.compare)
	if trimmed > 0 {
		limit := []byte(first.String())
		if r.value.stream.empty {
			if err := r.p.send(id, nil, []byte("XTRIM"), key, []byte("MAXLEN"), []byte("0")); err != nil {
				return err
			}
		} else if err := r.p.send(id, nil, []byte("XTRIM"), key, []byte("MINID"), limit); err != nil {
			return err
		}
	}
	for _, s := range standIns[trimmed:] {
		if err := r.p.send(id, nil, []byte("XDEL"), key, []byte(s.String())); err != nil {
			return err
		}
	}
	return nil
}
