package change

// Route says where a record may go when a sink has several places for records.
type Route uint8

// The routes.
const (
	RouteKey       Route = iota // by Record.Key: all records with the same key bytes keep their order
	RouteBroadcast              // to every partition; once where there are none
)

// Record is one encoded event. Its byte slices belong to the batch.
type Record struct {
	Value []byte // the JSON event, without a newline
	Key   []byte // raw key bytes when Route is RouteKey; empty is a key like any other
	Route Route
	DB    int32  // the database of the event; -1 when it belongs to none
	Kind  string // of op m: the kind; of op t: "truncate"; otherwise empty. A constant, never made per record
	Pos   Position
	// Pos is true once this record and every record before it are stored. Between the events of a unit it is a
	// position inside the unit; on the last record of a unit it is the position after the unit.
}

// Batch is a run of records in stream order. The pump makes it, hands it to one sink, and has it back after Release.
//
// A batch ends between units, except that a unit larger than a batch spans several: End().InUnit() then says so.
type Batch struct {
	Records []Record
	Bytes   int // sum of len(Value)+len(Key), for windows bounded in bytes

	// Free, when not nil, takes the batch back for reuse; set by the maker, called through Release.
	Free func(*Batch)
}

// End is the position after the last record; the zero Position when the batch is empty.
func (b *Batch) End() Position {
	if len(b.Records) == 0 {
		return Position{}
	}
	return b.Records[len(b.Records)-1].Pos
}

// Release gives the batch back to its maker. The sink that took it with Write calls it exactly once, when it will not
// touch the batch again: all records are confirmed, or the sink has failed or closed and nothing in flight refers to it.
func (b *Batch) Release() {
	if b.Free != nil {
		b.Free(b)
	}
}
