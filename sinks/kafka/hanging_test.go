package kafka_test

import (
	"bytes"
	"log/slog"
	"strings"
	"sync/atomic"
	"testing"

	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kfake"
	"github.com/twmb/franz-go/pkg/kmsg"

	"keyfeed/sinks/kafka"
)

// hangOnce lets the broker tell once that a transaction of the producer is open in two partitions of the topic, from offset
// start on, although the source is fenced. kfake never loses the end of one. It returns how often it was asked.
func hangOnce(c *kfake.Cluster, topic string, producer *atomic.Int64, start int64) *atomic.Int32 {
	asked := &atomic.Int32{}
	c.ControlKey(kmsg.DescribeProducers.Int16(), func(req kmsg.Request) (kmsg.Response, error, bool) {
		c.KeepControl()
		r, ok := req.(*kmsg.DescribeProducersRequest)
		if !ok || asked.Add(1) > 1 {
			return nil, nil, false
		}
		return openIn(r, topic, producer.Load(), start), nil, true
	})
	return asked
}

// openIn is an answer that tells of a transaction in the first two partitions of a topic.
func openIn(r *kmsg.DescribeProducersRequest, topic string, producer, start int64) *kmsg.DescribeProducersResponse {
	resp := kmsg.NewPtrDescribeProducersResponse()
	resp.Version = r.Version
	for _, t := range r.Topics {
		rt := kmsg.NewDescribeProducersResponseTopic()
		rt.Topic = t.Topic
		for _, p := range t.Partitions {
			rp := kmsg.NewDescribeProducersResponseTopicPartition()
			rp.Partition = p
			if p < 2 && t.Topic == topic {
				a := kmsg.NewDescribeProducersResponseTopicPartitionActiveProducer()
				a.ProducerID, a.CurrentTxnStartOffset = producer, start
				rp.ActiveProducers = append(rp.ActiveProducers, a)
			}
			rt.Partitions = append(rt.Partitions, rp)
		}
		resp.Topics = append(resp.Topics, rt)
	}
	return resp
}

// hundred stores a hundred events, and keeps the producer's id and the count of its aborts up to date from then on.
func hundred(t *testing.T, c *kfake.Cluster, cfg kafka.Config) (producer *atomic.Int64, aborts *atomic.Int32) {
	t.Helper()
	producer, aborts = &atomic.Int64{}, &atomic.Int32{}
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
	s := opened(t, cfg)
	mustWrite(t, s, events(0, 100))
	mustFlush(t, s)
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	return producer, aborts
}

// TestHangingTransactionIsAborted: what hangs behind all that the progress record names was not committed (testRemnants
// has the other cases).
func TestHangingTransactionIsAborted(t *testing.T) {
	c := cluster(t)
	cfg := config("hang", c.ListenAddrs()...)
	var log bytes.Buffer
	cfg.Logger = slog.New(slog.NewTextHandler(&log, nil))
	producer, aborts := hundred(t, c, cfg)
	asked := hangOnce(c, "keyfeed.hang", producer, 1000)
	second := opened(t, cfg)
	if got := second.Confirmed(); got != posAt(100) {
		t.Errorf("the position is %v after the abort, want %v", got, posAt(100))
	}
	mustWrite(t, second, events(100, 200))
	mustFlush(t, second)
	wantOnce(t, cfg, 200)
	if err := second.Close(); err != nil { // before the log is read
		t.Fatal(err)
	}
	if aborts.Load() != 1 || asked.Load() < 2 || !strings.Contains(log.String(), "partitions=2") {
		t.Errorf("%d transactions were aborted, the open ones asked for %d times; log:\n%s", aborts.Load(), asked.Load(), &log)
	}
}

// TestClaimWaitsForItsMarker: an Open that fails right behind the claim, or a broker that is killed there, must not leave the
// next Open without it, which would find the older writer's record and end as one that was fenced.
func TestClaimWaitsForItsMarker(t *testing.T) {
	c := cluster(t)
	cfg := config("hang", c.ListenAddrs()...)
	producer, _ := hundred(t, c, cfg)
	var claimed atomic.Bool
	var asked atomic.Int32
	c.ControlKey(kmsg.EndTxn.Int16(), func(kmsg.Request) (kmsg.Response, error, bool) {
		c.KeepControl()
		claimed.Store(true)
		return nil, nil, false
	})
	c.ControlKey(kmsg.DescribeProducers.Int16(), func(req kmsg.Request) (kmsg.Response, error, bool) {
		c.KeepControl()
		r, ok := req.(*kmsg.DescribeProducersRequest)
		if !ok || !claimed.Load() || asked.Add(1) > 2 {
			return nil, nil, false
		}
		return openIn(r, "_keyfeed.progress", producer.Load(), 1), nil, true
	})
	opened(t, cfg)
	if n := asked.Load(); n < 3 {
		t.Errorf("Open returned after it had asked for the claim's marker %d times, and there was none", n)
	}
}

// TestHangingCommitNeedsARight: markers are what only some users may write. Without that, an operator must act, and nothing
// is aborted.
func TestHangingCommitNeedsARight(t *testing.T) {
	c := cluster(t)
	cfg := config("hang", c.ListenAddrs()...)
	producer, aborts := hundred(t, c, cfg)
	hangOnce(c, "keyfeed.hang", producer, 1)
	c.ControlKey(kmsg.WriteTxnMarkers.Int16(), func(req kmsg.Request) (kmsg.Response, error, bool) {
		c.KeepControl()
		r, ok := req.(*kmsg.WriteTxnMarkersRequest)
		if !ok {
			return nil, nil, false
		}
		resp := kmsg.NewPtrWriteTxnMarkersResponse()
		resp.Version = r.Version
		for _, m := range r.Markers {
			rm := kmsg.NewWriteTxnMarkersResponseMarker()
			rm.ProducerID = m.ProducerID
			for _, t := range m.Topics {
				rt := kmsg.NewWriteTxnMarkersResponseMarkerTopic()
				rt.Topic = t.Topic
				for _, p := range t.Partitions {
					rp := kmsg.NewWriteTxnMarkersResponseMarkerTopicPartition()
					rp.Partition, rp.ErrorCode = p, kerr.ClusterAuthorizationFailed.Code
					rt.Partitions = append(rt.Partitions, rp)
				}
				rm.Topics = append(rm.Topics, rt)
			}
			resp.Markers = append(resp.Markers, rm)
		}
		return resp, nil, true
	})
	err := openError(t, cfg)
	wantOperator(t, err)
	if !strings.Contains(err.Error(), "ALTER on the cluster") || aborts.Load() > 0 {
		t.Errorf("the error is %v; %d transactions were aborted", err, aborts.Load())
	}
}
