package event

// MaxKeyBytes is the longest key that an event shows. A longer one is left out with everything that belongs to it, and
// its SHA-256 stands in the event: a broker takes the key a second time, as the record's key, within the same limit.
//
// A key whose encoded form is more than half of [Settings.MaxBytes] is treated the same, so that every part of a value
// has room for some of it. With the default of MaxBytes no key up to MaxKeyBytes is.
const MaxKeyBytes = 64 << 10

// MinMaxBytes is the least that [Settings.MaxBytes] can be; smaller values count as this.
const MinMaxBytes = 4 << 10

// Settings are what the bytes of an event depend on besides the change itself. Where events are numbered by them
// (a snapshot being published) they are stored, and a decoder that continues uses the stored ones.
type Settings struct {
	Source       string // source.name
	MaxBytes     int    // largest encoded event in bytes, envelope included
	BinaryAlways bool   // args, keys and value are base64 even where they are text
}

func (s Settings) maxBytes() int { return max(s.MaxBytes, MinMaxBytes) }

// keyFits reports whether events show this key.
func (s Settings) keyFits(key []byte) bool {
	limit := s.maxBytes() / 2
	switch {
	case len(key) > MaxKeyBytes:
		return false
	case maxEscape*len(key)+2 <= limit:
		return true
	}
	n, isText := textLen(key)
	if !isText {
		n = base64Len(len(key))
	}
	return n+2 <= limit
}
