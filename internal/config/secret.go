package config

import (
	"fmt"
	"io"
	"log/slog"
	"strings"
)

// hidden stands where a secret is set.
const hidden = "[redacted]"

// Secret is a value that nothing prints: whatever way it is formatted, logged or encoded, it shows only whether it is
// set.
type Secret struct{ value string }

// NewSecret makes a secret.
func NewSecret(value string) Secret { return Secret{value} }

// Reveal is the value, for whoever logs in with it.
func (s Secret) Reveal() string { return s.value }

// IsSet reports whether there is a value.
func (s Secret) IsSet() bool { return s.value != "" }

func (s Secret) String() string {
	if s.IsSet() {
		return hidden
	}
	return ""
}

// Format holds the promise for every verb of fmt, those that would look at the fields included.
func (s Secret) Format(f fmt.State, _ rune) { _, _ = io.WriteString(f, s.String()) }

// LogValue keeps the value out of logs.
func (s Secret) LogValue() slog.Value { return slog.StringValue(s.String()) }

// MarshalText keeps the value out of JSON.
func (s Secret) MarshalText() ([]byte, error) { return []byte(s.String()), nil }

// UnmarshalText takes the value.
func (s *Secret) UnmarshalText(text []byte) error {
	s.value = string(text)
	return nil
}

// URL is the address of a server, which may hold a user and a password. Printed, it shows neither.
type URL struct{ value string }

// NewURL makes a URL without checking it.
func NewURL(value string) URL { return URL{value} }

// Reveal is the URL as it was given, for whoever connects to it.
func (u URL) Reveal() string { return u.value }

// String is the URL without what stands between :// and the last @.
func (u URL) String() string {
	at := strings.LastIndexByte(u.value, '@')
	if at < 0 {
		return u.value
	}
	scheme, _, ok := strings.Cut(u.value[:at], "://")
	if !ok || strings.ContainsAny(scheme, ":@/") {
		return hidden + u.value[at:]
	}
	return scheme + "://" + hidden + u.value[at:]
}

// Format holds the promise for every verb of fmt.
func (u URL) Format(f fmt.State, _ rune) { _, _ = io.WriteString(f, u.String()) }

// LogValue keeps the password out of logs.
func (u URL) LogValue() slog.Value { return slog.StringValue(u.String()) }

// MarshalText keeps the password out of JSON.
func (u URL) MarshalText() ([]byte, error) { return []byte(u.String()), nil }

// UnmarshalText takes the URL.
func (u *URL) UnmarshalText(text []byte) error {
	u.value = string(text)
	return nil
}
