package event

import "strconv"

// AppendID appends the id of e: "G:O:S", zero-padded to 10, 20 and 10 digits, so that the text order of ids is the order
// of the source; for the kinds history and heartbeat, which stand outside the order, "G:O:history:<new replid>" and
// "G:O:heartbeat:<ms>".
func AppendID(dst []byte, e *Event) []byte {
	dst = appendPadded(dst, e.Gen, 10)
	dst = append(dst, ':')
	dst = appendPadded(dst, uint64(e.Offset), 20)
	return appendIDEnd(dst, e)
}

// appendIDEnd appends what follows the offset.
func appendIDEnd(dst []byte, e *Event) []byte {
	if e.Op == OpMessage {
		switch e.Kind {
		case KindHistory:
			dst = append(dst, ":history:"...)
			if h, ok := e.Message.(History); ok {
				dst = append(dst, h.ReplID...)
			}
			return dst
		case KindHeartbeat:
			return strconv.AppendInt(append(dst, ":heartbeat:"...), e.TsMs, 10)
		}
	}
	return appendPadded(append(dst, ':'), uint64(e.Seq), 10)
}
