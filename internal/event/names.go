package event

// Kinds of OpMessage (docs/events.md, Messages).
const (
	KindSnapshotBegin = "snapshot_begin"
	KindSnapshotEnd   = "snapshot_end"
	KindGap           = "gap"
	KindHistory       = "history"
	KindHeartbeat     = "heartbeat"
	KindSwapDB        = "swapdb"
	KindFunction      = "function"
	KindSlots         = "slots"
	KindPublish       = "publish"
	KindUnknown       = "unknown"
)

// Types of keys. A module's type is TypeModule and the name of the type.
const (
	TypeString = "string"
	TypeList   = "list"
	TypeSet    = "set"
	TypeZSet   = "zset"
	TypeHash   = "hash"
	TypeStream = "stream"
	TypeArray  = "array"
	TypeModule = "module:"
)

// Effects of a stream event on its key.
const (
	EffectValue  = "value"  // args[0] is the whole value (RESTORE: a payload)
	EffectPut    = "put"    // named elements are set
	EffectRemove = "remove" // named elements are removed
	EffectDelta  = "delta"  // the new value depends on the old one
	EffectDerive = "derive" // the value is made from other keys
	EffectTTL    = "ttl"    // only the deadline changes
	EffectMeta   = "meta"   // consumer groups and the like
	EffectGone   = "gone"   // the key is deleted: Op d
)

// Causes.
const (
	CauseOversize  = "oversize"  // bytes were left out: see Omitted
	CauseMigration = "migration" // slots moved to another node
)

// Reasons of a snapshot_begin or gap.
const (
	ReasonInitial          = "initial"           // nothing was known before
	ReasonHistoryLost      = "history_lost"      // the source no longer had the bytes after our position
	ReasonSnapshotLost     = "snapshot_lost"     // the position was inside a snapshot whose spool is gone
	ReasonHistoryRewritten = "history_rewritten" // a failover took another history
	ReasonRequested        = "requested"         // an operator asked for it
)

// SnapshotTrue stands in Snapshot of the events of a full sync.
const SnapshotTrue = "true"
