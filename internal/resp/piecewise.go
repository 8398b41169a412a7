package resp

// piecewise goes on from any state, byte by byte in headers and in one step through bodies.
func (s *Scanner) piecewise(p []byte) (n int, kind Kind, err error) {
	i := 0
	for i < len(p) {
		var done bool
		var took int
		switch s.state {
		case atStart:
			took, done, err = s.start(p[i])
		case inCount:
			took, done, err = s.count(p[i])
		case atBulk:
			took, done, err = s.arguments(p[i:])
		case inSize:
			took, err = s.size(p[i])
		case inBody:
			took, done, err = s.through(p[i:])
		}
		i += took
		s.total += int64(took)
		if err != nil {
			return i, None, err
		}
		if done {
			return i, s.end(), nil
		}
	}
	return i, None, nil
}

func (s *Scanner) fail(msg string) error { return &ProtocolError{Offset: s.total, Msg: msg} }

func (s *Scanner) start(b byte) (took int, done bool, err error) {
	s.argc, s.left, s.nameSize, s.wordSize, s.num = 0, 0, 0, 0, number{}
	switch b {
	case '\n':
		return 1, true, nil
	case '*':
		s.state = inCount
		return 1, false, nil
	default:
		return 0, false, s.fail(msgStart)
	}
}

func (s *Scanner) count(b byte) (took int, done bool, err error) {
	done, msg := s.num.step(b, s.limits.MaxArgs, true)
	switch {
	case msg != "":
		return 0, false, headerError(s.total, msg, true)
	case !done:
		return 1, false, nil
	case s.num.neg || s.num.val == 0:
		return 1, true, nil
	}
	s.argc, s.left = s.num.val, s.num.val
	s.state = atBulk
	return 1, false, nil
}

// arguments takes the $ of the next argument, or all arguments that are whole in p: a command of a million small
// arguments goes through many reads, and only one argument of each read is cut.
func (s *Scanner) arguments(p []byte) (took int, done bool, err error) {
	if s.argc-s.left >= 2 {
		for s.left > 0 {
			after := s.skip(p, took)
			if after == 0 {
				break
			}
			took = after
			s.left--
		}
		if took > 0 {
			return took, s.left == 0, nil
		}
	}
	if p[0] != '$' {
		return 0, false, s.fail(msgBulk)
	}
	s.num = number{}
	s.state = inSize
	return 1, false, nil
}

// skip gives the index behind the argument whose $ stands at p[i], or 0 when it is cut, irregular or wrong.
func (s *Scanner) skip(p []byte, i int) int {
	size, start := s.header(p, i)
	if start == 0 || size > int64(len(p)-start)-2 {
		return 0
	}
	end := start + int(size)
	if p[end] != '\r' || p[end+1] != '\n' {
		return 0
	}
	return end + 2
}

func (s *Scanner) size(b byte) (took int, err error) {
	done, msg := s.num.step(b, s.limits.MaxBulk, false)
	if msg != "" {
		return 0, headerError(s.total, msg, false)
	}
	if done {
		s.body = s.num.val + 2
		s.state = inBody
		switch s.argc - s.left {
		case 0:
			s.nameSize = s.num.val
		case 1:
			s.wordSize = s.num.val
		}
	}
	return 1, nil
}

// through takes as much of the argument and of its CR LF as p holds.
func (s *Scanner) through(p []byte) (took int, done bool, err error) {
	switch {
	case s.body > 2:
		n := min(int64(len(p)), s.body-2)
		s.keep(p[:n])
		s.body -= n
		return int(n), false, nil
	case s.body == 2 && p[0] == '\r':
		s.body = 1
		return 1, false, nil
	case s.body == 1 && p[0] == '\n':
		s.body = 0
		s.left--
		s.state = atBulk
		return 1, s.left == 0, nil
	default:
		return 0, false, s.fail(msgBodyEnd)
	}
}

// keep copies what p holds of the first two arguments.
func (s *Scanner) keep(p []byte) {
	switch s.argc - s.left {
	case 0:
		keepAt(&s.name, s.nameSize, s.body, p)
	case 1:
		keepAt(&s.word, s.wordSize, s.body, p)
	}
}

// keepAt copies p to its place in an argument of the given size, of which body-2 bytes are still to come.
func keepAt(dst *[maxWord]byte, size, body int64, p []byte) {
	if size <= maxWord {
		copy(dst[size-(body-2):], p)
	}
}

// end names the command that has ended and puts the scanner before the next one.
func (s *Scanner) end() Kind {
	s.state = atStart
	switch {
	case s.argc == 0:
		return Empty
	case s.nameSize > maxWord:
		return Other
	}
	var word []byte
	if s.argc > 1 && s.wordSize <= maxWord {
		word = s.word[:s.wordSize]
	}
	kind, db := classify(s.argc, s.name[:s.nameSize], word)
	if kind == Select {
		s.db = db
	}
	return kind
}
