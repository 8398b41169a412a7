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

// NoDB stands in DB and KeyDB of an event that has none.
const NoDB = -1

// Event is one change before it is encoded. The fields are those of docs/events.md, in its order.
//
// Byte slices are borrowed: they are valid only during the call that hands the event over. A zero field is absent
// unless its comment says otherwise; DB and KeyDB are absent when NoDB.
type Event struct {
	Gen    uint64
	Offset int64
	Seq    int64
	N      int64 // events of the command, before filters; absent from snapshot events (0)
	TsMs   int64

	Op    Op
	Kind  string // of OpMessage: snapshot_begin, heartbeat, … A constant
	DB    int
	Key   []byte
	IsKey bool // the event has a key; Key may be empty
	KeyDB int
	Type  string // a constant, or a module's name
	// Effect is value, put, remove, delta, derive, ttl, meta or gone.
	Effect string

	Cmd  string   // upper case
	Args [][]byte // written whenever Cmd is
	Keys [][]byte // nil = absent

	Value *Value // of OpRead

	ExpireAtMs int64
	HasExpire  bool // ExpireAtMs is written (-1 = cleared)

	Part    *Part
	Omitted *Omitted
	Txn     *Txn
	Cause   string // oversize, migration

	Snapshot string // "true" on OpRead

	Message *Message // own fields of an OpMessage
}

// Part numbers the events of one big value.
type Part struct {
	I    int64
	Last bool
}

// Omitted describes bytes that were too many for an event.
type Omitted struct {
	Bytes     int64
	SHA256    [32]byte
	KeySHA256 *[32]byte // when the key itself is left out
}

// Txn places an event in its MULTI block.
type Txn struct {
	Gen    uint64 // with Offset the id "G:O": the offset of MULTI's last byte
	Offset int64
	Seq    int64 // counted before filters
	Size   int64 // 0 = absent: the block was too large to count first
	Last   bool
}
