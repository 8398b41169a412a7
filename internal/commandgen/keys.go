package commandgen

import (
	"fmt"
	"strings"
)

// keysPerKind is how many keys a kind has in each database: few, so that calls meet.
const keysPerKind = 4

// kindOf says which keys the commands of a group work on. Generic commands take any.
func kindOf(group string) string {
	switch group {
	case "string":
		return "str"
	case "bitmap":
		return "bits"
	case "hyperloglog":
		return "hll"
	case "sorted-set":
		return "zset"
	case "list", "set", "hash", "stream", "geo":
		return group
	}
	return ""
}

// Kinds are the kinds of keys: the type, or what the value is used as.
func Kinds() []string {
	return []string{"str", "num", "bits", "hll", "list", "set", "hash", "zset", "geo", "stream"}
}

// lex is the kind of sorted sets whose members have all the same score. Only they have an order by name: of others, what a
// range by name is depends on the encoding, which may differ between a server and its replica.
const lex = "lex"

// drawKind decides which keys a call works on.
func (d *draft) drawKind() string {
	switch {
	case d.is("ZREMRANGEBYLEX"), d.is("ZADD", "ZRANGESTORE") && d.chance(30):
		return lex
	case d.chance(4):
		return one(d.rng, Kinds()...) // most likely of another type
	case d.is("INCR", "DECR", "INCRBY", "DECRBY", "INCRBYFLOAT"):
		return "num"
	case d.is("SORT"):
		return one(d.rng, "list", "set", "zset")
	}
	if kind := kindOf(d.cmd.Group); kind != "" {
		return kind
	}
	return one(d.rng, Kinds()...)
}

// key is the name of a key for an argument.
func (d *draft) key(a Arg) string {
	kind := d.kind
	switch {
	case d.kind == lex && (!d.is("ZRANGESTORE") || len(d.argv) > 1):
	case d.kind == lex:
		kind = "zset" // the destination
	case d.is("SORT") && a.Name == "destination":
		kind = "list"
	case d.is("ZUNIONSTORE", "ZINTERSTORE", "ZDIFFSTORE") && a.Multiple && d.chance(20):
		kind = one(d.rng, "set", "geo")
	case d.chance(2):
		kind = one(d.rng, Kinds()...)
	}
	return keyName(kind, d.rng.IntN(keysPerKind))
}

// keyName is key number i of a kind. Some names are binary, empty or long.
func keyName(kind string, i int) string {
	switch i {
	case 1:
		return kind + ":\xff\xfe\x00\r\n"
	case 2:
		return kind + ":" + strings.Repeat("long", 30)
	case 3:
		if kind == "str" {
			return ""
		}
	}
	return fmt.Sprintf("%s:%d", kind, i)
}
