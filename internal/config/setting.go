package config

import (
	"reflect"
	"strings"
	"time"
)

// Prefix begins every name.
const Prefix = "KEYFEED_"

// setting is one field of Config with its full name.
type setting struct {
	name  string
	group string // heading in the documentation
	tag   reflect.StructTag
	value reflect.Value
}

// settings lists the fields of c in their order.
func settings(c *Config) []setting {
	var out []setting
	var walk func(v reflect.Value, prefix, group string)
	walk = func(v reflect.Value, prefix, group string) {
		for i := range v.NumField() {
			f := v.Type().Field(i)
			if g := f.Tag.Get("group"); g != "" {
				group = g
			}
			if inner, ok := f.Tag.Lookup("envPrefix"); ok {
				walk(v.Field(i), prefix+inner, group)
			} else if name := f.Tag.Get("env"); name != "" {
				out = append(out, setting{name: prefix + name, group: group, tag: f.Tag, value: v.Field(i)})
			}
		}
	}
	walk(reflect.ValueOf(c).Elem(), Prefix, "")
	return out
}

func (s setting) isSecret() bool { return s.value.Type() == reflect.TypeFor[Secret]() }

// text is the value as it would be set, without secrets.
func (s setting) text() string {
	switch v := s.value.Interface().(type) {
	case Size:
		if v == 0 && s.tag.Get("envDefault") == "" {
			return ""
		}
		return v.String()
	case time.Duration:
		if v == 0 && s.tag.Get("envDefault") == "" {
			return ""
		}
		return durationText(v)
	case interface{ String() string }:
		return v.String()
	case string:
		return v
	case bool:
		if v {
			return "true"
		}
		return "false"
	default:
		if s.value.IsZero() && s.tag.Get("envDefault") == "" {
			return ""
		}
		return intText(s.value)
	}
}

// durationText is 1m where time says 1m0s.
func durationText(d time.Duration) string {
	s := d.String()
	if strings.HasSuffix(s, "m0s") {
		s = strings.TrimSuffix(s, "0s")
	}
	if strings.HasSuffix(s, "h0m") {
		s = strings.TrimSuffix(s, "0m")
	}
	return s
}
