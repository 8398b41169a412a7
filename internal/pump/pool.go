package pump

import (
	"sync"

	"keyfeed/internal/change"
)

// batchPool reuses batches and the arenas that their records point into, so that a steady stream allocates nothing.
type batchPool struct {
	mu     sync.Mutex
	free   []*change.Batch          // guarded by mu
	arenas map[*change.Batch][]byte // the arena of each batch that is out or free; guarded by mu
}

// keepFree bounds what is kept for reuse; more were in flight at once only in a burst.
const keepFree = 64

func newBatchPool() *batchPool {
	return &batchPool{arenas: make(map[*change.Batch][]byte)}
}

func (p *batchPool) get() (*change.Batch, []byte) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if n := len(p.free); n > 0 {
		b := p.free[n-1]
		p.free = p.free[:n-1]
		return b, p.arenas[b][:0]
	}
	b := &change.Batch{Records: make([]change.Record, 0, 256)}
	b.Free = p.put
	return b, make([]byte, 0, batchBytes+batchBytes/4)
}

// keep remembers the arena of b until b comes back: growing it may have moved it.
func (p *batchPool) keep(b *change.Batch, arena []byte) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.arenas[b] = arena
}

// put takes b back. Arenas that one huge event blew up are dropped.
func (p *batchPool) put(b *change.Batch) {
	clear(b.Records)
	b.Records, b.Bytes = b.Records[:0], 0
	p.mu.Lock()
	defer p.mu.Unlock()
	if len(p.free) >= keepFree || cap(p.arenas[b]) > 2*maxBatchBytes {
		delete(p.arenas, b)
		return
	}
	p.free = append(p.free, b)
}
