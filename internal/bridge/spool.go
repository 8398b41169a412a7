package bridge

import (
	"context"
	"errors"
	"fmt"

	"keyfeed/ingest"
	"keyfeed/snapshot"
)

// spool receives one snapshot for the link.
type spool struct {
	b *Bridge
	g *generation
	w *snapshot.Writer

	server   ingest.ServerInfo
	approved bool // an operator asked for it: that so many keys are left needs no other approval

	size int64 // as announced; -1 = not told
}

// Size implements ingest.Spool.
func (s *spool) Size(n int64) {
	s.size = n
	s.w.Expect(n)
}

// Write implements ingest.Spool.
func (s *spool) Write(p []byte) (int, error) {
	n, err := s.w.Write(p)
	return n, retryFull(err)
}

// Commit implements ingest.Spool: from here on the generation can be published (invariant 7).
func (s *spool) Commit(ctx context.Context) (ingest.Log, int, error) {
	b := s.b
	sp, err := s.w.Commit(ctx)
	if err != nil {
		s.Abort(err)
		return nil, 0, refused(fmt.Errorf("verifying the snapshot: %w", err))
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	s.g.spool, b.receiving, b.needRoom = sp, nil, 0
	b.arrivedLocked()
	if err := b.adoptLocked(s.g); err != nil {
		return nil, 0, retryFull(err)
	}
	m := sp.Meta()
	if s.server.ReplID != "" {
		s.server.ReplID = m.ReplID // a source without replicas draws a new one for its first
	}
	if err := b.rememberLocked(&s.server); err != nil {
		return nil, 0, err
	}
	if s.server.KeysKnown {
		b.keepCountLocked(s.g, s.server.Keys)
		if s.approved {
			b.measureLocked(s.g.counted())
		}
	}
	b.log.Info("the snapshot is complete", "gen", s.g.meta.Gen, "bytes", m.Size)
	return &appender{b: b, g: s.g}, m.DB, nil
}

// replacePendingLocked removes generations of which nothing was published: the new one replaces them. b.mu is held.
func (b *Bridge) replacePendingLocked() error {
	for len(b.gens) > 0 {
		g := b.newestLocked()
		if g.meta.Begun {
			return nil
		}
		b.gens = b.gens[:len(b.gens)-1]
		if err := b.remove(g, "a newer snapshot replaces it before anything of it was published"); err != nil {
			return err
		}
	}
	return nil
}

// Abort implements ingest.Spool.
func (s *spool) Abort(cause error) {
	b := s.b
	b.mu.Lock()
	defer b.mu.Unlock()
	b.receiving = nil
	if noSpace(cause) && !b.memory() {
		b.needRoom = max(s.size, s.w.Size())
	}
	err := s.w.Abort()
	if err = errors.Join(err, b.remove(s.g, "its snapshot did not arrive whole")); err != nil {
		b.log.Warn("removing an unfinished snapshot did not succeed; it is removed at the next start", "error", err, "cause", cause)
	}
	b.broadcastLocked()
}
