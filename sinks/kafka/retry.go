package kafka

import (
	"context"
	"errors"
	"time"

	"github.com/twmb/franz-go/pkg/kerr"
)

// retryPause is between tries of a request whose answer says that asking again may help.
const retryPause = 100 * time.Millisecond

// retry calls ask until its error is none that Kafka calls retriable, for requestTimeout at most. The client retries
// broken connections itself, but hands on many answers of brokers that do not know of a new topic or leader yet.
func retry(ctx context.Context, ask func() error) error {
	ends := time.Now().Add(requestTimeout)
	for {
		err := ask()
		if err == nil || !retriable(err) || time.Now().After(ends) {
			return err
		}
		if err := sleep(ctx, retryPause); err != nil {
			return err
		}
	}
}

func retriable(err error) bool {
	code, ok := errors.AsType[*kerr.Error](err)
	return ok && code.Retriable
}

// sleep returns the cause of ctx when that ends first.
func sleep(ctx context.Context, d time.Duration) error {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
		return nil
	case <-ctx.Done():
		return context.Cause(ctx)
	}
}
