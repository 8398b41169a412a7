package pump

import (
	"context"
	"errors"
	"time"
)

// errGraceOver is the cause when what was in flight at a stop could not be delivered in time.
var errGraceOver = errors.New("the time to deliver what is in flight is over")

// grace returns a context that ends d after ctx does: a batch that waits for room when the process is told to stop is
// still delivered, instead of failing the sink in the middle.
func grace(ctx context.Context, d time.Duration) (context.Context, func()) {
	out, cancel := context.WithCancelCause(context.WithoutCancel(ctx))
	stop := context.AfterFunc(ctx, func() {
		timer := time.NewTimer(d)
		defer timer.Stop()
		select {
		case <-timer.C:
			cancel(errGraceOver)
		case <-out.Done():
		}
	})
	return out, func() {
		stop()
		cancel(nil)
	}
}
