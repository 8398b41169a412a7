package nats

import (
	"fmt"
	"strconv"
	"strings"

	"keyfeed/internal/change"
)

// maxBuckets bounds N of {hash:N}: each is a subject that the server remembers.
const maxBuckets = 65536

// maxCachedDBs bounds the subjects kept ready per database. A source with more databases costs an allocation a record.
const maxCachedDBs = 64

// template is a parsed Config.Subject. See the package documentation for its language.
type template struct {
	prefix  string // the leading tokens that are the same for every record; stream and control subjects start with it
	pieces  []piece
	buckets uint64 // N of {hash:N}; 0 without
	hasKey  bool   // {key} is the last token
}

// piece is text, or a place where a record's own text goes.
type piece struct {
	text string
	kind pieceKind
}

type pieceKind uint8

const (
	pieceText pieceKind = iota
	pieceDB
	pieceHash
	pieceKey
)

func parseTemplate(text, source string) (*template, error) {
	t := &template{}
	fail := func(format string, args ...any) (*template, error) {
		return nil, fmt.Errorf("subject %q: "+format, append([]any{text}, args...)...)
	}
	var fixed []string
	tokens := strings.Split(strings.ReplaceAll(text, "{source}", source), ".")
	for i, token := range tokens {
		varies := strings.Contains(token, "{")
		if token == "" || strings.ContainsFunc(token, isForeign) {
			return fail("token %q: use letters, digits, _ and -, and {source}, {db}, {hash:N}, {key}", token)
		}
		if !varies && len(fixed) == i {
			fixed = append(fixed, token)
		}
		if i > 0 {
			t.pieces = append(t.pieces, piece{text: "."})
		}
		if err := t.parseToken(token, i == len(tokens)-1); err != nil {
			return fail("%w", err)
		}
	}
	switch {
	case len(fixed) == 0:
		return fail("start with a token without {db}, {hash:N} and {key}: the stream takes all subjects below it")
	case len(fixed) == len(tokens):
		return fail("put {db}, {hash:N} or {key} behind the first tokens: _ctl stands beside it")
	case t.hasKey && len(fixed) == len(tokens)-1:
		return fail("put {db} or {hash:N} before {key}: a key may be called _ctl")
	}
	t.prefix = strings.Join(fixed, ".")
	return t, nil
}

// isForeign reports whether c may not stand in a template. NATS itself gives meaning to dots, stars, > and $.
func isForeign(c rune) bool {
	return !strings.ContainsRune("ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789_-{:}", c)
}

func (t *template) parseToken(token string, last bool) error {
	for rest := token; rest != ""; {
		text, after, isPlace := strings.Cut(rest, "{")
		if text != "" {
			if strings.ContainsAny(text, ":}") {
				return fmt.Errorf("token %q: a { is missing", token)
			}
			t.pieces = append(t.pieces, piece{text: text})
		}
		if !isPlace {
			return nil
		}
		name, remaining, closed := strings.Cut(after, "}")
		number, isHash := strings.CutPrefix(name, "hash:")
		switch {
		case !closed:
			return fmt.Errorf("token %q: a } is missing", token)
		case name == "db":
			t.pieces = append(t.pieces, piece{kind: pieceDB})
		case name == "key":
			if token != "{key}" || !last {
				return fmt.Errorf("{key} must be the last token, alone")
			}
			t.pieces, t.hasKey = append(t.pieces, piece{kind: pieceKey}), true
		case isHash:
			n, err := strconv.ParseUint(number, 10, 32)
			if err != nil || n < 1 || n > maxBuckets || t.buckets > 0 && t.buckets != n {
				return fmt.Errorf("{%s}: use one number of 1 to %d", name, maxBuckets)
			}
			t.pieces, t.buckets = append(t.pieces, piece{kind: pieceHash}), n
		default:
			return fmt.Errorf("{%s} is unknown: use {source}, {db}, {hash:N} or {key}", name)
		}
		rest = remaining
	}
	return nil
}

// filter is the subject that the stream takes: everything below the prefix.
func (t *template) filter() string { return t.prefix + ".>" }

// subjects makes the subjects of records. It is not safe for use by several goroutines.
type subjects struct {
	template *template
	keyed    map[int32][]string // without {key}: by database and bucket, filled as they are needed
	control  map[string]string  // by kind; kinds are constants, so these are few
	buf      []byte
}

func newSubjects(t *template) *subjects {
	return &subjects{template: t, keyed: map[int32][]string{}, control: map[string]string{}}
}

// of returns the subject of r. It allocates once per database, bucket and kind, with {key} once per record.
func (s *subjects) of(r *change.Record) string {
	if r.Route == change.RouteBroadcast || r.Kind != "" {
		return s.controlSubject(r.Kind)
	}
	if s.template.hasKey {
		return string(s.build(r.DB, s.bucket(r.Key), r.Key))
	}
	bucket := s.bucket(r.Key)
	known, ok := s.keyed[r.DB]
	if !ok {
		if len(s.keyed) >= maxCachedDBs {
			return string(s.build(r.DB, bucket, nil))
		}
		known = make([]string, max(s.template.buckets, 1))
		s.keyed[r.DB] = known
	}
	if known[bucket] == "" {
		known[bucket] = string(s.build(r.DB, bucket, nil))
	}
	return known[bucket]
}

func (s *subjects) controlSubject(kind string) string {
	if kind == "" {
		kind = "event"
	}
	subject, ok := s.control[kind]
	if !ok {
		subject = s.template.prefix + "._ctl." + kind
		s.control[kind] = subject
	}
	return subject
}

func (s *subjects) bucket(key []byte) uint64 {
	if s.template.buckets == 0 {
		return 0
	}
	return fnv1a(key) % s.template.buckets
}

func (s *subjects) build(db int32, bucket uint64, key []byte) []byte {
	b := s.buf[:0]
	for _, p := range s.template.pieces {
		switch p.kind {
		case pieceDB:
			b = strconv.AppendInt(b, int64(db), 10)
		case pieceHash:
			b = strconv.AppendUint(b, bucket, 10)
		case pieceKey:
			b = appendKey(b, key)
		default:
			b = append(b, p.text...)
		}
	}
	s.buf = b
	return b
}

// fnv1a is the 64-bit FNV-1a hash, part of the contract with consumers: {hash:N} is this modulo N, in decimal.
func fnv1a(p []byte) uint64 {
	h := uint64(14695981039346656037)
	for _, c := range p {
		h ^= uint64(c)
		h *= 1099511628211
	}
	return h
}
