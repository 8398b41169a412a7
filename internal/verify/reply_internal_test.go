package verify

import (
	"errors"
	"strings"
	"testing"
)

// readers are the ways in which replies are taken.
func readers(r *reader) map[string]func() error {
	d := newDigester()
	return map[string]func() error{
		"skip":      r.skip,
		"scalar":    func() error { _, _, err := r.scalar(); return err },
		"integer":   func() error { _, err := r.integer(); return err },
		"text":      func() error { _, err := d.text(r); return err },
		"ordered":   func() error { _, err := d.ordered(r); return err },
		"unordered": func() error { _, err := d.unordered(r, 2); return err },
		"scored":    func() error { _, err := d.scored(r); return err },
		"content":   func() error { _, err := d.content(r, true); return err },
		"scalars":   func() error { _, err := readScalars(r, func(string) bool { return true }); return err },
		"entries":   func() error { _, err := (&side{dig: d}).readEntries(r); return err },
		"owed":      func() error { _, err := readOwed(r, 0); return err },
		"time":      func() error { _, err := readTime(r); return err },
		"score":     func() error { _, err := readScore(r); return err },
	}
}

func TestBrokenRepliesAreErrors(t *testing.T) {
	tests := []struct{ reader, reply string }{
		{"skip", "?what\r\n"[:3]},
		{"skip", "$5\r\nabc"},
		{"skip", "$3\r\nabcde\r\n"},
		{"skip", strings.Repeat("*1\r\n", 100)},
		{"skip", "+no end\n"},
		{"skip", "$-2\r\n"},
		{"skip", "$99999999999\r\n"},
		{"skip", "+" + strings.Repeat("x", 1<<17) + "\r\n"},
		{"integer", "$1\r\n1\r\n"},
		{"integer", ":one\r\n"},
		{"unordered", "*3\r\n$1\r\na\r\n$1\r\nb\r\n$1\r\nc\r\n"}, // not pairs: what follows would be misread
		{"unordered", "*-1\r\n"},
		{"scored", "*2\r\n$1\r\na\r\n$3\r\nx.y\r\n"},
		{"scalars", "*1\r\n$1\r\na\r\n"},
		{"entries", "*1\r\n*3\r\n"},
		{"owed", "*1\r\n*2\r\n"},
		{"time", "*2\r\n$1\r\n1\r\n$1\r\nx\r\n"},
	}
	for _, tt := range tests {
		r := newReader(strings.NewReader(tt.reply))
		if err := readers(r)[tt.reader](); err == nil {
			t.Errorf("%s takes %.40q", tt.reader, tt.reply)
		}
	}
}

// What a server says about a command repeats its arguments, which may be values.
func TestErrorRepliesHoldNoArguments(t *testing.T) {
	r := newReader(strings.NewReader("-ERR unknown command 'HPEXPIRETIME', with args beginning with: 'secret' \r\n+OK\r\n"))
	err := r.skip()
	if reply, ok := errors.AsType[*replyError](err); !ok || !isUnknown(err) || strings.Contains(reply.text, "secret") {
		t.Errorf("error %v", err)
	}
	if err := r.skip(); err != nil {
		t.Errorf("what follows cannot be read: %v", err)
	}
}

// Digests tell apart what differs in order, number and boundaries only where that makes a difference.
func TestDigests(t *testing.T) {
	bulks := func(words ...string) string {
		var b strings.Builder
		b.WriteString("*" + string(rune('0'+len(words))) + "\r\n")
		for _, w := range words {
			b.WriteString("$" + string(rune('0'+len(w))) + "\r\n" + w + "\r\n")
		}
		return b.String()
	}
	d := newDigester()
	ordered := func(r *reader) (digest, error) { return d.ordered(r) }
	set := func(r *reader) (digest, error) { return d.unordered(r, 1) }
	hash := func(r *reader) (digest, error) { return d.unordered(r, 2) }
	zset := func(r *reader) (digest, error) { return d.scored(r) }
	tests := []struct {
		name  string
		read  func(*reader) (digest, error)
		a, b  string
		equal bool
	}{
		{"order of a list", ordered, bulks("a", "b"), bulks("b", "a"), false},
		{"boundaries", ordered, bulks("ab", "c"), bulks("a", "bc"), false},
		{"empty elements", ordered, bulks("", "a"), bulks("a", ""), false},
		{"order of a set", set, bulks("a", "b"), bulks("b", "a"), true},
		{"twice the same is not nothing", set, bulks("a", "a", "b"), bulks("b"), false},
		{"order of a hash", hash, bulks("f", "v", "g", "w"), bulks("g", "w", "f", "v"), true},
		{"values change places", hash, bulks("f", "v", "g", "w"), bulks("f", "w", "g", "v"), false},
		{"field and value change places", hash, bulks("f", "v"), bulks("v", "f"), false},
		{"digits of a score", zset, bulks("m", "1.5"), bulks("m", "15e-1"), true},
		{"zeros", zset, bulks("m", "-0"), bulks("m", "0"), true},
		{"infinities", zset, bulks("m", "inf"), bulks("m", "-inf"), false},
	}
	for _, tt := range tests {
		a, errA := tt.read(newReader(strings.NewReader(tt.a)))
		b, errB := tt.read(newReader(strings.NewReader(tt.b)))
		if errA != nil || errB != nil || (a == b) != tt.equal {
			t.Errorf("%s: equal is %v, want %v (%v, %v)", tt.name, a == b, tt.equal, errA, errB)
		}
	}
}

// No bytes make a reader panic, or go on for ever.
func FuzzReplies(f *testing.F) {
	f.Add("*2\r\n$1\r\na\r\n*1\r\n:5\r\n")
	f.Add("*2\r\n$3\r\n1-1\r\n*2\r\n$1\r\nf\r\n$-1\r\n")
	f.Add("$1000000000\r\nabc")
	f.Add("*1000000000\r\n:1\r\n")
	f.Add("-ERR no\r\n")
	f.Fuzz(func(_ *testing.T, data string) {
		for name := range readers(nil) {
			r := newReader(strings.NewReader(data))
			read := readers(r)[name]
			// Each reply takes bytes, so there are fewer replies than bytes.
			for range len(data) + 1 {
				if err := read(); err != nil {
					if _, ok := errors.AsType[*replyError](err); !ok {
						break
					}
				}
			}
		}
	})
}
