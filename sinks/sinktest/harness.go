package sinktest

import (
	"context"
	"testing"

	"keyfeed/sinks"
)

// Harness is one empty place for records, and the means to look at it and to disturb it. Each test gets a fresh one.
type Harness struct {
	// New returns a client of the place that is not open. Several may be made, one after the other, for one place.
	New func(t *testing.T) sinks.Sink

	// Impatient is New with a client that notices within some seconds that the broker is away, where New's takes longer;
	// nil = New's does. It may fail beside a broker that is only slow.
	Impatient func(t *testing.T) sinks.Sink

	// Read returns everything that the place stores, in its order: one order for all with Features.TotalOrder, else at
	// least in order within each Stored.Place. nil for a place that cannot be read.
	Read func(ctx context.Context) ([]Stored, error)

	// StopBroker takes the broker away, with its data kept; StartBroker brings it back. Both or neither.
	StopBroker, StartBroker func(t *testing.T)

	// Stall lets the place take in nothing, without an error, until Resume. Both or neither. Clients that are open then
	// may fail by a timeout, but not within some seconds.
	Stall, Resume func(t *testing.T)

	// Window is how many records the client takes before Write blocks, as New configures it; with Stall only.
	Window int

	// Leftovers are goroutines that the place's own server starts on its own (names of the functions at the top of
	// their stack), so that they are not taken for the sink's.
	Leftovers []string
}

// Stored is a record as it is found in the place.
type Stored struct {
	Value []byte
	Key   []byte // with Features.Keys
	Place string // partition, subject, …: records of one key must be in one place
}

// Features says what the place promises.
type Features struct {
	// ExactPosition: what Open returns is exactly what is stored, even when the client ended without a Flush. Without
	// it, Open may return an earlier position: records are stored twice then, and none is missing.
	ExactPosition bool

	// TotalOrder: Read returns one order for all records; else only records with one key are in order.
	TotalOrder bool

	// Keys: Stored.Key is the record's key.
	Keys bool

	// Fences: a client that opens ends every other one, which gives ErrFenced at the latest when it is opened again; needs
	// ExactPosition.
	Fences bool

	// Copies is how often a record for every partition is stored; 0 means once.
	Copies int
}

func (f Features) copies() int { return max(f.Copies, 1) }
