package ingest

import (
	"crypto/tls"
	"fmt"
	"strings"
	"testing"
)

func TestParseURL(t *testing.T) {
	tests := []struct {
		in, network, address, user, password string
		secure                               bool
		target                               string
	}{
		{"redis://127.0.0.1:6380", "tcp", "127.0.0.1:6380", "", "", false, "redis://127.0.0.1:6380"},
		{"redis://localhost", "tcp", "localhost:6379", "", "", false, "redis://localhost:6379"},
		{"redis://[::1]:7000/", "tcp", "[::1]:7000", "", "", false, "redis://[::1]:7000"},
		{"redis://kf:s%40same@h:1", "tcp", "h:1", "kf", "s@same", false, "redis://h:1"},
		{"redis://:sesame@h", "tcp", "h:6379", "", "sesame", false, "redis://h:6379"},
		{"rediss://kf:sesame@h", "tcp", "h:6379", "kf", "sesame", true, "rediss://h:6379"},
		{"unix:///run/redis.sock", "unix", "/run/redis.sock", "", "", false, "unix:///run/redis.sock"},
		{"unix://kf:sesame@/run/redis.sock", "unix", "/run/redis.sock", "kf", "sesame", false, "unix:///run/redis.sock"},
	}
	for _, tt := range tests {
		c, err := ParseURL(tt.in)
		if err != nil {
			t.Errorf("ParseURL(%q): %v", tt.in, err)
			continue
		}
		if c.Network != tt.network || c.Address != tt.address || c.Username != tt.user || c.Password != tt.password ||
			(c.TLS != nil) != tt.secure || c.Target() != tt.target {
			t.Errorf("ParseURL(%q) = %s %s user %q password %q", tt.in, c.Network, c.Address, c.Username, c.Password)
		}
		if c.TLS != nil && (c.TLS.InsecureSkipVerify || c.TLS.ServerName != "h") {
			t.Errorf("ParseURL(%q): certificates are not checked against the host", tt.in)
		}
		if err := c.Validate(); err != nil {
			t.Errorf("ParseURL(%q) is not valid: %v", tt.in, err)
		}
	}
}

func TestParseURLRefusesWithoutTellingThePassword(t *testing.T) {
	for in, want := range map[string]string{
		"redis://kf:sesame@h:port":     "cannot be read",
		"redis://kf:sesame%zz@h":       "cannot be read",
		"redis://kf:sesame@h/3":        "replica receives all databases",
		"redis://kf:sesame@":           "has no host",
		"redis://kf:sesame@h?db=1":     "query",
		"redis://kf:sesame@h#sesame":   "fragment",
		"unix://kf:sesame@host/socket": "absolute socket path",
		"unix://kf:sesame@":            "absolute socket path",
		"http://kf:sesame@h":           "scheme \"http\"",
		"127.0.0.1:6379":               "cannot be read",
		"":                             "scheme",
	} {
		_, err := ParseURL(in)
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("ParseURL(%q) = %v, want %q", in, err, want)
			continue
		}
		if strings.Contains(err.Error(), "sesame") {
			t.Errorf("%q holds the password", err)
		}
	}
}

func TestConfigPrintsNoSecret(t *testing.T) {
	c, err := ParseURL("rediss://kf:sesame@h")
	if err != nil {
		t.Fatal(err)
	}
	for _, verb := range []string{"%v", "%+v", "%#v", "%s"} {
		if got := fmt.Sprintf(verb, c); got != "rediss://h:6379" {
			t.Errorf("%s prints %q", verb, got)
		}
		if got := fmt.Sprintf(verb, &c); strings.Contains(got, "sesame") {
			t.Errorf("%s of a pointer prints %q", verb, got)
		}
	}
	if got := c.LogValue().String(); got != "rediss://h:6379" {
		t.Errorf("logged as %q", got)
	}
}

func TestValidateReportsAll(t *testing.T) {
	c := Config{
		Network: "udp", Username: "kf", ClientName: "two words", Announce: "host:port",
		BackoffMin: 2, BackoffMax: 1, TLS: &tls.Config{MinVersion: tls.VersionTLS12},
	}
	err := c.Validate()
	if err == nil {
		t.Fatal("valid")
	}
	for _, want := range []string{"udp", "KEYFEED_SOURCE_PASSWORD", "client name", "KEYFEED_SOURCE_ANNOUNCE", "backoff"} {
		if !strings.Contains(err.Error(), want) {
			t.Errorf("%q does not speak of %s", err, want)
		}
	}
	if _, err := New(c, nil); err == nil {
		t.Error("New takes an invalid configuration")
	}
}

func TestAnnounce(t *testing.T) {
	for in, want := range map[string][2]string{
		"": {"", ""}, "0": {"", "0"}, "-1": {"", "-1"}, "70000": {"", "70000"}, "10.0.0.1:7000": {"10.0.0.1", "7000"}, "[::1]:7000": {"::1", "7000"},
	} {
		host, port, err := splitAnnounce(in)
		if err != nil || host != want[0] || port != want[1] {
			t.Errorf("splitAnnounce(%q) = %q, %q, %v", in, host, port, err)
		}
	}
}
