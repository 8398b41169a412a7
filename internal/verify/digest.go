package verify

import (
	"crypto/sha256"
	"encoding/binary"
	"fmt"
	"hash"
	"math"
	"strconv"
	"strings"
)

// digest stands for bytes of any length: their SHA-256.
type digest [sha256.Size]byte

// add adds o, lane by lane: a sum of digests does not depend on their order, and unlike XOR two equal elements do not
// cancel each other.
func (d *digest) add(o digest) {
	for i := 0; i < len(d); i += 8 {
		sum := binary.LittleEndian.Uint64(d[i:]) + binary.LittleEndian.Uint64(o[i:])
		binary.LittleEndian.PutUint64(d[i:], sum)
	}
}

// digester hashes what a reader passes, with lengths, so that ("ab", "c") differs from ("a", "bc").
type digester struct{ h hash.Hash }

func newDigester() *digester { return &digester{sha256.New()} }

func (d *digester) sum() digest {
	var out digest
	d.h.Sum(out[:0])
	return out
}

func (d *digester) number(n uint64) {
	var b [8]byte
	binary.LittleEndian.PutUint64(b[:], n)
	d.h.Write(b[:])
}

// bulk takes a bulk string; its length goes behind it, as it is known only then for all callers alike.
func (d *digester) bulk(r *reader) error {
	n, err := r.hashInto(d.h)
	if err == nil {
		d.number(uint64(n))
	}
	return err
}

// text hashes the string that a command answers with; null has a digest of its own.
func (d *digester) text(r *reader) (digest, error) {
	d.h.Reset()
	err := d.bulk(r)
	return d.sum(), err
}

// ordered hashes an array of strings.
func (d *digester) ordered(r *reader) (digest, error) {
	n, err := r.array()
	if err != nil {
		return digest{}, err
	}
	d.h.Reset()
	for range n {
		if err := d.bulk(r); err != nil {
			return digest{}, err
		}
	}
	return d.sum(), nil
}

// unordered adds up the digests of elements of so many strings each.
func (d *digester) unordered(r *reader, each int) (digest, error) {
	n, err := r.groupsOf(each)
	if err != nil {
		return digest{}, err
	}
	var total digest
	for range n {
		d.h.Reset()
		for range each {
			if err := d.bulk(r); err != nil {
				return digest{}, err
			}
		}
		total.add(d.sum())
	}
	return total, nil
}

// scored hashes members and scores. Scores count as numbers: servers write the same one in different digits.
func (d *digester) scored(r *reader) (digest, error) {
	n, err := r.groupsOf(2)
	if err != nil {
		return digest{}, err
	}
	d.h.Reset()
	for range n {
		if err := d.bulk(r); err != nil {
			return digest{}, err
		}
		score, err := r.text()
		if err != nil {
			return digest{}, err
		}
		bits, err := scoreBits(score)
		if err != nil {
			return digest{}, err
		}
		d.number(bits)
	}
	return d.sum(), nil
}

// scoreBits makes equal scores equal numbers; the two zeros are equal.
func scoreBits(text string) (uint64, error) {
	f, err := strconv.ParseFloat(text, 64)
	if err != nil {
		return 0, fmt.Errorf("reading a reply: %w: a score", errProtocol)
	}
	if f == 0 {
		f = 0 // -0
	}
	return math.Float64bits(f), nil
}

// headBytes is how much of a value is kept to be shown.
const headBytes = 64

// content is one value of which only the digest and the first bytes are held.
type content struct {
	present bool
	size    int64
	sum     digest
	head    string // empty unless values are shown
}

// content reads a bulk string; null is not present.
func (d *digester) content(r *reader, show bool) (content, error) {
	n, err := r.bulk()
	if err != nil || n < 0 {
		return content{}, err
	}
	d.h.Reset()
	var head strings.Builder
	err = r.pieces(n, func(p []byte) {
		d.h.Write(p)
		if room := headBytes - head.Len(); show && room > 0 {
			head.Write(p[:min(room, len(p))])
		}
	})
	return content{present: true, size: n, sum: d.sum(), head: head.String()}, err
}

// shown is the value as it is printed; empty where values are not shown.
func (c content) shown() string {
	switch {
	case c.head == "":
		return ""
	case c.size > int64(len(c.head)):
		return fmt.Sprintf("%q… (%d bytes)", c.head, c.size)
	default:
		return strconv.Quote(c.head)
	}
}
