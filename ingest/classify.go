package ingest

import (
	"fmt"
	"strings"
)

// classify decides what an error reply means for the link, for every step of the handshake and for PSYNC: heal by
// waiting, stop for an operator, or nothing to get here. reply is the text after "-". user is who we are.
//
// The rule for what it does not know: wait and retry with backoff, since a server that has something to say keeps
// saying it, and the log shows it; stopping for good is only for what is certain.
func classify(step, reply, user string) (kind Kind, hint string) {
	code, rest, _ := strings.Cut(reply, " ")
	has := func(sub string) bool { return strings.Contains(strings.ToLower(reply), sub) }
	switch code {
	case "NOAUTH":
		return KindOperator, "the server wants a password: set KEYFEED_SOURCE_PASSWORD"
	case "WRONGPASS":
		return KindOperator, "check KEYFEED_SOURCE_USERNAME and KEYFEED_SOURCE_PASSWORD, and that the user is on"
	case "NOPERM":
		if user == "" {
			user = "default" // who AUTH without a name is, and who needs no AUTH
		}
		return KindOperator, fmt.Sprintf("give the user the right, on the server: ACL SETUSER %s +psync +replconf +ping +info", user)
	case "DENIED":
		// Protected mode: said once, then the server closes. Nothing but its configuration changes that.
		return KindOperator, "the server is in protected mode: give it a password or set protected-mode no and bind it to the right address"
	case "LOADING", "MASTERDOWN", "CLUSTERDOWN", "BUSY", "TRYAGAIN":
		return KindTransient, "the server is not ready"
	case "NOMASTERLINK":
		// From a replica whose own master is away, and from a master during FAILOVER. Both heal without us.
		return KindTransient, "the link of this server to its own master is down, or it is failing over"
	case "MISCONF", "OOM", "READONLY", "NOREPLICAS":
		// Answers to writes; a server out of disk gives MISCONF to PING too. None of them speaks about replication.
		return KindTransient, "the server is in trouble"
	case "ERR":
	default:
		return KindTransient, ""
	}
	switch {
	case strings.HasPrefix(rest, "max number of clients"):
		return KindTransient, "the server is full: raise maxclients"
	case has("can't sync while not connected"):
		// Redis 2.8 to 3.2 say NOMASTERLINK this way.
		return KindTransient, "the link of this server to its own master is down"
	case has("bgsave failed"):
		return KindTransient, "the server could not fork or write its RDB: see its log for memory and disk"
	case has("invalid password"), has("invalid username-password"):
		return KindOperator, "check KEYFEED_SOURCE_PASSWORD"
	case step == stepAuth && has("without any password configured"), step == stepAuth && has("no password is set"):
		// A password that the server does not want: refusing here keeps a wrong server or a wrong user from passing.
		return KindOperator, "the server has no password for the user default: remove KEYFEED_SOURCE_PASSWORD or set KEYFEED_SOURCE_USERNAME"
	case step == stepAuth && has("wrong number of arguments"):
		return KindOperator, "the server is older than Redis 6 and knows no users: remove KEYFEED_SOURCE_USERNAME"
	case has("operation not permitted"):
		return KindOperator, "the server wants a password: set KEYFEED_SOURCE_PASSWORD"
	case has("unknown command"), has("unknown redis command"), has("disallowed"), has("not allowed for"), has("unsupported command"),
		has("not supported"), has("wrong number of arguments"), has("is disabled"), has("command is not available"):
		return KindNoPSYNC, noPSYNC
	}
	return KindTransient, ""
}

// noPSYNC tells what is behind a server that does not know PSYNC.
const noPSYNC = "this server does not offer replication: managed services (ElastiCache, MemoryDB, Azure Cache, Memorystore, " +
	"Redis Enterprise and Cloud) block PSYNC or rename it, proxies and Dragonfly do not have it, and rename-command may hide it. " +
	"Ask the provider to allow PSYNC and REPLCONF, or follow a replica that you run yourself"

// clean makes the text of a reply fit for an error or a log line: short, and without the arguments that servers echo
// for an unknown command, which for AUTH would be the password.
func clean(reply, password string) string {
	if i := strings.Index(reply, "with args beginning with"); i >= 0 {
		reply = strings.TrimRight(reply[:i], ", ")
	}
	if password != "" {
		reply = strings.ReplaceAll(reply, password, "***")
	}
	if len(reply) > 200 {
		reply = reply[:200] + "…"
	}
	return reply
}
