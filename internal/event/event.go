package event

// Op is what happened, as the letter that stands in the JSON.
type Op byte

// The operations. Their meaning: docs/events.md, Fields.
const (
	OpRead     Op = 'r' // a key of a snapshot
	OpCreate   Op = 'c' // the command itself proves that the key is new
	OpUpdate   Op = 'u'
	OpDelete   Op = 'd'
	OpTruncate Op = 't' // FLUSHDB, FLUSHALL
	OpMessage  Op = 'm' // Kind says which
)

// NoDB stands in DB of an event that belongs to no database.
const NoDB = -1

// Event is one change before it is encoded. The fields are those of docs/events.md, in its order.
//
// Byte slices are borrowed: they are valid only during the call that hands the event over. A zero field is absent from
// the JSON unless its comment says otherwise.
type Event struct {
	Gen    uint64
	Offset int64 // of a stream event: after the last byte of its command; of a snapshot event: the snapshot's
	Seq    int64 // index among the events of the command, before filters; in a snapshot counted from snapshot_begin
	N      int64 // events of the command, before filters; 0 = absent: events of a snapshot, gap, history, heartbeat
	TsMs   int64 // always written; Unix ms when the bytes arrived, in a snapshot when FULLRESYNC did

	Op       Op
	Kind     string  // of OpMessage: one of the Kind constants
	Message  Message // own fields of an OpMessage; nil for kinds that have none
	DB       int     // always written, except NoDB
	Key      []byte
	IsKey    bool   // the event has a key; Key may be empty
	KeyDB    int    // where Key lives, if HasKeyDB
	HasKeyDB bool   // COPY … DB, MOVE
	Type     string // a Type constant, or "module:" and a name
	Effect   string // one of the Effect constants

	Cmd  string   // upper case
	Args [][]byte // written whenever Cmd is, unless Omitted; nil as []
	Keys [][]byte // nil = absent

	Value *Value // of OpRead; the Cutter makes it

	ExpireAtMs int64
	HasExpire  bool // ExpireAtMs is written (-1 = cleared)

	FieldExpires []FieldExpire // hash fields with a deadline; the Cutter fills it for OpRead

	Part    *Part
	Omitted *Omitted // then Args and Value are not written
	Txn     *Txn
	Cause   string // one of the Cause constants

	Snapshot string // SnapshotTrue on every OpRead
}

// FieldExpire is the deadline of one hash field.
type FieldExpire struct {
	Field []byte
	AtMs  int64 // Unix ms
}

// Part numbers the events of one big value.
type Part struct {
	I    int64 // from 0; part 0 replaces the key, the others add
	Last bool
}

// Omitted describes bytes that were too many for an event. [Encoder.Omit] and the [Cutter] make it.
type Omitted struct {
	Bytes     int64    // raw bytes left out of args or value, the key not counted
	SHA256    [32]byte // of those bytes, one string after the other without separators
	KeyLeft   bool     // the key is left out as well: neither key nor keys are written
	KeySHA256 [32]byte // of the key, if KeyLeft
}

// Txn places an event in its MULTI block or script.
type Txn struct {
	Gen    uint64 // with Offset the id "G:O": the offset of MULTI's last byte
	Offset int64
	Seq    int64 // counted before filters
	Size   int64 // 0 = absent: the block was too large to count first
	Last   bool  // written only where true: on the last delivered event of the block
}
