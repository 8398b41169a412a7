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

	shape shape // of the commands before, see whole
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
	return &Scanner{limits: limits.withDefaults(), shape: unknownShape()}
}

// Reset puts the scanner before a command and sets the count of taken bytes to zero.
func (s *Scanner) Reset() { *s = Scanner{limits: s.limits, shape: s.shape} }

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

// Skip takes the commands of kind [Other] at the start of p, as long as they are whole in p, and gives the number of
// their bytes; 0 says nothing about what is there: Next does. It is Next for many commands in one call.
func (s *Scanner) Skip(p []byte) (n int) {
	if s.state != atStart {
		return 0
	}
	for {
		took, kind := s.whole(p[n:])
		if kind != Other {
			break
		}
		n += took
	}
	s.total += int64(n)
	return n
}
