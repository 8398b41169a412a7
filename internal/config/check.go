package config

import (
	"fmt"
	"net"
	"os"
	"reflect"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"time"
)

// check holds one value against the rules in its tags.
func (l *loader) check(s setting) {
	if !l.given[s.name] {
		return // defaults are held by a test
	}
	if reason := s.reason(); reason != "" {
		l.problem("%s %s", s.name, reason)
	}
}

// reason says what the value must be; empty if it is right.
func (s setting) reason() string {
	if allowed := s.oneOf(); allowed != nil && !slices.Contains(allowed, s.value.String()) {
		return "must be " + orList(allowed)
	}
	if reason := s.bounds(); reason != "" {
		return reason
	}
	return s.kind()
}

func (s setting) oneOf() []string {
	if tag := s.tag.Get("oneof"); tag != "" {
		return strings.Split(tag, "|")
	}
	return nil
}

func orList(words []string) string {
	if len(words) == 1 {
		return words[0]
	}
	return strings.Join(words[:len(words)-1], ", ") + " or " + words[len(words)-1]
}

// bounds checks min and max.
func (s setting) bounds() string {
	low, high := s.tag.Get("min"), s.tag.Get("max")
	if low != "" && s.value.Int() < s.number(low) {
		return "must be at least " + low
	}
	if high != "" && s.value.Int() > s.number(high) {
		return "must be at most " + high
	}
	return ""
}

// number reads a bound as a value of the setting's type. The tags are held by a test.
func (s setting) number(text string) int64 {
	switch s.value.Interface().(type) {
	case Size:
		var size Size
		if err := size.UnmarshalText([]byte(text)); err != nil {
			panic(fmt.Sprintf("tag of %s: %v", s.name, err))
		}
		return int64(size)
	case time.Duration:
		d, err := time.ParseDuration(text)
		if err != nil {
			panic(fmt.Sprintf("tag of %s: %v", s.name, err))
		}
		return int64(d)
	default:
		n, err := strconv.ParseInt(text, 10, 64)
		if err != nil {
			panic(fmt.Sprintf("tag of %s: %v", s.name, err))
		}
		return n
	}
}

// kind checks the form of a string.
func (s setting) kind() string {
	switch s.tag.Get("kind") {
	case "name":
		if !regexp.MustCompile(`^[a-z0-9_-]{1,48}$`).MatchString(s.value.String()) {
			return "must be 1 to 48 of a-z, 0-9, _ and -"
		}
	case "address":
		if !isAddress(s.value.String(), true) {
			return "must be host:port or :port"
		}
	case "addresses":
		for _, a := range s.value.Interface().(List) {
			if !isAddress(a, false) {
				return "must be host:port, several with commas between"
			}
		}
	case "announce":
		port := s.value.String()
		if host, p, err := net.SplitHostPort(port); err == nil && host != "" {
			port = p
		}
		if _, err := strconv.Atoi(port); err != nil {
			return "must be a port or host:port"
		}
	case "file":
		if info, err := os.Stat(s.value.String()); err != nil {
			return fmt.Sprintf("names a file that cannot be read: %v", err)
		} else if info.IsDir() {
			return "names a directory: it must be a file"
		}
	}
	return ""
}

func isAddress(s string, emptyHost bool) bool {
	host, port, err := net.SplitHostPort(s)
	if err != nil || host == "" && !emptyHost {
		return false
	}
	n, err := strconv.ParseUint(port, 10, 16)
	return err == nil && (n > 0 || emptyHost) // port 0: any free one, to listen on
}

func intText(v reflect.Value) string { return strconv.FormatInt(v.Int(), 10) }
