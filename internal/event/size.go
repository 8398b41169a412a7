package event

// Size is the length of what Append would append.
func (enc *Encoder) Size(e *Event) int {
	enc.scratch = enc.Append(enc.scratch[:0], e)
	size := len(enc.scratch)
	if cap(enc.scratch) > 2*enc.settings.maxBytes() {
		enc.scratch = nil // one monster is not kept for good
	}
	return size
}

// envelopeBound is more than the length of all fields without strings of unknown length.
const envelopeBound = 1024

// Bound is a cheap upper bound of Size: it looks at lengths only, except for messages.
func (enc *Encoder) Bound(e *Event) int {
	if e.Message != nil {
		return enc.Size(e)
	}
	raw := len(enc.settings.Source) + len(e.Kind) + len(e.Key) + len(e.Type) + len(e.Effect) + len(e.Cmd) +
		len(e.Cause) + len(e.Snapshot)
	count := len(e.Args) + len(e.Keys)
	for _, s := range e.Args {
		raw += len(s)
	}
	for _, s := range e.Keys {
		raw += len(s)
	}
	n := envelopeBound
	for i := range e.FieldExpires {
		raw += len(e.FieldExpires[i].Field)
		n += 24 // 20 digits, a colon
		count++
	}
	if e.Value != nil {
		n += e.Value.bound()
	}
	return n + maxEscape*raw + 3*count // two quotes and a comma each
}

// Fits reports whether e may go out as it is: its key is one that events show, and its encoded length is at most
// MaxBytes, also if the last flag of its transaction is set later.
func (enc *Encoder) Fits(e *Event) bool {
	if e.IsKey && !enc.settings.keyFits(e.Key) {
		return false
	}
	limit := enc.settings.maxBytes()
	if enc.Bound(e) <= limit {
		return true
	}
	size := enc.Size(e)
	if e.Txn != nil && !e.Txn.Last {
		size += len(txnLast)
	}
	return size <= limit
}
