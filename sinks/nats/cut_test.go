package nats_test

import (
	"math/rand/v2"
	"testing"
	"time"

	"keyfeed/internal/change"
)

// TestCutsLoseAndRepeatNothing cuts the connection at random moments while batches of random size are written, and
// goes on each time from the position that Open returns.
func TestCutsLoseAndRepeatNothing(t *testing.T) {
	seed := rand.Uint64()
	t.Logf("seed %d", seed)
	rng := rand.New(rand.NewPCG(seed, 0))
	srv := newServer(t, nil)
	proxy := newRelay(t, srv.server.Addr().String())
	cfg := srv.config()
	cfg.URL, cfg.MaxPendingRecords = proxy.url(), 500
	s := mustOpen(t, cfg, 0)
	const events, cuts = 8_000, 8
	next, failures := int64(1), 0
	for next <= events {
		err := s.Err()
		if failures < cuts && rng.IntN(20) == 0 {
			timer := time.AfterFunc(time.Duration(rng.IntN(2000))*time.Microsecond, proxy.cut)
			defer timer.Stop()
		}
		n := min(1+rng.Int64N(100), events-next+1)
		if err == nil {
			err = s.Write(t.Context(), &change.Batch{Records: records(next, int(n))})
			next += n
		}
		if next > events && err == nil {
			err = s.Flush(t.Context())
		}
		if err == nil {
			continue
		}
		wantTransient(t, err)
		failures++
		confirmed := s.Confirmed()
		for pos, err := s.Open(t.Context()); ; pos, err = s.Open(t.Context()) {
			if err != nil {
				wantTransient(t, err)
				continue
			}
			if pos.Offset < confirmed.Offset || pos.Offset >= next {
				t.Fatalf("the stream is at %d; %d was confirmed, %d written", pos.Offset, confirmed.Offset, next-1)
			}
			next = pos.Offset + 1
			break
		}
	}
	if failures == 0 {
		t.Error("no cut hit the sink: the test tests nothing")
	}
	t.Logf("%d failures", failures)
	wantOffsets(t, srv.config(), 1, events)
}
