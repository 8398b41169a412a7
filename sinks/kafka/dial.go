package kafka

import (
	"fmt"
	"net"
	"sync/atomic"
	"time"

	"github.com/twmb/franz-go/pkg/kgo"
)

// dialWatch remembers why the newest connection failed. A wait that ends by its timeout says only that it did; this says
// what it waited for.
type dialWatch struct {
	last atomic.Pointer[error] // nil after a connection that worked
}

// OnBrokerConnect implements kgo.HookBrokerConnect.
func (d *dialWatch) OnBrokerConnect(_ kgo.BrokerMetadata, _ time.Duration, _ net.Conn, err error) {
	if err == nil {
		d.last.Store(nil)
		return
	}
	d.last.Store(&err)
}

// explain adds the failed connection, if there is one, to the error of a wait.
func (d *dialWatch) explain(err error) error {
	if last := d.last.Load(); last != nil {
		return fmt.Errorf("%w; the last connection failed: %w", err, *last)
	}
	return err
}
