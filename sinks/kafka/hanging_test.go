package kafka_test

import (
	"bytes"
	"log/slog"
	"strings"
	"sync/atomic"
	"testing"

	"github.com/twmb/franz-go/pkg/kmsg"
)

// TestHangingTransactionIsAborted lets the broker tell once that a transaction of the source is open in two partitions
// although the source is fenced, as Apache Kafka 4.4 did after a kill -9 (see hanging.go; kfake never loses the end of one):
// it is aborted in both, and what is written then is stored once.
func TestHangingTransactionIsAborted(t *testing.T) {
	c := cluster(t)
	cfg := config("hang", c.ListenAddrs()...)
	var log bytes.Buffer
	cfg.Logger = slog.New(slog.NewTextHandler(&log, nil))
	var producer atomic.Int64
	var aborts, asked atomic.Int32
	c.ControlKey(kmsg.EndTxn.Int16(), func(req kmsg.Request) (kmsg.Response, error, bool) {
		c.KeepControl()
		end, ok := req.(*kmsg.EndTxnRequest)
		if ok {
			producer.Store(end.ProducerID)
		}
		if ok && !end.Commit {
			aborts.Add(1)
		}
		return nil, nil, false
	})
	first := opened(t, cfg)
	mustWrite(t, first, events(0, 100))
	mustFlush(t, first)
	if err := first.Close(); err != nil {
		t.Fatal(err)
	}

	c.ControlKey(kmsg.DescribeProducers.Int16(), func(req kmsg.Request) (kmsg.Response, error, bool) {
		c.KeepControl()
		if asked.Add(1) > 1 {
			return nil, nil, false
		}
		r, ok := req.(*kmsg.DescribeProducersRequest)
		if !ok {
			return nil, nil, false
		}
		resp, ok := r.ResponseKind().(*kmsg.DescribeProducersResponse)
		if !ok {
			return nil, nil, false
		}
		for _, t := range r.Topics {
			rt := kmsg.NewDescribeProducersResponseTopic()
			rt.Topic = t.Topic
			for _, p := range t.Partitions {
				rp := kmsg.NewDescribeProducersResponseTopicPartition()
				rp.Partition = p
				if p < 2 && t.Topic == "keyfeed.hang" {
					a := kmsg.NewDescribeProducersResponseTopicPartitionActiveProducer()
					a.ProducerID, a.CurrentTxnStartOffset = producer.Load(), 1
					rp.ActiveProducers = append(rp.ActiveProducers, a)
				}
				rt.Partitions = append(rt.Partitions, rp)
			}
			resp.Topics = append(resp.Topics, rt)
		}
		return resp, nil, true
	})
	second := opened(t, cfg)
	if got := second.Confirmed(); got != posAt(100) {
		t.Errorf("the position is %v after the abort, want %v", got, posAt(100))
	}
	mustWrite(t, second, events(100, 200))
	mustFlush(t, second)
	wantOnce(t, cfg, 200)
	if aborts.Load() != 1 || asked.Load() < 2 || !strings.Contains(log.String(), "partitions=2") {
		t.Errorf("%d transactions were aborted, the open ones asked for %d times; log:\n%s", aborts.Load(), asked.Load(), &log)
	}
}
