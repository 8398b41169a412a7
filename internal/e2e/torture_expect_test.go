//go:build e2e

package e2e

import (
	"bytes"
	"hash/fnv"
	"strconv"
	"strings"
)

// content is a hash of what an event must say of its command: name, database and key. The arguments are held by the
// comparison of the data sets.
type content uint64

func contentOf(cmd string, db int, key []byte) content {
	h := fnv.New64a()
	h.Write([]byte(cmd))
	h.Write([]byte{0})
	h.Write([]byte(strconv.Itoa(db)))
	h.Write([]byte{0})
	h.Write(key)
	return content(h.Sum64())
}

// noDB stands for the database of events that belong to none.
const noDB = -1

// expected lists what must come out for a command of the stream, in the order of seq. It is written from docs/events.md,
// for what the writers send; it is not for values that are cut because they are large.
func expected(c command) []content {
	argv := c.argv
	name := strings.ToUpper(string(argv[0]))
	one := func(cmd string, key []byte) content { return contentOf(cmd, c.db, key) }
	switch name {
	case "FLUSHDB":
		return []content{one(name, nil)}
	case "FLUSHALL", "SWAPDB":
		return []content{contentOf(name, noDB, nil)}
	case "FUNCTION":
		return []content{contentOf(name+" "+strings.ToUpper(string(argv[1])), noDB, nil)}
	case "DEL", "UNLINK":
		var all []content
		for _, key := range argv[1:] {
			all = append(all, one(name, key))
		}
		return all
	case "MSET", "MSETNX":
		var all []content
		for i := 1; i < len(argv); i += 2 {
			all = append(all, one("SET", argv[i]))
		}
		return all
	case "RENAME", "RENAMENX", "SMOVE", "LMOVE", "RPOPLPUSH":
		if !strings.HasPrefix(name, "RENAME") && bytes.Equal(argv[1], argv[2]) {
			return []content{one(name, argv[1])}
		}
		return []content{one(name, argv[1]), one(name, argv[2])}
	case "MOVE":
		return []content{one(name, argv[1]), one(name, argv[1])}
	case "COPY", "BITOP":
		return []content{one(name, argv[2])}
	case "XGROUP":
		return []content{one(name+" "+strings.ToUpper(string(argv[1])), argv[2])}
	case "SORT":
		return []content{one(name, stored(argv[2:], map[string]int{"LIMIT": 2, "BY": 1, "GET": 1}))}
	case "GEORADIUS":
		return []content{one(name, stored(argv[6:], map[string]int{"COUNT": 1}))}
	case "GEORADIUSBYMEMBER":
		return []content{one(name, stored(argv[5:], map[string]int{"COUNT": 1}))}
	}
	return []content{one(name, argv[1])}
}

// stored is the key after the last STORE or STOREDIST; skip says how many arguments follow an option.
func stored(options [][]byte, skip map[string]int) (key []byte) {
	for i := 0; i < len(options); i++ {
		word := strings.ToUpper(string(options[i]))
		if (word == "STORE" || word == "STOREDIST") && i+1 < len(options) {
			i++
			key = options[i]
			continue
		}
		i += skip[word]
	}
	return key
}
