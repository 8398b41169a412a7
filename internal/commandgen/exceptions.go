package commandgen

import (
	"slices"
	"strings"
)

// Wraps is the reason of MULTI and EXEC, which are drawn all the same: see [Wrap].
const Wraps = "they stand around other calls"

// Never says why a command is not drawn; ok is false when it is.
func Never(name string) (reason string, ok bool) {
	switch name {
	case "REPLCONF":
		return "it makes the connection that of a replica", true
	case "CLUSTER SETSLOT", "CLUSTER FLUSHSLOT", "CLUSTER SYNCSLOTS", "CLUSTER FAILOVER", "SFLUSH", "TRIMSLOTS":
		return "a server that stands alone refuses it", true
	case "MULTI", "EXEC":
		return Wraps, true
	}
	return "", false
}

// Silent says why a command that was accepted leaves nothing in the stream; ok is false when it may.
func Silent(name string) (reason string, ok bool) {
	switch name {
	case "PING", "SELECT":
		return "it changes no data", true
	case "SCRIPT LOAD", "SCRIPT FLUSH":
		return "since Redis 7.0 scripts are not replicated", true
	}
	return "", false
}

// seldom reports whether a command empties so much that it would leave nothing for the others: it comes once in
// [seldomPasses] rounds.
func seldom(name string) bool {
	return slices.Contains([]string{"FLUSHALL", "FLUSHDB", "FUNCTION FLUSH", "SCRIPT FLUSH"}, name)
}

const seldomPasses = 15

// often is how many times a command comes in a round: more than once for those that make the data which many others need.
func often(name string) int {
	switch name {
	case "XADD":
		return 8
	case "XGROUP CREATE", "XREADGROUP":
		return 4
	case "RPUSH", "SADD", "HSET", "ZADD", "GEOADD", "PFADD", "SETBIT":
		return 2
	}
	return 1
}

// unfit reports whether a call is left out because a replica of the server's own would differ from its master, too.
func unfit(c Call) bool {
	if c.Row == "ZRANGESTORE" && has(c.Argv, "BYLEX") {
		return !strings.HasPrefix(c.Argv[2], lex+":")
	}
	// Of elements with equal or missing weights, SORT … BY … ALPHA keeps the order of the hash table, which has a seed of
	// its own in each server.
	return c.Row == "SORT" && has(c.Argv, "BY") && has(c.Argv, "ALPHA")
}

// alone reports whether a command cannot stand in a script: the server refuses it there, or it is a script.
func alone(name string) bool {
	return slices.Contains([]string{"EVAL", "EVALSHA", "FCALL", "SCRIPT LOAD", "SCRIPT FLUSH", "SELECT"}, name)
}
