package replay

import (
	"bytes"
	"strconv"
)

// raise moves a deadline in Unix ms that is past or near into the future.
func (r *Replayer) raise(ms int64) int64 {
	now := r.opts.Now()
	if ms < now.Add(r.opts.Near).UnixMilli() {
		return now.Add(r.opts.Far).UnixMilli()
	}
	return ms
}

// adjust rewrites the arguments of a command (without its name and, where events leave it out, without its key): it
// raises deadlines and drops key-level conditions and what only a master may send. It returns args itself when there is
// nothing to do.
func (r *Replayer) adjust(cmd string, args [][]byte) [][]byte {
	switch cmd {
	case "PEXPIREAT":
		return r.expireAt(args, 1)
	case "EXPIREAT":
		return r.expireAt(args, 1000)
	case "SET":
		return r.set(args)
	case "RESTORE", "RESTORE-ASKING":
		return r.restore(args)
	case "HPEXPIREAT":
		return r.replaceDeadline(args, 0, 1)
	case "HEXPIREAT":
		return r.replaceDeadline(args, 0, 1000)
	case "HSETEX":
		return r.hsetex(args)
	case "XADD", "XTRIM":
		return dropLimit(args)
	}
	return args
}

// replaceDeadline raises the deadline at args[i], given in units of so many ms.
func (r *Replayer) replaceDeadline(args [][]byte, i int, unit int64) [][]byte {
	if i >= len(args) {
		return args
	}
	n, err := strconv.ParseInt(string(args[i]), 10, 64)
	if err != nil || n > (1<<62)/unit {
		return args
	}
	raised := r.raise(n * unit)
	if raised == n*unit {
		return args
	}
	out := append([][]byte(nil), args...)
	out[i] = strconv.AppendInt(nil, raised/unit, 10)
	return out
}

// expireAt: deadline [NX|XX|GT|LT].
func (r *Replayer) expireAt(args [][]byte, unit int64) [][]byte {
	return r.replaceDeadline(args[:min(1, len(args))], 0, unit)
}

// set: value and options.
func (r *Replayer) set(args [][]byte) [][]byte {
	if len(args) == 1 {
		return args
	}
	out := append([][]byte(nil), args[:min(1, len(args))]...)
	for i := 1; i < len(args); i++ {
		switch word := upper(args[i]); {
		case word == "NX", word == "XX", word == "GET":
		case word == "IFEQ", word == "IFNE", word == "IFDEQ", word == "IFDNE":
			i++
		case (word == "PXAT" || word == "EXAT") && i+1 < len(args):
			unit := int64(1)
			if word == "EXAT" {
				unit = 1000
			}
			pair := r.replaceDeadline(args[i:i+2], 1, unit)
			out = append(out, pair...)
			i++
		default:
			out = append(out, args[i])
		}
	}
	return out
}

// restore: ttl payload [REPLACE] [ABSTTL] [IDLETIME s] [FREQ n].
func (r *Replayer) restore(args [][]byte) [][]byte {
	absolute := false
	for _, a := range args[min(2, len(args)):] {
		absolute = absolute || upper(a) == "ABSTTL"
	}
	if !absolute || string(args[0]) == "0" {
		return args
	}
	return r.replaceDeadline(args, 0, 1)
}

// hsetex: [NX|XX] [FNX|FXX] [PXAT ms|EXAT s|KEEPTTL] FIELDS n f v …
func (r *Replayer) hsetex(args [][]byte) [][]byte {
	var out [][]byte
	for i := 0; i < len(args); i++ {
		switch word := upper(args[i]); {
		case word == "FIELDS":
			return append(out, args[i:]...)
		case word == "NX", word == "XX", word == "FNX", word == "FXX":
		case (word == "PXAT" || word == "EXAT") && i+1 < len(args):
			unit := int64(1)
			if word == "EXAT" {
				unit = 1000
			}
			out = append(out, r.replaceDeadline(args[i:i+2], 1, unit)...)
			i++
		default:
			out = append(out, args[i])
		}
	}
	return out
}

// dropLimit leaves LIMIT n out of [NOMKSTREAM …] [MAXLEN|MINID [=|~] x [LIMIT n]] [id field value …]. The source replaces ~
// by = and the exact result, and leaves LIMIT there, which servers take from their master and refuse from clients.
func dropLimit(args [][]byte) [][]byte {
	for i := 0; i < len(args); i++ {
		switch upper(args[i]) {
		case "NOMKSTREAM", "KEEPREF", "DELREF", "ACKED":
		case "IDMPAUTO":
			i++
		case "IDMP":
			i += 2
		case "MAXLEN", "MINID":
			if i++; i < len(args) && (string(args[i]) == "=" || string(args[i]) == "~") {
				i++
			}
		case "LIMIT":
			return append(append([][]byte(nil), args[:i]...), args[min(i+2, len(args)):]...)
		default: // the id
			return args
		}
	}
	return args
}

// upper is the word in upper case; of long arguments, which are no options, the start.
func upper(b []byte) string { return string(bytes.ToUpper(b[:min(len(b), 16)])) }
