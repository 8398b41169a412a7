package rdb

// Visitor receives what a file holds, in file order.
//
// Everything that a method is given is borrowed: valid until it returns, except [Key], which stays as it is until EndKey
// has returned. An error ends Decode, which returns it unchanged. All calls come from the goroutine of Decode.
//
// For every key: Key, then the calls of its type, then EndKey.
//
//	string  Piece*                       an empty string has none
//	list    Element*                     from head to tail
//	set     Element*
//	zset    Member*
//	hash    Field*
//	stream  Entry* StreamInfo (Group Consumer* Pending*)*
//	module  Dump
//
// In place of an element (a pair of field and value, a member, an entry, a dump) that is too large, Omitted is called.
type Visitor interface {
	// Aux delivers an auxiliary field of the file, such as redis-ver or repl-stream-db.
	Aux(name, value []byte) error
	// DBSize delivers how many keys of db follow, and how many of them have a deadline. Both are hints.
	DBSize(db int, keys, expires uint64) error
	// Function delivers the source of a function library; when it is above Config.MaxElement, code is nil and o tells
	// what it was.
	Function(code []byte, o *Oversize) error
	// Skipped tells that something was left out or looked odd. The name is one of the Skip constants.
	Skipped(name string) error

	// Key begins a key. Keys past their deadline are delivered like others: only a loading primary drops them.
	Key(k *Key) error
	// EndKey ends the key that Key began.
	EndKey() error

	// Piece delivers the next bytes of a string. All pieces but the last have exactly Config.Piece bytes.
	Piece(b []byte) error
	// Element delivers an element of a list or a set.
	Element(e []byte) error
	// Field delivers a field of a hash. expireAtMs is its deadline in Unix ms, 0 when it has none.
	Field(name, value []byte, expireAtMs int64) error
	// Member delivers a member of a sorted set.
	Member(member []byte, score float64) error

	// Entry delivers an entry of a stream; deleted ones are not delivered.
	Entry(e *Entry) error
	// StreamInfo delivers a stream's own numbers, after its entries.
	StreamInfo(i *StreamInfo) error
	// Group delivers a consumer group; its consumers and then its pending entries follow.
	Group(g *Group) error
	// Consumer delivers a consumer of the group.
	Consumer(c *Consumer) error
	// Pending delivers an entry that was delivered to a consumer and is not acknowledged.
	Pending(p *Pending) error

	// Dump delivers the value of a module type as payload for RESTORE: type byte, value, RDB version, CRC-64.
	Dump(payload []byte) error

	// Omitted stands for an element of which one string, or a stream entry as a whole, or a dump, was above
	// Config.MaxElement. o is over all its strings in their order: field and value, names and values of an entry.
	Omitted(o *Oversize) error
}

// Names that Skipped is called with.
const (
	SkipEmptyKey     = "empty_key"     // a collection without elements; servers drop it when they load
	SkipModuleAux    = "module_aux"    // data of a module that belongs to no key
	SkipSlotImport   = "slot_import"   // a slot migration of Valkey that was under way
	SkipStreamLength = "stream_length" // a stream whose stored length is not the number of its entries
	SkipAux          = "oversize_aux"  // an auxiliary field above Config.MaxElement
)

// Key is a key and what is stored with it.
type Key struct {
	DB         int
	Name       []byte
	Oversize   *Oversize // set in place of Name when that is above Config.MaxElement
	Type       Type
	Encoding   byte   // the value type code in the file
	Module     string // name of the module type; empty for other types
	ExpireAtMs int64  // deadline in Unix ms, exact to 64 bits; valid when HasExpire
	HasExpire  bool
}

// StreamID is the id of a stream entry.
type StreamID struct {
	Ms, Seq uint64
}

// Entry is an entry of a stream.
type Entry struct {
	ID     StreamID
	Fields [][]byte // name, value, name, value … in their order, repeated names included
}

// StreamInfo holds the numbers of a stream.
type StreamInfo struct {
	Length     uint64 // entries, as stored
	LastID     StreamID
	FirstID    StreamID // of the first entry; valid when Counters
	MaxDeleted StreamID // the highest id ever deleted; valid when Counters
	Added      uint64   // entries ever added; valid when Counters
	Counters   bool     // the file has the three above: from RDB 10 on
}

// Group is a consumer group of a stream.
type Group struct {
	Name           []byte
	Oversize       *Oversize // set in place of Name when that is above Config.MaxElement
	LastID         StreamID  // last delivered
	EntriesRead    uint64    // valid when HasEntriesRead
	HasEntriesRead bool      // false where the server does not know it, and before RDB 10
}

// Consumer is a consumer of a group.
type Consumer struct {
	Name      []byte
	Oversize  *Oversize // set in place of Name when that is above Config.MaxElement
	SeenMs    int64     // Unix ms of its last command
	ActiveMs  int64     // Unix ms of the last delivery, -1 when there was none; valid when HasActive
	HasActive bool      // from RDB 11 on
}

// Pending is an entry delivered to a consumer and not acknowledged.
type Pending struct {
	ID          StreamID
	Consumer    []byte
	Oversize    *Oversize // set in place of Consumer when that is above Config.MaxElement
	DeliveredMs int64     // Unix ms of the last delivery
	Count       uint64
}

// Discard is a Visitor that takes everything and keeps nothing; decoding into it checks a file. Embed it to implement
// only some of the methods.
type Discard struct{}

var _ Visitor = Discard{}

// Aux implements [Visitor].
func (Discard) Aux(_, _ []byte) error { return nil }

// DBSize implements [Visitor].
func (Discard) DBSize(int, uint64, uint64) error { return nil }

// Function implements [Visitor].
func (Discard) Function([]byte, *Oversize) error { return nil }

// Skipped implements [Visitor].
func (Discard) Skipped(string) error { return nil }

// Key implements [Visitor].
func (Discard) Key(*Key) error { return nil }

// EndKey implements [Visitor].
func (Discard) EndKey() error { return nil }

// Piece implements [Visitor].
func (Discard) Piece([]byte) error { return nil }

// Element implements [Visitor].
func (Discard) Element([]byte) error { return nil }

// Field implements [Visitor].
func (Discard) Field(_, _ []byte, _ int64) error { return nil }

// Member implements [Visitor].
func (Discard) Member([]byte, float64) error { return nil }

// Entry implements [Visitor].
func (Discard) Entry(*Entry) error { return nil }

// StreamInfo implements [Visitor].
func (Discard) StreamInfo(*StreamInfo) error { return nil }

// Group implements [Visitor].
func (Discard) Group(*Group) error { return nil }

// Consumer implements [Visitor].
func (Discard) Consumer(*Consumer) error { return nil }

// Pending implements [Visitor].
func (Discard) Pending(*Pending) error { return nil }

// Dump implements [Visitor].
func (Discard) Dump([]byte) error { return nil }

// Omitted implements [Visitor].
func (Discard) Omitted(*Oversize) error { return nil }
