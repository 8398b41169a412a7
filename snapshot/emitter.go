package snapshot

import (
	"context"
	"crypto/sha256"
	"errors"
	"slices"
	"strings"

	"keyfeed/internal/event"
	"keyfeed/snapshot/rdb"
)

// errHandler ends a decoding because the handler or the context said so; emitter.err tells what.
var errHandler = errors.New("the handler ended the decoding")

// emitter turns what the decoder finds into events.
type emitter struct {
	ctx     context.Context //nolint:containedctx // lives for one Run; the decoder's visitor cannot be given one
	r       *Reader
	handle  func(*event.Event) error
	decoder *rdb.Decoder
	cutter  *event.Cutter
	encoder *event.Encoder
	err     error

	seq       int64 // of the next event
	keys      int64
	skips     skips
	module    string // type of the last module key, so that it is made once
	leftGroup bool   // the name of the group at hand is too large, so that nothing of it can be told
}

func newEmitter(ctx context.Context, r *Reader, handle func(*event.Event) error) *emitter {
	e := &emitter{ctx: ctx, r: r, handle: handle, encoder: event.NewEncoder(r.set.Settings)}
	e.cutter = event.NewCutter(r.set.Settings, e.emit)
	return e
}

var _ rdb.Visitor = (*emitter)(nil)

// emit hands an event out unless it is stored already.
func (e *emitter) emit(ev *event.Event) error {
	err := context.Cause(e.ctx)
	if err == nil && e.seq >= e.r.from {
		err = e.handle(ev)
	}
	if err != nil {
		e.err = err
		return errHandler
	}
	e.seq = ev.Seq + 1
	e.r.events.Store(e.seq)
	e.progress()
	return nil
}

func (e *emitter) progress() {
	if e.decoder != nil {
		e.r.bytes.Store(e.decoder.Offset())
	}
}

// Aux implements [rdb.Visitor].
func (*emitter) Aux(_, _ []byte) error { return nil }

// DBSize implements [rdb.Visitor].
func (*emitter) DBSize(int, uint64, uint64) error { return nil }

// Function implements [rdb.Visitor]. What is left out of an event that would be too large is the code.
func (e *emitter) Function(code []byte, o *rdb.Oversize) error {
	at := e.stamp()
	ev := event.Event{
		Gen: at.Gen, Offset: at.Offset, Seq: at.Seq, TsMs: at.TsMs,
		Op: event.OpMessage, Kind: event.KindFunction, DB: event.NoDB,
		Cmd: "FUNCTION LOAD", Args: [][]byte{[]byte("REPLACE"), code},
	}
	switch {
	case o != nil:
		ev.Omitted = &event.Omitted{Bytes: o.Bytes, SHA256: o.SHA256}
	case !e.encoder.Fits(&ev):
		ev.Omitted = &event.Omitted{Bytes: int64(len(code)), SHA256: sha256.Sum256(code)}
	}
	if ev.Omitted != nil {
		ev.Args, ev.Cause = nil, event.CauseOversize
	}
	return e.emit(&ev)
}

// Skipped implements [rdb.Visitor].
func (e *emitter) Skipped(name string) error {
	e.skips.add(name)
	return nil
}

// Key implements [rdb.Visitor].
func (e *emitter) Key(k *rdb.Key) error {
	at := e.stamp()
	header := event.Event{
		Gen: at.Gen, Offset: at.Offset, Seq: at.Seq, TsMs: at.TsMs,
		Op: event.OpRead, DB: k.DB, Key: k.Name, IsKey: true, Type: e.typeOf(k),
		ExpireAtMs: k.ExpireAtMs, HasExpire: k.HasExpire, Snapshot: event.SnapshotTrue,
	}
	if k.Oversize != nil {
		header.Omitted = &event.Omitted{KeyLeft: true, KeySHA256: k.Oversize.SHA256}
	}
	e.cutter.Begin(header)
	e.keys++
	e.r.keys.Store(e.keys)
	return nil
}

func (e *emitter) typeOf(k *rdb.Key) string {
	switch k.Type {
	case rdb.TypeList:
		return event.TypeList
	case rdb.TypeSet:
		return event.TypeSet
	case rdb.TypeZset:
		return event.TypeZSet
	case rdb.TypeHash:
		return event.TypeHash
	case rdb.TypeStream:
		return event.TypeStream
	case rdb.TypeModule:
		if name, ok := strings.CutPrefix(e.module, event.TypeModule); !ok || name != k.Module {
			e.module = event.TypeModule + k.Module
		}
		return e.module
	default:
		return event.TypeString
	}
}

// EndKey implements [rdb.Visitor].
func (e *emitter) EndKey() error { return e.cutter.End() }

// Piece implements [rdb.Visitor].
func (e *emitter) Piece(b []byte) error { return e.cutter.StringPiece(b) }

// Element implements [rdb.Visitor].
func (e *emitter) Element(b []byte) error { return e.cutter.Element(b) }

// Field implements [rdb.Visitor].
func (e *emitter) Field(name, value []byte, at int64) error { return e.cutter.Field(name, value, at) }

// Member implements [rdb.Visitor].
func (e *emitter) Member(m []byte, score float64) error { return e.cutter.Score(m, score) }

// Dump implements [rdb.Visitor].
func (e *emitter) Dump(payload []byte) error { return e.cutter.Dump(payload) }

// Omitted implements [rdb.Visitor].
func (e *emitter) Omitted(o *rdb.Oversize) error {
	return e.cutter.OmitElement(event.Omitted{Bytes: o.Bytes, SHA256: o.SHA256})
}

// Entry implements [rdb.Visitor].
func (e *emitter) Entry(x *rdb.Entry) error { return e.cutter.Entry(x.ID.Ms, x.ID.Seq, x.Fields) }

// StreamInfo implements [rdb.Visitor].
func (e *emitter) StreamInfo(i *rdb.StreamInfo) error {
	e.leftGroup = false
	return e.cutter.StreamInfo(event.StreamInfo{
		LastID: event.StreamID(i.LastID), MaxDeletedID: event.StreamID(i.MaxDeleted), EntriesAdded: i.Added,
		HasMaxDeleted: i.Counters, HasAdded: i.Counters,
	})
}

// Group implements [rdb.Visitor].
func (e *emitter) Group(g *rdb.Group) error {
	if e.leftGroup = g.Oversize != nil; e.leftGroup {
		return e.Omitted(g.Oversize)
	}
	var read *int64
	if g.HasEntriesRead {
		n := int64(g.EntriesRead)
		read = &n
	}
	return e.cutter.Group(g.Name, event.StreamID(g.LastID), read)
}

// skipGroupPart counts consumers and pending entries of a group whose name no event can show.
const skipGroupPart = "oversize_group_part"

// Consumer implements [rdb.Visitor].
func (e *emitter) Consumer(c *rdb.Consumer) error {
	switch {
	case e.leftGroup:
		return e.Skipped(skipGroupPart)
	case c.Oversize != nil:
		return e.Omitted(c.Oversize)
	}
	active := int64(-1)
	if c.HasActive {
		active = c.ActiveMs
	}
	return e.cutter.Consumer(c.Name, c.SeenMs, active)
}

// Pending implements [rdb.Visitor].
func (e *emitter) Pending(p *rdb.Pending) error {
	switch {
	case e.leftGroup:
		return e.Skipped(skipGroupPart)
	case p.Oversize != nil:
		return e.Omitted(p.Oversize)
	}
	return e.cutter.Pending(event.StreamID(p.ID), p.Consumer, p.DeliveredMs, p.Count)
}

// skips counts what no event shows, by name. There are few names.
type skips []event.Skip

func (s *skips) add(name string) {
	for i := range *s {
		if (*s)[i].Name == name {
			(*s)[i].N++
			return
		}
	}
	*s = append(*s, event.Skip{Name: name, N: 1})
}

// list gives them in the order of their names.
func (s *skips) list() []event.Skip {
	slices.SortFunc(*s, func(a, b event.Skip) int { return strings.Compare(a.Name, b.Name) })
	return *s
}
