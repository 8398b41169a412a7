package command

import (
	"crypto/sha256"
	"hash"

	"keyfeed/internal/event"
	"keyfeed/internal/resp"
)

const (
	// keptArgs is how many arguments of a skimmed command are kept: more than any command has before its elements, plus
	// one where that keeps pairs whole.
	keptArgs = 64
	// keptBytes is how much of each is kept: every key that an event shows, and enough of a longer one to tell that
	// it is longer.
	keptBytes = event.MaxKeyBytes + 1
	// minCommand is the least limit: MULTI, EXEC and SELECT n are shorter, so what is skimmed opens and ends no block.
	minCommand = 64
)

// skim reads a command larger than Settings.MaxCommand without holding it: it keeps the beginning of the first
// arguments, which name the command, its keys and its options, and sums up all of them. The command's events are then
// made from what was kept, and are omitted with these sums.
type skim struct {
	on       bool // a command is being skimmed
	declined bool // the command under way is one that must be held: see skimmable
	active   bool // the events being made are those of a skimmed command
	from     int  // which arguments the events leave out: all from this index on

	size  int64 // bytes taken of the command
	argc  int64
	at    int64 // index of the argument being read
	left  int64 // bytes of it still to come, CR LF included; 0: a header is being read
	num   int64
	array bool // the header is the array's

	args [][]byte // beginnings of the first arguments
	keys map[int][32]byte
	sums [4]sum // of all arguments from index i on; 0 is of the argument being read
}

// sum is the size and hash of arguments one behind the other.
type sum struct {
	bytes int64
	hash  hash.Hash
}

func (s *sum) reset() {
	s.bytes = 0
	if s.hash == nil {
		s.hash = sha256.New()
	}
	s.hash.Reset()
}

func (s *sum) add(p []byte) {
	s.bytes += int64(len(p))
	s.hash.Write(p)
}

func (s *skim) reset() {
	sums := s.sums
	*s = skim{args: s.args[:0]}
	s.sums = sums
	for i := range s.sums {
		s.sums[i].reset()
	}
}

// write takes the next bytes of a command that is known to be one.
func (s *skim) write(p []byte) {
	s.size += int64(len(p))
	for len(p) > 0 {
		if s.left > 0 {
			n := min(s.left, int64(len(p)))
			if body := min(n, s.left-2); body > 0 {
				s.body(p[:body])
			}
			p = p[n:]
			if s.left -= n; s.left == 0 {
				s.endArg()
			}
			continue
		}
		s.header(p[0])
		p = p[1:]
	}
}

func (s *skim) header(c byte) {
	switch {
	case c == '*' || c == '$':
		s.num, s.array = 0, c == '*'
	case c >= '0' && c <= '9':
		s.num = s.num*10 + int64(c-'0')
	case c == '\n' && s.array:
		s.argc = s.num
	case c == '\n':
		s.left = s.num + 2
		if s.keeps() {
			s.args = append(s.args, nil)
		}
	}
}

// keeps reports whether the beginning of the argument at hand is kept. Of very many arguments an even number is left
// away, so that a command of pairs still fits its row, or still does not.
func (s *skim) keeps() bool {
	if s.argc <= keptArgs {
		return true
	}
	return s.at < keptArgs+s.argc%2
}

func (s *skim) body(p []byte) {
	for i := range s.sums {
		if i == 0 || s.at >= int64(i) {
			s.sums[i].add(p)
		}
	}
	if s.keeps() {
		arg := &s.args[s.at]
		*arg = append(*arg, p[:min(len(p), keptBytes-len(*arg))]...)
	}
}

// endArg keeps the hash of an argument that was not kept whole: it may be a key.
func (s *skim) endArg() {
	if s.keeps() && s.sums[0].bytes > event.MaxKeyBytes {
		if s.keys == nil {
			s.keys = make(map[int][32]byte)
		}
		s.keys[int(s.at)] = [32]byte(s.sums[0].hash.Sum(nil))
	}
	s.sums[0].reset()
	s.at++
}

// skimmable reports whether the events of a command can be made from its first arguments. Not so where every argument
// may be an event of its own: such a command is held, whatever its size.
func (r *row) skimmable() bool {
	switch r.shape {
	case shapeEach, shapePairs, shapeCountedPairs, shapeWrapped, shapeScript:
		return false
	default:
		return true
	}
}

// leftOut is the index of the first argument that an omitted event of the row leaves out.
func (r *row) leftOut() int {
	switch r.shape {
	case shapeKey, shapeDelete:
		return 2
	case shapeSub:
		return 3
	default:
		return max(int(r.words), 1)
	}
}

// rowOf resolves the row of a command by its first arguments.
func (d *Decoder) rowOf(argv [][]byte) *row {
	i := find(argv[0])
	switch {
	case rows[i].shape == shapeContainer:
		i, _ = d.container(i, argv)
	case rows[i].words == 2:
		i, _ = d.subCommand(i, argv)
	}
	return &rows[i]
}

// startSkim begins to skim the command of which p is the beginning. False: it must be held.
func (d *Decoder) startSkim(p []byte) bool {
	d.skim.reset()
	d.skim.write(p)
	known := d.skim.args
	if n := len(known); n > 0 && int64(n) > d.skim.at {
		known = known[:n-1] // the last one is not whole
	}
	if len(known) == 0 {
		known = d.skim.args // the name alone is the monster: an unknown command
	}
	if len(known) == 0 || !d.rowOf(known).skimmable() {
		d.skim.reset()
		d.skim.declined = true
		return false
	}
	d.skim.on = true
	return true
}

// skimmed makes the events of the skimmed command, which has ended at Decoder.end.
func (d *Decoder) skimmed() error {
	s := &d.skim
	s.on, s.active = false, true
	err := d.command(s.args, int(s.size))
	s.active = false
	s.args = nil
	return err
}

// omitSkimmed makes e an oversize event with the sums of the skimmed command.
func (d *Decoder) omitSkimmed(e *event.Event) {
	o := &d.fit.omitted
	hasArgs := len(e.Args) > 0
	d.enc.Omit(e, o)
	if hasArgs {
		s := &d.skim.sums[d.skim.from]
		o.Bytes = s.bytes
		s.hash.Sum(o.SHA256[:0])
	}
	if !o.KeyLeft || len(e.Key) == 0 {
		return
	}
	for i, digest := range d.skim.keys {
		if len(d.skim.args[i]) > 0 && &d.skim.args[i][0] == &e.Key[0] {
			o.KeySHA256 = digest
		}
	}
}

// tooLong reports whether a command of this size is skimmed, if it can be.
func (d *Decoder) tooLong(size int) bool { return size > d.set.MaxCommand }

// resumeSkim takes from p what is left of the skimmed command.
func (d *Decoder) resumeSkim(p []byte) ([]byte, error) {
	n, kind, err := d.cut.scan.Next(p)
	if err != nil {
		return nil, d.streamError(err)
	}
	d.skim.write(p[:n])
	if kind == resp.None {
		return nil, nil
	}
	d.cut.scan.Reset()
	d.end += d.skim.size
	return p[n:], d.skimmed()
}

// overlong looks at the command at the end of the remainder, which is not whole: one that has become too long is skimmed
// from here on. A block that was being counted is streamed then: it is longer than MaxTxnBuffer too.
func (d *Decoder) overlong() error {
	r := &d.cut
	if d.skim.declined || !d.tooLong(len(r.buf)-r.cmd) || !d.startSkim(r.buf[r.cmd:]) {
		return nil
	}
	if d.block.mode == counting {
		r.arrived(d.end, d.now)
		if err := d.replay(r.buf[:r.cmd]); err != nil {
			return err
		}
	}
	r.clear()
	return nil
}
