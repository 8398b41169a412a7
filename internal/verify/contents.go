package verify

const (
	// budget is how many bytes one command should make a server send.
	budget = 256 << 10
	// smallElements is how many elements a collection may have to be read by one command.
	smallElements = 512
	// roundBytes is how much the commands of one round should make a server send. It holds the answers until they are read.
	roundBytes = 1 << 20
)

// isSmall reports whether both values can be read by one command, and their digests alone say whether they are equal.
func isSmall(a, b *look) bool {
	if a.size != b.size || a.changed || b.changed {
		return false
	}
	switch a.kind {
	case kindString:
		return a.size <= budget
	case kindHash:
		return a.plain && b.plain && a.size <= smallElements && a.bytes <= budget
	case kindList, kindSet, kindZset:
		return a.size <= smallElements && a.bytes <= budget
	}
	return false
}

// weight is about how many bytes reading the key makes a server send.
func (l *look) weight() int64 {
	if l.kind == kindString {
		return l.size
	}
	return max(l.bytes, 16*l.size)
}

// contents reads the values of which whole, through a digest.
func (d *side) contents(refs []ref, looks []look, which []int) error {
	for _, i := range which {
		l, key := &looks[i], refs[i].key
		take := func(read func(*reader) (digest, error)) func(*reader) error {
			return tolerant(&l.changed, func(r *reader) (err error) {
				l.sum, err = read(r)
				return err
			})
		}
		switch l.kind {
		case kindString:
			d.data.do(take(d.dig.text), "GET", key)
		case kindList:
			d.data.do(take(d.dig.ordered), "LRANGE", key, "0", "-1")
		case kindSet:
			d.data.do(take(func(r *reader) (digest, error) { return d.dig.unordered(r, 1) }), "SMEMBERS", key)
		case kindHash:
			d.data.do(take(func(r *reader) (digest, error) { return d.dig.unordered(r, 2) }), "HGETALL", key)
		case kindZset:
			d.data.do(take(d.dig.scored), "ZRANGE", key, "0", "-1", "WITHSCORES")
		}
	}
	return d.data.flush()
}
