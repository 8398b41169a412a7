package ingest

import (
	"sync"
	"sync/atomic"
	"time"
)

// State is where a Replica is.
type State string

// The states, in the order of a link's life.
const (
	StateStopped    State = "stopped"    // Run has not begun or has ended
	StateBlocked    State = "blocked"    // the store lets no link be made: Resume waits
	StateConnecting State = "connecting" // dialing
	StateHandshake  State = "handshake"  // up to PSYNC
	StateWaiting    State = "waiting"    // the source prepares its answer or the snapshot
	StateReceiving  State = "receiving"  // the snapshot
	StateVerifying  State = "verifying"  // the snapshot is being made durable
	StateStreaming  State = "streaming"
	StateBackoff    State = "backoff" // waiting before the next attempt
)

// Status is a snapshot of a Replica for logs and pages.
type Status struct {
	State    State
	Since    time.Time  // when State began
	LastByte time.Time  // when the last byte arrived; zero when none has
	Server   ServerInfo // of the last handshake
	Offset   int64      // last stream byte appended on this link
	LastErr  string     // why the last link ended; empty while streaming

	ReceivedBytes int64 // of the snapshot being received, or the last one
	SnapshotBytes int64 // its size; -1 unknown

	FullSyncs    int64 // snapshots received whole
	PartialSyncs int64 // +CONTINUE
	Connects     int64 // connections made
	Failures     int64 // links and attempts that ended in an error
	Desyncs      int64
	StreamBytes  int64 // appended to logs
}

// status is the Replica's side of Status. What changes per read is atomic; the rest has the lock.
type status struct {
	lastByte, received, offset, streamed atomic.Int64

	mu sync.Mutex
	s  Status // mu
}

func (t *status) enter(state State) {
	t.update(func(s *Status) { s.State, s.Since = state, time.Now() })
}

func (t *status) update(f func(*Status)) {
	t.mu.Lock()
	defer t.mu.Unlock()
	f(&t.s)
}

func (t *status) get() Status {
	t.mu.Lock()
	s := t.s
	t.mu.Unlock()
	if ms := t.lastByte.Load(); ms > 0 {
		s.LastByte = time.UnixMilli(ms)
	}
	s.ReceivedBytes, s.Offset, s.StreamBytes = t.received.Load(), t.offset.Load(), t.streamed.Load()
	return s
}

// passed counts the stream up to offset as appended.
func (t *status) passed(offset int64) {
	t.streamed.Add(offset - t.offset.Swap(offset))
}
