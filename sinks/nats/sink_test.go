package nats_test

import (
	"context"
	"errors"
	"testing"

	"keyfeed/sinks"
	keyfeednats "keyfeed/sinks/nats"
	"keyfeed/sinks/sinktest"
)

func readAll(ctx context.Context, cfg keyfeednats.Config) (stored []sinktest.Stored, err error) {
	err = keyfeednats.Read(ctx, cfg, keyfeednats.All().ToEnd(), func(r *keyfeednats.Record) error {
		if r.Pos.IsZero() { // an epoch's heartbeat
			return nil
		}
		stored = append(stored, sinktest.Stored{Value: r.Value, Place: r.Subject})
		return nil
	})
	if errors.Is(err, keyfeednats.ErrNoStream) {
		return nil, nil
	}
	return stored, err
}

// withoutStandby hides that a sink can stand by.
type withoutStandby struct {
	sinks.Sink
	sinks.Limiter
	sinks.Looker
	sinks.Describer
}

func TestContract(t *testing.T) {
	for _, publish := range ways() {
		t.Run(string(publish), func(t *testing.T) {
			sinktest.Run(t, func(t *testing.T) sinktest.Harness {
				t.Helper()
				const window = 64
				srv := newServer(t, nil)
				proxy := newRelay(t, srv.server.Addr().String())
				cfg := srv.config()
				cfg.Publish, cfg.MaxPendingRecords = publish, window
				if publish == keyfeednats.PublishAtomic {
					cfg.Subject = "{source}.{db}.{key}"
				}
				return sinktest.Harness{
					New: func(t *testing.T) sinks.Sink {
						t.Helper()
						through := cfg
						through.URL = proxy.url()
						s, err := keyfeednats.New(through)
						if err != nil {
							t.Fatal(err)
						}
						if publish != keyfeednats.PublishFast {
							return withoutStandby{s, s, s, s} // it takes its time, and is the same in every way to publish
						}
						return s
					},
					Read:        func(ctx context.Context) ([]sinktest.Stored, error) { return readAll(ctx, cfg) },
					StopBroker:  func(*testing.T) { srv.stop() },
					StartBroker: func(t *testing.T) { t.Helper(); srv.start(t) },
					Stall:       func(*testing.T) { proxy.shut() },
					Resume:      func(*testing.T) { proxy.unshut() },
					Window:      window,
				}
			}, sinktest.Features{ExactPosition: true, TotalOrder: true, Fences: true})
		})
	}
}
