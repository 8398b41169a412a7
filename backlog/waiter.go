package backlog

import "slices"

// waiter is a goroutine that waits for a change of a log. Its channel is made once and used again, so that waking costs
// no allocation. queued is guarded by Log.mu.
type waiter struct {
	wake   chan struct{} // holds one signal; a stale one costs its owner one more look
	queued bool
}

func newWaiter() *waiter { return &waiter{wake: make(chan struct{}, 1)} }

// waiters is a list of those to wake at the next change; guarded by Log.mu.
type waiters []*waiter

func (ws *waiters) add(w *waiter) {
	if !w.queued {
		w.queued = true
		*ws = append(*ws, w)
	}
}

func (ws *waiters) remove(w *waiter) {
	if i := slices.Index(*ws, w); i >= 0 {
		*ws = slices.Delete(*ws, i, i+1)
	}
	w.queued = false
}

func (ws *waiters) wakeAll() {
	for i, w := range *ws {
		w.queued = false
		(*ws)[i] = nil
		select {
		case w.wake <- struct{}{}:
		default:
		}
	}
	*ws = (*ws)[:0]
}
