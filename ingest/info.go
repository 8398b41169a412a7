package ingest

import (
	"strconv"
	"strings"
)

// ServerInfo is what INFO tells about the source. Unknown numbers are 0, unknown texts empty.
type ServerInfo struct {
	Kind    string // "redis", "valkey", "keydb", "dragonfly"; empty where INFO is not permitted
	Version string // of that product, not the Redis version that it claims to be compatible with
	RunID   string // changes with every start of the server
	Mode    string // "standalone", "cluster", "sentinel"

	Role         string // "master" or "slave"
	MasterLinkUp bool   // of a slave: the link to its own master
	ReplID       string
	ReplID2      string // the id before the last failover, valid up to SecondOffset-1
	Offset       int64  // master_repl_offset: the last byte of the stream
	SecondOffset int64  // second_repl_offset: the first byte that ReplID2 does not cover; -1 without ReplID2

	BacklogActive bool
	BacklogFirst  int64 // offset of the first byte that a partial resync can be served from
	BacklogBytes  int64 // bytes held
	BacklogSize   int64 // bytes that it may hold

	Keys      int64 // over all databases, if KeysKnown
	KeysKnown bool  // not while the server loads its data
}

// parseInfo adds the fields of one INFO reply to s.
func (s *ServerInfo) parseInfo(text string) {
	for line := range strings.Lines(text) {
		name, value, ok := strings.Cut(strings.TrimRight(line, "\r\n"), ":")
		if !ok {
			continue
		}
		s.field(name, value)
	}
}

func (s *ServerInfo) field(name, value string) {
	switch name {
	case "redis_version":
		if s.Kind == "" {
			s.Kind, s.Version = "redis", value
		}
	case "server_name":
		if value == "valkey" {
			s.Kind = "valkey"
		}
	case "valkey_version":
		s.Kind, s.Version = "valkey", value
	case "dragonfly_version":
		s.Kind, s.Version = "dragonfly", value
	case "executable":
		if strings.Contains(value, "keydb") {
			s.Kind = "keydb"
		}
	case "run_id":
		s.RunID = value
	case "redis_mode", "server_mode":
		s.Mode = value
	case "role":
		s.Role = value
	case "master_link_status":
		s.MasterLinkUp = value == "up"
	case "master_replid":
		s.ReplID = strings.ToLower(value)
	case "master_replid2":
		if strings.Trim(value, "0") != "" {
			s.ReplID2 = strings.ToLower(value)
		}
	case "master_repl_offset":
		s.Offset = number(value)
	case "second_repl_offset":
		s.SecondOffset = number(value)
	case "repl_backlog_active":
		s.BacklogActive = value == "1"
	case "repl_backlog_first_byte_offset":
		s.BacklogFirst = number(value)
	case "repl_backlog_histlen":
		s.BacklogBytes = number(value)
	case "repl_backlog_size":
		s.BacklogSize = number(value)
	default:
		if strings.HasPrefix(name, "db") {
			keys, _, _ := strings.Cut(value, ",")
			if n, ok := strings.CutPrefix(keys, "keys="); ok {
				s.Keys += number(n)
			}
		}
	}
}

func number(s string) int64 {
	n, err := strconv.ParseInt(s, 10, 64)
	if err != nil {
		return 0
	}
	return n
}

// major is the first number of Version, 0 when there is none.
func (s *ServerInfo) major() int64 {
	first, _, _ := strings.Cut(s.Version, ".")
	return number(first)
}

// Refuses says why the source will answer a partial resync from r with a full one, by the conditions of the server
// (replication.c, masterTryPartialResynchronization); "" when it will accept or INFO does not tell.
func (s *ServerInfo) Refuses(r Resume) string {
	switch {
	case s.ReplID == "":
		return ""
	case strings.EqualFold(r.ReplID, s.ReplID):
	case s.ReplID2 == "" || !strings.EqualFold(r.ReplID, s.ReplID2):
		return "the source does not know this history: it was restarted, replaced, or had no replica for repl-backlog-ttl"
	case r.Offset+1 > s.SecondOffset:
		return "a failover cut the history before our offset"
	}
	switch {
	case !s.BacklogActive:
		return "the source has no replication backlog"
	case r.Offset+1 < s.BacklogFirst:
		return "our offset has left the source's backlog: raise repl-backlog-size"
	case r.Offset > s.Offset:
		return "our offset is ahead of the source"
	}
	return ""
}
