package event_test

import (
	"bytes"
	"encoding/base64"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"strconv"

	"keyfeed/internal/event"
)

// tree is a JSON object with its order and its repeated members kept. Values are tree, []any, string, json.Number, bool.
type tree []field

func (o tree) get(name string) any {
	for _, f := range o {
		if f.name == name {
			return f.value
		}
	}
	return nil
}

// text is a string or number; "" when it is absent.
func (o tree) text(name string) string {
	if v := o.get(name); v != nil {
		return fmt.Sprint(v)
	}
	return ""
}

// bytes is the byte string of a member.
func (o tree) bytes(t require, name string) []byte {
	t.Helper()
	return bytesOf(t, o, o.get(name))
}

// bytesOf undoes the enc of event o.
func bytesOf(t require, o tree, v any) []byte {
	t.Helper()
	s, ok := v.(string)
	if !ok {
		t.Fatalf("%v is no string", v)
	}
	if o.text("enc") != "base64" {
		return []byte(s)
	}
	b, err := base64.StdEncoding.DecodeString(s)
	if err != nil {
		t.Fatalf("%q: %v", s, err)
	}
	return b
}

func parse(t require, b []byte) tree {
	t.Helper()
	dec := json.NewDecoder(bytes.NewReader(b))
	dec.UseNumber()
	v, err := parseValue(dec)
	if err != nil {
		t.Fatalf("%s\n%v", b, err)
	}
	return v.(tree)
}

func parseValue(dec *json.Decoder) (any, error) {
	tok, err := dec.Token()
	if err != nil {
		return nil, err
	}
	switch tok {
	case json.Delim('{'):
		o := tree{}
		for dec.More() {
			name, err := dec.Token()
			if err != nil {
				return nil, err
			}
			v, err := parseValue(dec)
			if err != nil {
				return nil, err
			}
			o = append(o, field{name.(string), v})
		}
		_, err = dec.Token()
		return o, err
	case json.Delim('['):
		l := []any{}
		for dec.More() {
			v, err := parseValue(dec)
			if err != nil {
				return nil, err
			}
			l = append(l, v)
		}
		_, err = dec.Token()
		return l, err
	}
	return tok, nil
}

func omittedOf(t require, o tree) event.Omitted {
	t.Helper()
	left := event.Omitted{}
	var err error
	if left.Bytes, err = strconv.ParseInt(o.text("bytes"), 10, 64); err != nil {
		t.Fatalf("omitted.bytes: %v", err)
	}
	if _, err = hex.Decode(left.SHA256[:], []byte(o.text("sha256"))); err != nil {
		t.Fatalf("omitted.sha256: %v", err)
	}
	return left
}

// itemsOf is the elements of a part, in its order.
func itemsOf(t require, typ string, p tree) []item {
	t.Helper()
	var out []item
	add := func(kind string, parts ...any) { out = append(out, item{kind: kind, text: canon(parts...)}) }
	switch typ {
	case event.TypeHash:
		expires, _ := p.get("field_expire_at_ms").(tree)
		for _, f := range p.get("value").(tree) {
			at := "0"
			if len(expires) > 0 && expires[0].name == f.name {
				at = fmt.Sprint(expires[0].value)
				expires = expires[1:]
			}
			add("", bytesOf(t, p, f.name), bytesOf(t, p, f.value), at)
		}
		if len(expires) > 0 {
			t.Fatalf("field_expire_at_ms names %s, which is not in the part", expires[0].name)
		}
	case event.TypeZSet:
		for _, v := range p.get("value").([]any) {
			pair := v.([]any)
			add("", bytesOf(t, p, pair[0]), pair[1])
		}
	case event.TypeArray:
		for _, v := range p.get("value").([]any) {
			pair := v.([]any)
			add("", bytesOf(t, p, pair[1]), pair[0])
		}
	case event.TypeStream:
		streamItems(t, p, add)
	default:
		for _, v := range p.get("value").([]any) {
			add("", bytesOf(t, p, v))
		}
	}
	return out
}

func streamItems(t require, p tree, add func(kind string, parts ...any)) {
	t.Helper()
	v := p.get("value").(tree)
	entries, _ := v.get("entries").([]any)
	for _, e := range entries {
		var fields [][]byte
		for _, f := range e.([]any)[1].([]any) {
			fields = append(fields, bytesOf(t, p, f))
		}
		add("entry", e.([]any)[0], fields)
	}
	if v.get("last_id") != nil {
		parts := []any{v.text("last_id")}
		for _, name := range []string{"max_deleted_id", "entries_added"} {
			if s := v.text(name); s != "" {
				parts = append(parts, s)
			}
		}
		add("info", parts...)
	}
	groups, _ := v.get("groups").([]any)
	for _, g := range groups {
		g := g.(tree)
		name := bytesOf(t, p, g.get("name"))
		parts := []any{name, g.get("last_id")}
		if s := g.text("entries_read"); s != "" {
			parts = append(parts, s)
		}
		add("group", parts...)
		consumers, _ := g.get("consumers").([]any)
		for _, c := range consumers {
			c := c.(tree)
			parts := []any{name, bytesOf(t, p, c.get("name"))}
			for _, name := range []string{"seen_ms", "active_ms"} {
				s := c.text(name)
				if s == "" {
					s = "-1"
				}
				parts = append(parts, s)
			}
			add("consumer", parts...)
		}
		pending, _ := g.get("pending").([]any)
		for _, x := range pending {
			x := x.([]any)
			add("pending", name, x[0], bytesOf(t, p, x[1]), x[2], x[3])
		}
	}
}
