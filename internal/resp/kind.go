package resp

import "encoding/binary"

// Kind is what framing has to know about a command.
type Kind uint8

// The kinds.
const (
	None   Kind = iota // no command ended
	Other              // any command but the following
	Empty              // an array without arguments, or a bare LF
	Ping               // PING
	Select             // SELECT n
	Multi              // MULTI
	Exec               // EXEC
	GetAck             // REPLCONF GETACK …
)

// maxName and maxWord bound the first and the second argument that can make a command other than Other.
const (
	maxName = len("REPLCONF")
	maxWord = 10 // digits of the largest database number; GETACK is shorter
)

// Classify names a command by its arguments; db is the database of a Select.
//
// Names are compared without regard to case, as servers do: "ping" comes in lower case. MULTI and EXEC with arguments,
// and SELECT of anything but a database number, are Other: a server refuses them, so they have no effect.
func Classify(args [][]byte) (kind Kind, db int) {
	if len(args) == 0 {
		return Empty, 0
	}
	var word []byte
	if len(args) > 1 {
		word = args[1]
	}
	return classify(int64(len(args)), args[0], word)
}

func classify(argc int64, name, word []byte) (kind Kind, db int) {
	kind = nameKind(name)
	switch {
	case kind == Ping:
		return Ping, 0
	case (kind == Multi || kind == Exec) && argc == 1:
		return kind, 0
	case kind == Select && argc == 2:
		if n, ok := database(word); ok {
			return Select, n
		}
	case kind == GetAck && argc > 1 && isGetAck(word):
		return GetAck, 0
	}
	return Other, 0
}

// nameKind maps a command name to the kind that it may have; GetAck stands for REPLCONF. Setting bit 5 folds the case
// of letters and makes no other byte a letter.
func nameKind(name []byte) Kind {
	const fold32, fold64 = 0x20202020, 0x2020202020202020
	switch len(name) {
	case 4:
		switch binary.BigEndian.Uint32(name) | fold32 {
		case 'p'<<24 | 'i'<<16 | 'n'<<8 | 'g':
			return Ping
		case 'e'<<24 | 'x'<<16 | 'e'<<8 | 'c':
			return Exec
		}
	case 5:
		if binary.BigEndian.Uint32(name)|fold32 == 'm'<<24|'u'<<16|'l'<<8|'t' && name[4]|0x20 == 'i' {
			return Multi
		}
	case 6:
		if binary.BigEndian.Uint32(name)|fold32 == 's'<<24|'e'<<16|'l'<<8|'e' && name[4]|0x20 == 'c' && name[5]|0x20 == 't' {
			return Select
		}
	case 8:
		if binary.BigEndian.Uint64(name)|fold64 == 'r'<<56|'e'<<48|'p'<<40|'l'<<32|'c'<<24|'o'<<16|'n'<<8|'f' {
			return GetAck
		}
	}
	return Other
}

func isGetAck(word []byte) bool {
	if len(word) != 6 {
		return false
	}
	const getack = "getack"
	for i, b := range word {
		if b|0x20 != getack[i] {
			return false
		}
	}
	return true
}

// database reads the argument of SELECT: canonical decimal, at most 2^31-1 (db.c, selectCommand reads an int).
func database(word []byte) (n int, ok bool) {
	if len(word) == 0 || len(word) > maxWord || word[0] == '0' && len(word) > 1 {
		return 0, false
	}
	var v int64
	for _, b := range word {
		if b < '0' || b > '9' {
			return 0, false
		}
		v = v*10 + int64(b-'0')
	}
	if v > 1<<31-1 {
		return 0, false
	}
	return int(v), true
}
