package nats

import (
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"strings"
	"testing"

	"pgregory.net/rapid"

	"keyfeed/internal/change"
)

func mustParse(t *testing.T, text string) *template {
	t.Helper()
	parsed, err := parseTemplate(text, "prod-1")
	if err != nil {
		t.Fatal(err)
	}
	return parsed
}

func TestSubjectOfRecord(t *testing.T) {
	keyed := func(key string) change.Record { return change.Record{Key: []byte(key), DB: 3} }
	tests := []struct {
		template string
		record   change.Record
		want     string
	}{
		{DefaultSubject, keyed("user:1"), "keyfeed.prod-1.3.235"},
		{DefaultSubject, keyed(""), "keyfeed.prod-1.3.37"},
		{"keyfeed.{source}.{db}.{key}", keyed("user:1:profile"), "keyfeed.prod-1.3.user.1.profile"},
		{"keyfeed.{source}.{db}.{key}", keyed(""), "keyfeed.prod-1.3.%"},
		{"keyfeed.{source}.{db}.{key}", keyed(":a::"), "keyfeed.prod-1.3.%.a.%.%"},
		{"keyfeed.{source}.{db}.{key}", keyed("a.b*>\x00\xffé %{}_=/~-"), "keyfeed.prod-1.3.a%2Eb%2A%3E%00%FF%C3%A9%20%25%7B%7D_=/~-"},
		{"cdc-{source}.db{db}.h{hash:1}.x", keyed("k"), "cdc-prod-1.db3.h0.x"},
		{"a.{db}", keyed("k"), "a.3"},
		{DefaultSubject, change.Record{Kind: "truncate", DB: 0}, "keyfeed.prod-1._ctl.truncate"},
		{DefaultSubject, change.Record{Route: change.RouteBroadcast, Kind: "heartbeat", DB: -1}, "keyfeed.prod-1._ctl.heartbeat"},
		{DefaultSubject, change.Record{Key: []byte("news"), Kind: "publish", DB: -1}, "keyfeed.prod-1._ctl.publish"},
		{"x.y.{db}.{key}", change.Record{Route: change.RouteBroadcast, DB: -1}, "x.y._ctl.event"},
	}
	for _, tt := range tests {
		s := newSubjects(mustParse(t, tt.template))
		for range 2 { // the second comes from the cache
			if got := s.of(&tt.record); got != tt.want {
				t.Errorf("%s of key %q is %s, want %s", tt.template, tt.record.Key, got, tt.want)
			}
		}
	}
}

func TestTemplateRefuses(t *testing.T) {
	for _, text := range []string{
		"", ".", "keyfeed", "keyfeed.{source}", "{db}.x", "{hash:4}.{db}", "a..{db}", "a.{db}.", "a.*.{db}", "a.>", "$JS.{db}",
		"a b.{db}", "a.{key}", "{source}.{key}", "a.{db}.x{key}", "a.{db}.{key}.b", "a.{hash:0}", "a.{hash:65537}", "a.{hash:}",
		"a.{hash:x}", "a.{hash:2}.{hash:3}", "a.{topic}", "a.{db", "a.db}", "a.{db}}", "a.{{db}}", "ä.{db}", "a:b.{db}",
	} {
		if parsed, err := parseTemplate(text, "s"); err == nil {
			t.Errorf("parseTemplate(%q) gave no error, but %+v", text, parsed)
		}
	}
}

func TestTemplatePrefix(t *testing.T) {
	for text, want := range map[string]string{
		DefaultSubject: "keyfeed.prod-1.>", "a.{db}": "a.>", "a.b.c.{hash:8}.{key}": "a.b.c.>", "a.x{db}.b": "a.>",
	} {
		if got := mustParse(t, text).filter(); got != want {
			t.Errorf("%s takes %s, want %s", text, got, want)
		}
	}
}

// TestFNV1a holds the hash to its published test vectors: consumers compute it too.
func TestFNV1a(t *testing.T) {
	for text, want := range map[string]uint64{"": 0xcbf29ce484222325, "a": 0xaf63dc4c8601ec8c, "foobar": 0x85944171f73967e8} {
		if got := fnv1a([]byte(text)); got != want {
			t.Errorf("fnv1a(%q) = %#x, want %#x", text, got, want)
		}
	}
}

func TestHashedSubjectDoesNotAllocate(t *testing.T) {
	s := newSubjects(mustParse(t, DefaultSubject))
	r := &change.Record{Key: []byte("user:1"), DB: 1}
	s.of(r)
	if n := testing.AllocsPerRun(100, func() { s.of(r) }); n != 0 {
		t.Errorf("the subject of a record allocates %v times", n)
	}
}

func TestManyDatabasesAreNotCached(t *testing.T) {
	s := newSubjects(mustParse(t, "a.{db}"))
	for db := range int32(3 * maxCachedDBs) {
		s.of(&change.Record{DB: db})
	}
	if len(s.keyed) > maxCachedDBs {
		t.Errorf("%d databases are cached, want at most %d", len(s.keyed), maxCachedDBs)
	}
}

// undoKey is the inverse of appendKey for subjects that are not cut.
func undoKey(tail string) ([]byte, error) {
	var key []byte
	for i, token := range strings.Split(tail, ".") {
		if i > 0 {
			key = append(key, ':')
		}
		if token == "%" {
			continue
		}
		for j := 0; j < len(token); j++ {
			if token[j] != '%' {
				key = append(key, token[j])
				continue
			}
			if j+2 >= len(token) {
				return nil, errors.New("half an escape")
			}
			b, err := hex.DecodeString(token[j+1 : j+3])
			if err != nil {
				return nil, err
			}
			key, j = append(key, b...), j+2
		}
	}
	return key, nil
}

func checkKeySubject(t interface{ Fatalf(string, ...any) }, prefix string, key []byte) {
	subject := string(appendKey([]byte(prefix), key))
	tail, ok := strings.CutPrefix(subject, prefix)
	switch {
	case len(subject) > maxSubject:
		t.Fatalf("subject of %d bytes", len(subject))
	case strings.ContainsAny(subject, " *>\t\r\n\x00") || strings.Contains(subject, "..") || strings.HasSuffix(subject, "."):
		t.Fatalf("NATS does not take %q", subject)
	case !ok && !strings.HasPrefix(subject, strings.TrimSuffix(prefix, ".")+".%~"):
		t.Fatalf("%q does not begin with %q", subject, prefix)
	}
	sum := sha256.Sum256(key)
	mark := ".%~" + hex.EncodeToString(sum[:])[:32]
	if kept, isCut := strings.CutSuffix("."+tail, mark); isCut && len(key) > 100 {
		whole, err := undoKey(strings.TrimPrefix(kept, "."))
		if kept != "" && (err != nil || !bytes.HasPrefix(key, append(whole, ':'))) {
			t.Fatalf("cut subject %q does not begin with whole tokens of %q", subject, key)
		}
		return
	}
	if back, err := undoKey(tail); err != nil || !bytes.Equal(back, key) {
		t.Fatalf("key %q became %q, which reads back as %q, %v", key, subject, back, err)
	}
}

func TestKeySubjectCanBeUndone(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		key := []byte(rapid.SampledFrom([]string{"", "user:", ":"}).Draw(t, "start"))
		key = append(key, bytes.Repeat(rapid.SliceOfN(rapid.Byte(), 0, 12).Draw(t, "bytes"), rapid.IntRange(0, 90).Draw(t, "times"))...)
		checkKeySubject(t, "keyfeed.redis.0.", key)
	})
}

func TestKeySubjectIsCutAtWholeTokens(t *testing.T) {
	const prefix = "p."
	token := strings.Repeat("t", 100)
	key := []byte(strings.Join([]string{token, token, token, token, token, token}, ":"))
	sum := sha256.Sum256(key)
	want := prefix + strings.Join([]string{token, token, token, token}, ".") + ".%~" + hex.EncodeToString(sum[:16])
	if got := string(appendKey([]byte(prefix), key)); got != want {
		t.Errorf("got %s, want %s", got, want)
	}
	for _, n := range []int{maxSubject - len(prefix), maxSubject - len(prefix) + 1} {
		got := string(appendKey([]byte(prefix), bytes.Repeat([]byte("x"), n)))
		if isCut := strings.Contains(got, "%~"); isCut != (n > maxSubject-len(prefix)) {
			t.Errorf("a key of %d bytes gave a subject of %d, cut: %t", n, len(got), isCut)
		}
	}
}

func FuzzKeySubject(f *testing.F) {
	f.Add([]byte("user:1:profile"))
	f.Add([]byte(""))
	f.Add(bytes.Repeat([]byte(":\xff."), 200))
	f.Fuzz(func(t *testing.T, key []byte) { checkKeySubject(t, "keyfeed.redis.0.", key) })
}
