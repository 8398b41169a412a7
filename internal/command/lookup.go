package command

import "encoding/binary"

// maxName is the longest name that the hash takes; longer names are in no table.
const maxName = 24

const everyByte = 0x0101010101010101

// upper8 turns the ASCII letters among eight bytes to upper case. Bytes above 0x7f stay as they are.
func upper8(w uint64) uint64 {
	low := w &^ (0x80 * everyByte)
	fromA := low + (0x80-'a')*everyByte   // high bit: at least 'a'
	pastZ := low + (0x80-'z'-1)*everyByte // high bit: past 'z'
	lower := fromA &^ pastZ &^ w & (0x80 * everyByte)
	return w - lower>>2 // 0x80>>2 is the distance between the cases
}

// load packs up to eight bytes, the first one lowest.
func load(b []byte) uint64 {
	switch n := len(b); {
	case n >= 8:
		return binary.LittleEndian.Uint64(b)
	case n >= 4:
		return uint64(binary.LittleEndian.Uint32(b)) | uint64(binary.LittleEndian.Uint32(b[n-4:]))<<(8*(n-4))
	case n == 3:
		return uint64(b[0]) | uint64(b[1])<<8 | uint64(b[2])<<16
	case n == 2:
		return uint64(b[0]) | uint64(b[1])<<8
	case n == 1:
		return uint64(b[0])
	default:
		return 0
	}
}

// find gives the row index of a name in any case; 0 when there is none. It neither allocates nor compares strings.
func find(name []byte) uint8 {
	if len(name) == 0 || len(name) > maxName {
		return 0
	}
	var w [3]uint64
	w[0] = upper8(load(name))
	if len(name) > 8 {
		w[1] = upper8(load(name[8:]))
		if len(name) > 16 {
			w[2] = upper8(load(name[16:]))
		}
	}
	return findWords(w, len(name))
}

// findWords takes the length too: zero bytes pad a name and may end a hostile one.
func findWords(w [3]uint64, length int) uint8 {
	i := slots[(w[0]*mul0^w[1]*mul1^w[2]*mul2)>>slotShift]
	if rowWords[i] != w || len(rows[i].name) != length {
		return 0
	}
	return i
}

// findSub gives the row of a container command by both of its words.
func findSub(name, sub []byte) uint8 {
	var both [maxName]byte
	if len(name)+1+len(sub) > maxName {
		return 0
	}
	n := copy(both[:], name)
	both[n] = ' '
	n += 1 + copy(both[n+1:], sub)
	return find(both[:n])
}
