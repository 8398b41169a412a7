package resp

// Scanner finds the ends of commands in a stream that comes in pieces. It has a fixed size and keeps no body.
//
// It is used by one goroutine. After an error it must be reset.
type Scanner struct {
	limits Limits
	state  state
	num    number // of the header being read
	argc   int64  // arguments of the command
	left   int64  // arguments of it that have not ended
	body   int64  // bytes of the argument that are still to come, its CR LF included
	total  int64  // bytes taken since Reset
	db     int

	// The first two arguments, kept only as far as they can name a command that matters; size is their full length.
	name, word         [maxWord]byte
	nameSize, wordSize int64
}

type state uint8

const (
	atStart state = iota // before a command
	inCount              // in the array header, after *
	atBulk               // before the $ of an argument
	inSize               // in the header of an argument, after $
	inBody               // in an argument or in the CR LF behind it
)

// NewScanner makes a scanner that stands before a command.
func NewScanner(limits Limits) *Scanner {
	return &Scanner{limits: limits.withDefaults()}
}

// Reset puts the scanner before a command and sets the count of taken bytes to zero.
func (s *Scanner) Reset() { *s = Scanner{limits: s.limits} }

// Between reports whether the scanner stands between two commands.
func (s *Scanner) Between() bool { return s.state == atStart }

// Total is the number of bytes taken since Reset.
func (s *Scanner) Total() int64 { return s.total }

// DB is the database that the last Select named.
func (s *Scanner) DB() int { return s.db }

// Next takes bytes from p up to and including the end of the next command: n bytes, and what command it was. When p
// ends inside the command, n is len(p) and kind is [None]; the next call goes on with the bytes that follow.
//
// An error is a [*ProtocolError], whose offset counts from Reset: the same bytes give the same ends and the same error
// however they are cut.
func (s *Scanner) Next(p []byte) (n int, kind Kind, err error) {
	if s.state == atStart {
		if n, kind = s.whole(p); n > 0 {
			s.total += int64(n)
			return n, kind, nil
		}
	}
	return s.piecewise(p)
}

// whole takes a command that is all in p and regular, or gives 0 and leaves the scanner as it was. Nearly every command
// of a busy stream is taken here: the piecewise way is for the one that a read has cut.
func (s *Scanner) whole(p []byte) (n int, kind Kind) {
	if len(p) < 4 || p[0] != '*' {
		return 0, None
	}
	argc, h := header(p[1:])
	if h == 0 || argc == 0 || argc > s.limits.MaxArgs {
		return 0, None
	}
	first := 1 + h
	start, after := bulk(p, first, s.limits.MaxBulk)
	if after == 0 {
		return 0, None
	}
	name := p[start : after-2]
	n = after
	for left := argc - 1; left > 0; left-- {
		if _, n = bulk(p, n, s.limits.MaxBulk); n == 0 {
			return 0, None
		}
	}
	if len(name) < 4 || len(name) > maxName || nameKind(name) == Other {
		return n, Other
	}
	var word []byte
	if argc > 1 {
		from, to := bulk(p, after, s.limits.MaxBulk)
		word = p[from : to-2]
	}
	kind, db := classify(argc, name, word)
	if kind == Select {
		s.db = db
	}
	return n, kind
}

// bulk finds the argument whose $ stands at p[i]: its bytes are p[start:after-2]. after is 0 when the argument is cut,
// irregular or wrong.
func bulk(p []byte, i int, limit int64) (start, after int) {
	if len(p)-i < 5 || p[i] != '$' {
		return 0, 0
	}
	var size int64
	if p[i+2] == '\r' { // one digit
		size, start = int64(p[i+1]-'0'), i+4
		if size > 9 || p[i+3] != '\n' {
			return 0, 0
		}
	} else {
		var h int
		if size, h = header(p[i+1:]); h == 0 {
			return 0, 0
		}
		start = i + 1 + h
	}
	if size > limit || size > int64(len(p)-start-2) {
		return 0, 0
	}
	after = start + int(size) + 2
	if p[after-2] != '\r' || p[after-1] != '\n' {
		return 0, 0
	}
	return start, after
}
