package change

// Chunk is a run of consecutive bytes of the replication stream.
//
// Ingest cuts the stream into chunks, the backlog stores one per frame, and the decoder reads them back; the arrival
// time travels with the bytes so that decoding is a pure function of what is stored (invariant 5).
type Chunk struct {
	Start   int64  // offset of the byte before Data[0]: Data[0] is stream byte Start+1
	Data    []byte // owned by the producer; a consumer copies what it keeps
	Arrived int64  // Unix ms when the last byte of Data was received
	UnitEnd bool   // the chunk ends at the end of a unit; false only inside a unit too large for one chunk
	DB      int    // the database selected after the last whole unit in or before this chunk
}

// End is the offset of the last byte of the chunk; Start when it is empty.
func (c Chunk) End() int64 { return c.Start + int64(len(c.Data)) }
