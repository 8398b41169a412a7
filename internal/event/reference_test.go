package event_test

import (
	"bytes"
	"encoding/base64"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"unicode/utf8"

	"keyfeed/internal/event"
)

// The reference encoder: docs/events.md written with encoding/json, field by field, with no regard for speed.

// field is one member of an ordered object.
type field struct {
	name  string
	value any
}

type object []field

func (o object) MarshalJSON() ([]byte, error) {
	var b bytes.Buffer
	b.WriteByte('{')
	for i, f := range o {
		if i > 0 {
			b.WriteByte(',')
		}
		b.Write(marshal(f.name))
		b.WriteByte(':')
		b.Write(marshal(f.value))
	}
	b.WriteByte('}')
	return b.Bytes(), nil
}

// marshal is encoding/json without its HTML escapes, and with U+2028 and U+2029 as they are.
func marshal(v any) []byte {
	var b bytes.Buffer
	enc := json.NewEncoder(&b)
	enc.SetEscapeHTML(false)
	if err := enc.Encode(v); err != nil {
		panic(err)
	}
	in := bytes.TrimSuffix(b.Bytes(), []byte("\n"))
	var out []byte
	for len(in) > 0 {
		switch {
		case bytes.HasPrefix(in, []byte(`\u2028`)):
			out, in = append(out, "\u2028"...), in[6:]
		case bytes.HasPrefix(in, []byte(`\u2029`)):
			out, in = append(out, "\u2029"...), in[6:]
		case in[0] == '\\':
			out, in = append(out, in[:2]...), in[2:]
		default:
			out, in = append(out, in[0]), in[1:]
		}
	}
	return out
}

// raw is a byte string that enc speaks about; text is a string that it does not.
type raw []byte

type list []any

// anyBinary reports whether a raw string in v is not UTF-8.
func anyBinary(v any) bool {
	switch v := v.(type) {
	case raw:
		return !utf8.Valid(v)
	case list:
		return slices.ContainsFunc(v, anyBinary)
	case rawObject:
		for _, f := range v {
			if anyBinary(f.name) || anyBinary(f.value) {
				return true
			}
		}
	case object:
		for _, f := range v {
			if anyBinary(f.value) {
				return true
			}
		}
	}
	return false
}

// rawObject is an object whose member names are raw too.
type rawObject []rawField

type rawField struct {
	name  raw
	value any
}

// spell turns raw strings to text or base64.
func spell(v any, binary bool) any {
	switch v := v.(type) {
	case raw:
		if binary {
			return base64.StdEncoding.EncodeToString(v)
		}
		return string(v)
	case list:
		out := make([]any, len(v))
		for i, x := range v {
			out[i] = spell(x, binary)
		}
		return out
	case rawObject:
		out := make(object, len(v))
		for i, f := range v {
			out[i] = field{name: spell(f.name, binary).(string), value: spell(f.value, binary)}
		}
		return out
	case object:
		out := make(object, len(v))
		for i, f := range v {
			out[i] = field{name: f.name, value: spell(f.value, binary)}
		}
		return out
	default:
		return v
	}
}

func raws(bs [][]byte) list {
	out := make(list, len(bs))
	for i, b := range bs {
		out[i] = raw(b)
	}
	return out
}

func ownFields(m event.Message) object {
	var o object
	text := func(name, s string) {
		if s != "" {
			o = append(o, field{name, s})
		}
	}
	switch m := m.(type) {
	case event.Begin:
		o = append(o, field{"reason", m.Reason})
		text("server", m.Server)
		text("server_version", m.ServerVersion)
		if m.RDBVersion > 0 {
			o = append(o, field{"rdb_version", m.RDBVersion})
		}
		text("replid", m.ReplID)
		text("prev", m.Prev)
	case event.End:
		o = append(o, field{"keys", m.Keys}, field{"events", m.Events}, field{"bytes", m.Bytes}, field{"ms", m.Ms})
		if len(m.Skipped) > 0 {
			var skipped object
			for _, s := range m.Skipped {
				skipped = append(skipped, field{s.Name, s.N})
			}
			o = append(o, field{"skipped", skipped})
		}
	case event.History:
		o = append(o, field{"prev_replid", m.PrevReplID}, field{"replid", m.ReplID})
	case event.Heartbeat:
		o = append(o, field{"position", m.Position})
		if m.KeysKnown {
			o = append(o, field{"keys", m.Keys})
		}
	case event.Slots:
		ranges := make([][2]int, len(m.Ranges))
		copy(ranges, m.Ranges)
		o = append(o, field{"slots", ranges})
	case nil:
	default:
		panic(fmt.Sprintf("own fields of %T", m))
	}
	return o
}

// reference encodes e; value stands for e.Value, which only the package can read.
func reference(s event.Settings, e *event.Event, value any) []byte {
	var o object
	add := func(name string, v any) { o = append(o, field{name, v}) }
	addText := func(name, v string) {
		if v != "" {
			add(name, strings.ToValidUTF8(v, "\uFFFD"))
		}
	}

	add("v", 1)
	id := fmt.Sprintf("%010d:%020d:%010d", e.Gen, e.Offset, e.Seq)
	switch e.Kind {
	case event.KindHistory:
		id = fmt.Sprintf("%010d:%020d:history:%s", e.Gen, e.Offset, e.Message.(event.History).ReplID)
	case event.KindHeartbeat:
		id = fmt.Sprintf("%010d:%020d:heartbeat:%d", e.Gen, e.Offset, e.TsMs)
	}
	add("id", id)
	add("op", string(rune(e.Op)))
	addText("kind", e.Kind)
	o = append(o, ownFields(e.Message)...)
	if e.DB != event.NoDB {
		add("db", e.DB)
	}
	keyLeft := e.Omitted != nil && e.Omitted.KeyLeft
	if e.IsKey && !keyLeft {
		if utf8.Valid(e.Key) {
			add("key", string(e.Key))
		} else {
			add("key", base64.StdEncoding.EncodeToString(e.Key))
			add("key_enc", "base64")
		}
	}
	if e.HasKeyDB {
		add("key_db", e.KeyDB)
	}
	addText("type", e.Type)
	addText("effect", e.Effect)
	addText("cmd", e.Cmd)

	var content object
	var expires rawObject
	if e.Cmd != "" && e.Omitted == nil {
		content = append(content, field{"args", raws(e.Args)})
	}
	if e.Keys != nil && !keyLeft {
		content = append(content, field{"keys", raws(e.Keys)})
	}
	if value != nil && e.Omitted == nil {
		content = append(content, field{"value", value})
	}
	if e.Omitted == nil {
		for _, f := range e.FieldExpires {
			expires = append(expires, rawField{f.Field, f.AtMs})
		}
	}
	binary := s.BinaryAlways || anyBinary(content) || anyBinary(expires)
	o = append(o, spell(content, binary).(object)...)
	if e.HasExpire {
		add("expire_at_ms", e.ExpireAtMs)
	}
	if len(expires) > 0 {
		add("field_expire_at_ms", spell(expires, binary))
	}
	if binary && len(content) > 0 {
		add("enc", "base64")
	}
	if e.Part != nil {
		add("part", object{{"i", e.Part.I}, {"last", e.Part.Last}})
	}
	if e.Omitted != nil {
		left := object{{"bytes", e.Omitted.Bytes}, {"sha256", hex.EncodeToString(e.Omitted.SHA256[:])}}
		if keyLeft {
			left = append(left, field{"key_sha256", hex.EncodeToString(e.Omitted.KeySHA256[:])})
		}
		add("omitted", left)
	}
	if e.Txn != nil {
		txn := object{{"id", fmt.Sprintf("%010d:%020d", e.Txn.Gen, e.Txn.Offset)}, {"seq", e.Txn.Seq}}
		if e.Txn.Size > 0 {
			txn = append(txn, field{"size", e.Txn.Size})
		}
		if e.Txn.Last {
			txn = append(txn, field{"last", true})
		}
		add("txn", txn)
	}
	addText("cause", e.Cause)
	addText("snapshot", e.Snapshot)
	add("ts_ms", e.TsMs)
	source := object{{"name", s.Source}, {"gen", e.Gen}, {"offset", e.Offset}, {"seq", e.Seq}}
	if e.N > 0 {
		source = append(source, field{"n", e.N})
	}
	add("source", source)
	return marshal(o)
}
