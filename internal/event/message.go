package event

import "strconv"

// Message is the own fields of a message, one type per kind: [Begin] (snapshot_begin and gap), [End], [History],
// [Heartbeat] and [Slots]. They stand in the JSON right after kind. The kinds swapdb, function, publish and unknown have
// none: their content is Cmd and Args.
type Message interface {
	appendFields(dst []byte) []byte
}

// Stamp places a message that comes from no command.
type Stamp struct {
	Gen    uint64
	Offset int64
	Seq    int64 // 0 for gap, history and heartbeat
	TsMs   int64 // Unix ms
}

func (s Stamp) message(kind string, m Message) Event {
	return Event{
		Gen: s.Gen, Offset: s.Offset, Seq: s.Seq, TsMs: s.TsMs,
		Op: OpMessage, Kind: kind, DB: NoDB, Message: m,
	}
}

// Begin is what is known when a generation starts. Empty and zero fields are absent, Reason excepted.
type Begin struct {
	Reason        string // one of the Reason constants
	Server        string // redis, valkey, …
	ServerVersion string
	RDBVersion    int
	ReplID        string
	Prev          string // text of the position that was known before
}

// NewSnapshotBegin makes the first event of a snapshot.
func NewSnapshotBegin(at Stamp, b Begin) Event { return at.message(KindSnapshotBegin, b) }

// NewGap makes the message that stands for a snapshot where none is taken.
func NewGap(at Stamp, b Begin) Event { return at.message(KindGap, b) }

func (b Begin) appendFields(dst []byte) []byte {
	dst = appendName(dst, `,"reason":`, b.Reason)
	dst = appendNameIf(dst, `,"server":`, b.Server)
	dst = appendNameIf(dst, `,"server_version":`, b.ServerVersion)
	if b.RDBVersion > 0 {
		dst = appendField(dst, `,"rdb_version":`, int64(b.RDBVersion))
	}
	dst = appendNameIf(dst, `,"replid":`, b.ReplID)
	return appendNameIf(dst, `,"prev":`, b.Prev)
}

// End sums a snapshot up. Its numbers are always written.
type End struct {
	Keys    int64  // keys of the snapshot, before filters
	Events  int64  // events from snapshot_begin to snapshot_end, both counted, before filters
	Bytes   int64  // size of the RDB
	Ms      int64  // from FULLRESYNC to this event
	Skipped []Skip // what the RDB held and no event shows; absent when empty
}

// Skip counts things of one name that no event shows.
type Skip struct {
	Name string
	N    int64
}

// NewSnapshotEnd makes the last event of a snapshot.
func NewSnapshotEnd(at Stamp, end End) Event { return at.message(KindSnapshotEnd, end) }

func (end End) appendFields(dst []byte) []byte {
	dst = appendField(dst, `,"keys":`, end.Keys)
	dst = appendField(dst, `,"events":`, end.Events)
	dst = appendField(dst, `,"bytes":`, end.Bytes)
	dst = appendField(dst, `,"ms":`, end.Ms)
	if len(end.Skipped) == 0 {
		return dst
	}
	dst = append(dst, `,"skipped":`...)
	open := byte('{')
	for _, s := range end.Skipped {
		dst = append(dst, open)
		dst = appendQuotedName(dst, s.Name)
		dst = append(dst, ':')
		dst = strconv.AppendInt(dst, s.N, 10)
		open = ','
	}
	return append(dst, '}')
}

// History says that the source goes on under another replication id; offsets go on.
type History struct {
	PrevReplID string
	ReplID     string // also the end of the event's id
}

// NewHistory makes the message of a failover. Seq is not part of its id.
func NewHistory(at Stamp, h History) Event { return at.message(KindHistory, h) }

func (h History) appendFields(dst []byte) []byte {
	dst = appendName(dst, `,"prev_replid":`, h.PrevReplID)
	return appendName(dst, `,"replid":`, h.ReplID)
}

// Heartbeat moves the position of a source without events.
type Heartbeat struct {
	Position  string // text of the position
	Keys      int64  // keys of the source (DBSIZE of all databases), if KeysKnown
	KeysKnown bool
}

// NewHeartbeat makes a heartbeat. Its id ends in at.TsMs.
func NewHeartbeat(at Stamp, h Heartbeat) Event { return at.message(KindHeartbeat, h) }

func (h Heartbeat) appendFields(dst []byte) []byte {
	dst = appendName(dst, `,"position":`, h.Position)
	if h.KeysKnown {
		dst = appendField(dst, `,"keys":`, h.Keys)
	}
	return dst
}

// Slots is a change to whole slots of a cluster: inclusive ranges.
type Slots struct {
	Ranges [][2]int
}

func (s Slots) appendFields(dst []byte) []byte {
	dst = append(dst, `,"slots":[`...)
	for i, r := range s.Ranges {
		if i > 0 {
			dst = append(dst, ',')
		}
		dst = append(dst, '[')
		dst = strconv.AppendInt(dst, int64(r[0]), 10)
		dst = append(dst, ',')
		dst = strconv.AppendInt(dst, int64(r[1]), 10)
		dst = append(dst, ']')
	}
	return append(dst, ']')
}

func appendNameIf(dst []byte, field, s string) []byte {
	if s == "" {
		return dst
	}
	return appendName(dst, field, s)
}

func appendName(dst []byte, field, s string) []byte {
	return appendQuotedName(append(dst, field...), s)
}

func appendField(dst []byte, field string, n int64) []byte {
	return strconv.AppendInt(append(dst, field...), n, 10)
}
