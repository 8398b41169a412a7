package kafka

import (
	"fmt"
	"time"

	"keyfeed/internal/change"
)

// looksPerTimeout is how often per DeliveryTimeout the watch looks whether answers come. The sink fails after
// DeliveryTimeout at the earliest and one look later at the latest.
const looksPerTimeout = 4

// watch fails the session when something is owed and no answer has come for DeliveryTimeout: the client itself retries for
// ever, because it cannot tell a record that was lost from one that was stored without an answer.
func (e *session) watch() {
	look := time.NewTicker(max(e.sink.cfg.DeliveryTimeout/looksPerTimeout, time.Millisecond))
	defer look.Stop()
	var seen change.Position // what was acknowledged at the last look
	unchanged := 0           // looks in a row at which something was owed and nothing had come
	for {
		select {
		case <-e.ctx.Done():
			return
		case <-look.C:
		}
		owed, _ := e.sink.window.Pending()
		now := e.sink.window.Confirmed()
		if owed == 0 || now != seen {
			seen, unchanged = now, 0
			continue
		}
		if unchanged++; unchanged > looksPerTimeout {
			e.fail(e.late())
		}
	}
}

func (e *session) late() error {
	return e.dials.explain(fmt.Errorf("no acknowledgement from Kafka for %v", e.sink.cfg.DeliveryTimeout))
}
