package ingest

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"sync"
	"testing"

	"github.com/hdt3213/rdb/crc64jones"

	"keyfeed/internal/change"
	"keyfeed/internal/resp"
)

// memory is a Store that keeps everything and checks what the contract promises.
type memory struct {
	tb testing.TB

	mu      sync.Mutex
	gens    []*generation // the last one is the log
	aborted []error
	changes []string // ids of +CONTINUE that were new
	desyncs []*DesyncError
	resumes []Resume
	full    string // reason for asking for a full resync, "" = not
	changed chan struct{}

	plain    bool                                              // accept payloads that are not RDB files
	onAppend func(change.Chunk) error                          // before it is kept
	onResume func(ctx context.Context, n int) (*Resume, error) // instead of what the log says
	onCommit func(ctx context.Context) error
	onAckNow func(ctx context.Context) error
	acked    int64 // what Acked gives, when not -1
	ackNows  int
}

// generation is one full resync and the stream behind it.
type generation struct {
	FullSync
	size    int64
	rdb     []byte
	db      int
	replid  string
	stream  []byte
	unitEnd int // of stream
	unitDB  int
}

func (g *generation) end() int64 { return g.Offset + int64(len(g.stream)) }

func newMemory(tb testing.TB) *memory {
	tb.Helper()
	return &memory{tb: tb, changed: make(chan struct{}, 1), acked: -1}
}

func (m *memory) bump() {
	select {
	case m.changed <- struct{}{}:
	default:
	}
}

func (m *memory) Resume(ctx context.Context) (Resume, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	r := m.resume()
	if m.onResume != nil {
		instead, err := m.onResume(ctx, len(m.resumes))
		if err != nil {
			return Resume{}, err
		}
		if instead != nil {
			r = *instead
		}
	}
	m.resumes = append(m.resumes, r)
	m.bump()
	return r, nil
}

func (m *memory) resume() Resume {
	if m.full != "" || len(m.gens) == 0 {
		return Resume{Full: true, Reason: m.full}
	}
	g := m.gens[len(m.gens)-1]
	g.stream = g.stream[:g.unitEnd]
	return Resume{ReplID: g.replid, Offset: g.end(), DB: g.unitDB}
}

func (m *memory) Continue(_ context.Context, replid string) (Log, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	g := m.gens[len(m.gens)-1]
	if replid != "" {
		m.changes = append(m.changes, replid)
		g.replid = replid
	}
	m.bump()
	return &memoryLog{m, g}, nil
}

func (m *memory) FullSync(_ context.Context, full FullSync) (Spool, error) {
	m.bump()
	return &memorySpool{m: m, g: &generation{FullSync: full, replid: full.ReplID, size: -2}}, nil
}

func (m *memory) Desync(_ context.Context, err *DesyncError) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.desyncs = append(m.desyncs, err)
	m.full = "desync"
	m.bump()
	return nil
}

type memorySpool struct {
	m *memory
	g *generation
}

func (s *memorySpool) Size(n int64) {
	if s.g.size != -2 || len(s.g.rdb) > 0 {
		s.m.tb.Error("Size called twice or after Write")
	}
	s.g.size = n
}

func (s *memorySpool) Write(p []byte) (int, error) {
	s.g.rdb = append(s.g.rdb, p...)
	return len(p), nil
}

func (s *memorySpool) Commit(ctx context.Context) (Log, int, error) {
	if s.m.onCommit != nil {
		if err := s.m.onCommit(ctx); err != nil {
			return nil, 0, err
		}
	}
	if s.g.size >= 0 && int64(len(s.g.rdb)) != s.g.size {
		s.m.tb.Errorf("payload of %d bytes, announced as %d", len(s.g.rdb), s.g.size)
	}
	db, err := 0, error(nil)
	if !s.m.plain {
		db, err = checkRDB(s.g.rdb)
	}
	if err != nil {
		return nil, 0, fmt.Errorf("%w: %w", ErrRetry, err)
	}
	s.m.mu.Lock()
	defer s.m.mu.Unlock()
	s.g.db, s.g.unitDB = db, db
	s.m.gens = append(s.m.gens, s.g)
	s.m.full = ""
	s.m.bump()
	return &memoryLog{s.m, s.g}, db, nil
}

func (s *memorySpool) Abort(cause error) {
	s.m.mu.Lock()
	defer s.m.mu.Unlock()
	s.m.aborted = append(s.m.aborted, cause)
	s.m.bump()
}

// checkRDB verifies magic and CRC, and finds repl-stream-db.
func checkRDB(p []byte) (db int, err error) {
	if len(p) < 17 || !bytes.HasPrefix(p, []byte("REDIS")) {
		return 0, errors.New("not an RDB file")
	}
	sum := crc64jones.New()
	_, _ = sum.Write(p[:len(p)-8])
	var want uint64
	for i := range 8 {
		want |= uint64(p[len(p)-8+i]) << (8 * i)
	}
	if sum.Sum64() != want {
		return 0, errors.New("CRC mismatch")
	}
	name := []byte("repl-stream-db\xc0") // an 8 bit integer follows
	if i := bytes.Index(p, name); i >= 0 {
		db = int(p[i+len(name)])
	}
	return db, nil
}

type memoryLog struct {
	m *memory
	g *generation
}

func (l *memoryLog) Append(c change.Chunk) error {
	if l.m.onAppend != nil {
		if err := l.m.onAppend(c); err != nil {
			return err
		}
	}
	l.m.mu.Lock()
	defer l.m.mu.Unlock()
	switch {
	case c.Start != l.g.end():
		l.m.tb.Errorf("chunk starts at %d, the log ends at %d", c.Start, l.g.end())
	case len(c.Data) == 0 || len(c.Data) > chunkLimit:
		l.m.tb.Errorf("chunk of %d bytes", len(c.Data))
	case !c.UnitEnd && len(c.Data) != chunkLimit:
		l.m.tb.Errorf("chunk of %d bytes that ends inside a unit", len(c.Data))
	case c.Arrived <= 0:
		l.m.tb.Error("chunk without arrival time")
	}
	l.g.stream = append(l.g.stream, c.Data...)
	if c.UnitEnd {
		l.g.unitEnd = len(l.g.stream)
		l.g.unitDB = c.DB
	}
	l.m.bump()
	return nil
}

func (l *memoryLog) Acked() int64 {
	l.m.mu.Lock()
	defer l.m.mu.Unlock()
	return l.acked()
}

func (l *memoryLog) acked() int64 {
	if l.m.acked >= 0 {
		return l.m.acked
	}
	return l.g.Offset + int64(l.g.unitEnd)
}

func (l *memoryLog) AckNow(ctx context.Context) (int64, error) {
	if l.m.onAckNow != nil {
		if err := l.m.onAckNow(ctx); err != nil {
			return 0, err
		}
	}
	l.m.mu.Lock()
	defer l.m.mu.Unlock()
	l.m.ackNows++
	l.m.acked = -1
	return l.acked(), nil
}

// units checks that the log's stream is whole units and that the database at its end is right.
func (g *generation) check(tb testing.TB) {
	tb.Helper()
	db, multi, unitEnd, unitDB := g.db, false, 0, g.db
	var args [][]byte
	for at := 0; at < len(g.stream); {
		var n int
		var err error
		if args, n, err = resp.Command(g.stream[at:], args); err != nil {
			if errors.Is(err, resp.ErrShort) {
				break
			}
			tb.Fatalf("stream at %d: %v", at, err)
		}
		at += n
		switch kind, sel := resp.Classify(args); kind {
		case resp.Select:
			db = sel
		case resp.Multi:
			multi = true
		case resp.Exec:
			multi = false
		default:
		}
		if !multi {
			unitEnd, unitDB = at, db
		}
	}
	if unitEnd != g.unitEnd || unitDB != g.unitDB {
		tb.Errorf("last unit ends at %d in db %d, chunks said %d and db %d", unitEnd, unitDB, g.unitEnd, g.unitDB)
	}
}

// locked runs f with the lock.
func (m *memory) locked(f func()) {
	m.mu.Lock()
	defer m.mu.Unlock()
	f()
}

func (m *memory) last() *generation {
	if len(m.gens) == 0 {
		return nil
	}
	return m.gens[len(m.gens)-1]
}

// end is the offset of the log's end, -1 without a log.
func (m *memory) end() (end int64) {
	end = -1
	m.locked(func() {
		if g := m.last(); g != nil {
			end = g.end()
		}
	})
	return end
}
