package resp

import "encoding/binary"

// shape remembers the headers of the commands before. Commands of a busy stream resemble each other, and a header that
// equals the one at the same place of the command before is known by one comparison. What matters more: where the next
// header stands then follows from what is remembered and not from what was just read, so the processor goes on to it
// without waiting for the bytes of this one. BenchmarkScanner in this package measures it.
type shape struct {
	head     uint64 // "*d\r\n$d\r\n": the array header and that of the name, when both have one digit
	headArgc int64
	headName int
	args     [8]slot // of the argument k at k%8, so that long lists of pairs keep their rhythm
}

// unknownShape matches nothing: a mask of 0 gives 0, which is not wanted.
func unknownShape() shape {
	var s shape
	for i := range s.args {
		s.args[i].want = 1
	}
	return s
}

// slot is one remembered argument: the CR LF of the argument before, its own header, and how far it is to its own CR LF.
type slot struct {
	mask, want uint64 // of the eight bytes from that CR LF on
	step       int
}

// whole takes a command that is all in p and regular, or gives 0 and leaves the scanner as it was. Nearly every command
// of a busy stream is taken here: the piecewise way is for the one that a read has cut.
//
// Eight bytes can be loaded wherever a header may stand: the shortest argument, with the CR LF before it, has eight.
func (s *Scanner) whole(p []byte) (n int, kind Kind) {
	if len(p) < 8 {
		return 0, None
	}
	var argc int64
	var start, i int // of the name; from the name on, i is where the CR LF of the argument before stands
	if head := binary.LittleEndian.Uint64(p); head == s.shape.head {
		argc, start = s.shape.headArgc, 8
		i = start + s.shape.headName
	} else if argc, start, i = s.head(p, head); i == 0 {
		return 0, None
	}
	end := i
	for k := int64(1); k < argc; k++ {
		if len(p)-i < 8 {
			return 0, None
		}
		word := binary.LittleEndian.Uint64(p[i:])
		known := &s.shape.args[k&7]
		if word&known.mask == known.want {
			i += known.step
			continue
		}
		if i = s.argument(p, i, known); i == 0 {
			return 0, None
		}
	}
	if len(p)-i < 2 || p[i] != '\r' || p[i+1] != '\n' {
		return 0, None
	}
	n = i + 2
	if size := end - start; size < 4 || size > maxName || nameKind(p[start:end]) == Other {
		return n, Other
	}
	var word []byte
	if argc > 1 {
		size, h := header(p[end+3:])
		word = p[end+3+h : end+3+h+int(size)]
	}
	kind, db := classify(argc, p[start:end], word)
	if kind == Select {
		s.db = db
	}
	return n, kind
}

// head reads the array header and the header of the name: the name is p[start:end]. end is 0 when they are cut, irregular
// or wrong.
func (s *Scanner) head(p []byte, word uint64) (argc int64, start, end int) {
	if p[0] != '*' {
		return 0, 0, 0
	}
	argc, h := header(p[1:])
	if h == 0 || argc == 0 || argc > s.limits.MaxArgs {
		return 0, 0, 0
	}
	size, start := s.header(p, 1+h)
	if start == 0 || size > int64(len(p)-start) {
		return 0, 0, 0
	}
	if start == 8 {
		s.shape.head, s.shape.headArgc, s.shape.headName = word, argc, int(size)
	}
	return argc, start, start + int(size)
}

// argument reads the CR LF at p[i:] and the header behind it, and remembers them when they fit in a slot. It gives the
// index of the CR LF behind the argument, or 0 when it is cut, irregular or wrong.
func (s *Scanner) argument(p []byte, i int, known *slot) int {
	if p[i] != '\r' || p[i+1] != '\n' {
		return 0
	}
	size, start := s.header(p, i+2)
	if start == 0 || size > int64(len(p)-start) {
		return 0
	}
	next := start + int(size)
	if taken := start - i; taken <= 8 {
		known.mask = ^uint64(0) >> (64 - 8*taken)
		known.want = binary.LittleEndian.Uint64(p[i:]) & known.mask
		known.step = next - i
	}
	return next
}

// header reads the header of an argument, whose $ stands at p[i]; start is the index of its first byte, or 0.
func (s *Scanner) header(p []byte, i int) (size int64, start int) {
	if i >= len(p) || p[i] != '$' {
		return 0, 0
	}
	size, h := header(p[i+1:])
	if h == 0 || size > s.limits.MaxBulk {
		return 0, 0
	}
	return size, i + 1 + h
}
