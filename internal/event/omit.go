package event

import "crypto/sha256"

// Omit makes e an oversize event: its arguments are left out, o says how many bytes they were and what their SHA-256
// is, and the cause is oversize. The key goes too if events do not show it (see [MaxKeyBytes]), or if one of Keys is such
// a key. Afterwards e fits. e refers to o; Key itself stays, for whoever routes the event.
func (enc *Encoder) Omit(e *Event, o *Omitted) {
	*o = Omitted{KeyLeft: e.IsKey && !enc.settings.keyFits(e.Key)}
	sum := sha256.New()
	for _, s := range e.Args {
		sum.Write(s)
		o.Bytes += int64(len(s))
	}
	sum.Sum(o.SHA256[:0])
	keys := 0
	for _, k := range e.Keys {
		keys += maxEscape*len(k) + 3
		o.KeyLeft = o.KeyLeft || !enc.settings.keyFits(k)
	}
	if keys > enc.settings.maxBytes()/4 { // e.Keys and e.Key together may be too much
		o.KeyLeft = true
	}
	if o.KeyLeft {
		o.KeySHA256 = sha256.Sum256(e.Key)
	}
	e.Args, e.Value, e.Omitted, e.Cause = nil, nil, o, CauseOversize
}
