package rdb_test

import (
	"bytes"
	"crypto/sha256"
	"errors"
	"fmt"
	"math"
	"slices"
	"strings"
	"testing"

	"keyfeed/snapshot/rdb"
)

// recorder writes every key down in a canonical text, so that the same data from different places can be compared.
type recorder struct {
	keys    map[string]string // "db/key" → text
	order   []string
	dups    int
	skipped map[string]int
	aux     map[string]string
	funcs   []string
	sizes   []string
	codes   map[byte]int // value type codes

	cur    *rdb.Key
	name   string
	parts  []string
	string bytes.Buffer
	pieces int
	stream *streamText
}

func newRecorder() *recorder {
	return &recorder{keys: map[string]string{}, skipped: map[string]int{}, aux: map[string]string{}, codes: map[byte]int{}}
}

var _ rdb.Visitor = (*recorder)(nil)

// decodeBytes decodes a whole file and fails the test when it is refused.
func decodeBytes(tb testing.TB, file []byte, cfg rdb.Config) *recorder {
	tb.Helper()
	r := newRecorder()
	cfg.Again = bytes.NewReader(file)
	if err := rdb.NewDecoder(bytes.NewReader(file), cfg).Decode(r); err != nil {
		tb.Fatalf("decoding %d bytes: %v", len(file), err)
	}
	return r
}

// refusal decodes a file that must be refused.
func refusal(tb testing.TB, file []byte) error {
	tb.Helper()
	err := rdb.NewDecoder(bytes.NewReader(file), rdb.Config{}).Decode(rdb.Discard{})
	var f *rdb.FormatError
	var u *rdb.UnsupportedError
	if err == nil || !errors.As(err, &f) && !errors.As(err, &u) {
		tb.Fatalf("decoding gave %v, want a FormatError or an UnsupportedError", err)
	}
	return err
}

func (r *recorder) Aux(name, value []byte) error {
	r.aux[string(name)] = string(value)
	return nil
}

func (r *recorder) DBSize(db int, keys, expires uint64) error {
	r.sizes = append(r.sizes, fmt.Sprintf("%d:%d:%d", db, keys, expires))
	return nil
}

func (r *recorder) Function(code []byte, o *rdb.Oversize) error {
	r.funcs = append(r.funcs, string(code)+overText(o))
	return nil
}

func (r *recorder) Skipped(name string) error {
	r.skipped[name]++
	return nil
}

func (r *recorder) Key(k *rdb.Key) error {
	if r.cur != nil {
		return errors.New("Key inside a key")
	}
	r.cur, r.name, r.parts, r.stream = k, fmt.Sprintf("%d/%q", k.DB, k.Name)+overText(k.Oversize), nil, nil
	r.string.Reset()
	r.pieces = 0
	if k.Type == rdb.TypeStream {
		r.stream = &streamText{}
	}
	return nil
}

func (r *recorder) EndKey() error {
	k := r.cur
	r.codes[k.Encoding]++
	text := typeText(k.Type.String(), k.Module) + " " + expireText(k.ExpireAtMs, k.HasExpire) + " "
	switch k.Type {
	case rdb.TypeString:
		text += blobText(r.string.Bytes())
	case rdb.TypeStream:
		text += r.stream.String()
	case rdb.TypeList, rdb.TypeModule:
		text += strings.Join(r.parts, ",")
	default: // no order of its own
		slices.Sort(r.parts)
		text += strings.Join(r.parts, ",")
	}
	if _, dup := r.keys[r.name]; dup {
		r.dups++
	}
	r.keys[r.name] = text
	r.order = append(r.order, r.name)
	r.cur = nil
	return nil
}

func (r *recorder) Piece(b []byte) error {
	r.pieces++
	r.string.Write(b)
	return nil
}

func (r *recorder) Element(e []byte) error { return r.part(blobText(e)) }

func (r *recorder) Field(name, value []byte, at int64) error {
	return r.part(fieldText(string(name), string(value), at))
}

func (r *recorder) Member(m []byte, score float64) error {
	return r.part(memberText(string(m), score))
}

func (r *recorder) Dump(payload []byte) error { return r.part(blobText(payload)) }

func (r *recorder) Omitted(o *rdb.Oversize) error {
	if r.stream != nil {
		r.stream.entry("omitted" + overText(o))
		return nil
	}
	return r.part("omitted" + overText(o))
}

func (r *recorder) part(s string) error {
	if r.cur == nil {
		return errors.New("an element outside a key")
	}
	r.parts = append(r.parts, s)
	return nil
}

func (r *recorder) Entry(e *rdb.Entry) error {
	fields := make([]string, len(e.Fields))
	for i, f := range e.Fields {
		fields[i] = string(f)
	}
	r.stream.entry(entryText(idText(e.ID), fields))
	return nil
}

func (r *recorder) StreamInfo(i *rdb.StreamInfo) error {
	r.stream.info(i.Length, idText(i.LastID), idText(i.MaxDeleted), i.Added, i.Counters)
	return nil
}

func (r *recorder) Group(g *rdb.Group) error {
	read := "nil"
	if g.HasEntriesRead {
		read = fmt.Sprint(g.EntriesRead)
	}
	r.stream.group(string(g.Name)+overText(g.Oversize), idText(g.LastID), read)
	return nil
}

func (r *recorder) Consumer(c *rdb.Consumer) error {
	active := ""
	if c.HasActive {
		active = fmt.Sprint(c.ActiveMs)
	}
	r.stream.consumer(string(c.Name)+overText(c.Oversize), c.SeenMs, active)
	return nil
}

func (r *recorder) Pending(p *rdb.Pending) error {
	r.stream.pending(idText(p.ID), string(p.Consumer)+overText(p.Oversize), p.DeliveredMs, p.Count)
	return nil
}

func overText(o *rdb.Oversize) string {
	if o == nil {
		return ""
	}
	return fmt.Sprintf("<%d bytes, sha256 %x>", o.Bytes, o.SHA256)
}

// blobText quotes short strings and gives the digest of long ones.
func blobText(b []byte) string {
	if len(b) > 200 {
		return fmt.Sprintf("%d bytes %x", len(b), sha256.Sum256(b))
	}
	return fmt.Sprintf("%q", b)
}

func typeText(typ, module string) string {
	if module != "" {
		return typ + ":" + module
	}
	return typ
}

func expireText(ms int64, ok bool) string {
	if !ok {
		return "-"
	}
	return fmt.Sprint(ms)
}

func fieldText(name, value string, at int64) string {
	return fmt.Sprintf("%s=%s@%d", blobText([]byte(name)), blobText([]byte(value)), at)
}

func memberText(m string, score float64) string {
	return fmt.Sprintf("%s %016x", blobText([]byte(m)), math.Float64bits(score))
}

func idText(id rdb.StreamID) string { return fmt.Sprintf("%d-%d", id.Ms, id.Seq) }

func entryText(id string, fields []string) string { return fmt.Sprintf("%s %q", id, fields) }

// streamText is the canonical text of a stream.
type streamText struct {
	entries, groups []string
	scalars         string
	consumers       []string
	pendings        []string
}

func (s *streamText) entry(text string) { s.entries = append(s.entries, text) }

func (s *streamText) info(length uint64, last, maxDeleted string, added uint64, counters bool) {
	s.scalars = fmt.Sprintf("len %d last %s", length, last)
	if counters {
		s.scalars += fmt.Sprintf(" max-deleted %s added %d", maxDeleted, added)
	}
}

func (s *streamText) group(name, last, read string) {
	s.endGroup()
	s.groups = append(s.groups, fmt.Sprintf("group %q last %s read %s", name, last, read))
}

func (s *streamText) endGroup() {
	if n := len(s.groups); n > 0 {
		s.groups[n-1] += "\n" + strings.Join(append(s.consumers, s.pendings...), "\n")
	}
	s.consumers, s.pendings = nil, nil
}

func (s *streamText) consumer(name string, seen int64, active string) {
	s.consumers = append(s.consumers, fmt.Sprintf("  consumer %q seen %d active %s", name, seen, active))
}

func (s *streamText) pending(id, consumer string, delivered int64, count uint64) {
	s.pendings = append(s.pendings, fmt.Sprintf("  pending %s %q %d %d", id, consumer, delivered, count))
}

func (s *streamText) String() string {
	s.endGroup()
	body := strings.Join(s.entries, "\n")
	if len(body) > 4096 {
		body = blobText([]byte(body))
	}
	return fmt.Sprintf("%d entries\n%s\n%s\n%s", len(s.entries), body, s.scalars, strings.Join(s.groups, "\n"))
}

// differences tells where two sets of keys differ, at most a few.
func differences(got, want map[string]string) string {
	var out []string
	for k, w := range want {
		if g, ok := got[k]; !ok {
			out = append(out, fmt.Sprintf("%s: missing, want %.2000s", k, w))
		} else if g != w {
			out = append(out, fmt.Sprintf("%s:\n got %.2000s\nwant %.2000s", k, g, w))
		}
	}
	for k, g := range got {
		if _, ok := want[k]; !ok {
			out = append(out, fmt.Sprintf("%s: not wanted: %.300s", k, g))
		}
	}
	slices.Sort(out)
	if n := len(out); n > 6 {
		out = append(out[:6], fmt.Sprintf("… and %d more", n-6))
	}
	return strings.Join(out, "\n")
}
