package kafka_test

import (
	"errors"
	"testing"

	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kfake"
	"github.com/twmb/franz-go/pkg/kmsg"

	"keyfeed/sinks"
)

// TestRetriableFaultsAreNotSeen lets produce requests fail with what a client retries: nothing is lost, and although the
// broker has stored some of them already, nothing is stored twice.
func TestRetriableFaultsAreNotSeen(t *testing.T) {
	t.Parallel()
	for _, fault := range []*kerr.Error{
		kerr.NotLeaderForPartition, kerr.LeaderNotAvailable, kerr.RequestTimedOut, kerr.NotEnoughReplicas,
		kerr.NotEnoughReplicasAfterAppend, kerr.KafkaStorageError, kerr.CoordinatorLoadInProgress,
	} {
		t.Run(fault.Message, func(t *testing.T) {
			c := cluster(t)
			cfg := config("redis", c.ListenAddrs()...)
			s := opened(t, cfg)
			h := c.Fault(kfake.Fault{Keys: []kmsg.Key{kmsg.Produce}, Err: fault, Count: 3})
			for i := range 20 {
				mustWrite(t, s, events(50*i, 50*(i+1)))
			}
			mustFlush(t, s)
			if h.Hits() == 0 {
				t.Error("the fault hit nothing")
			}
			wantOnce(t, cfg, 1000)
			if got := opened(t, cfg).Confirmed(); got != posAt(1000) {
				t.Errorf("the next sink starts at %v, want %v", got, posAt(1000))
			}
		})
	}
}

// TestFaultsThatFailTheSink checks how the sink fails and that the next Open goes on from what was confirmed.
func TestFaultsThatFailTheSink(t *testing.T) {
	t.Parallel()
	tests := []struct {
		fault *kerr.Error
		topic string
		want  error // wrapped; nil = one that a retry may heal
	}{
		{kerr.MessageTooLarge, "keyfeed.redis", sinks.ErrTooLarge},
		{kerr.RecordListTooLarge, "keyfeed.redis", sinks.ErrTooLarge},
		{kerr.TopicAuthorizationFailed, "keyfeed.redis", sinks.ErrConfig},
		{kerr.TopicAuthorizationFailed, "_keyfeed.progress", sinks.ErrConfig},
		{kerr.InvalidRecord, "keyfeed.redis", sinks.ErrConfig},
		{kerr.UnsupportedForMessageFormat, "keyfeed.redis", sinks.ErrConfig},
		{kerr.InvalidTimestamp, "keyfeed.redis", nil},
		{kerr.OutOfOrderSequenceNumber, "keyfeed.redis", nil},
		{kerr.UnknownServerError, "_keyfeed.progress", nil},
	}
	for _, tt := range tests {
		t.Run(tt.fault.Message+"/"+tt.topic, func(t *testing.T) {
			c := cluster(t)
			cfg := config("redis", c.ListenAddrs()...)
			s := opened(t, cfg)
			mustWrite(t, s, events(0, 10))
			mustFlush(t, s)
			h := c.Fault(kfake.Fault{Keys: []kmsg.Key{kmsg.Produce}, Topic: tt.topic, Err: tt.fault, Count: 1})
			_ = s.Write(within(t), events(10, 20))
			err := s.Flush(within(t))
			if err == nil || tt.want != nil && !errors.Is(err, tt.want) {
				t.Fatalf("Flush gave %v, want %v", err, tt.want)
			}
			if tt.want == nil && (errors.Is(err, sinks.ErrConfig) || errors.Is(err, sinks.ErrFenced)) {
				t.Fatalf("Flush gave %v, want an error that a retry may heal", err)
			}
			if h.Hits() == 0 {
				t.Error("the fault hit nothing")
			}
			if got := s.Confirmed(); got != posAt(10) {
				t.Errorf("Confirmed() is %v after the failure, want %v", got, posAt(10))
			}
			pos, err := s.Open(within(t))
			if err != nil {
				t.Fatalf("Open after the failure: %v", err)
			}
			if pos != posAt(10) {
				t.Fatalf("Open gave %v, want %v", pos, posAt(10))
			}
			mustWrite(t, s, events(10, 20))
			mustFlush(t, s)
			got := counts(records(t, cfg, readAll()))
			if len(got) != 20 {
				t.Errorf("%d events are stored, want 20", len(got))
			}
		})
	}
}

// TestOpenRetriesWhatHeals lets the requests of Open fail a few times.
func TestOpenRetriesWhatHeals(t *testing.T) {
	tests := []struct {
		name  string
		key   kmsg.Key
		fault *kerr.Error
	}{
		{"leader moved", kmsg.Fetch, kerr.NotLeaderForPartition},
		{"offset compacted away", kmsg.Fetch, kerr.OffsetOutOfRange},
		{"broker starting", kmsg.ListOffsets, kerr.LeaderNotAvailable},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			c := cluster(t)
			cfg := config("redis", c.ListenAddrs()...)
			s := opened(t, cfg)
			mustWrite(t, s, events(0, 10))
			mustFlush(t, s)
			h := c.Fault(kfake.Fault{Keys: []kmsg.Key{tt.key}, Err: tt.fault, Count: 2})
			if got := opened(t, cfg).Confirmed(); got != posAt(10) {
				t.Errorf("Open gave %v, want %v", got, posAt(10))
			}
			if h.Hits() == 0 {
				t.Error("the fault hit nothing")
			}
		})
	}
}

// TestLeadersMove moves partitions between three brokers while events are written.
func TestLeadersMove(t *testing.T) {
	c := cluster(t, kfake.NumBrokers(3))
	cfg := config("redis", c.ListenAddrs()...)
	s := opened(t, cfg)
	for i := range 30 {
		mustWrite(t, s, events(100*i, 100*(i+1)))
		if i%5 == 4 {
			c.ShufflePartitionLeaders()
		}
	}
	mustFlush(t, s)
	wantOnce(t, cfg, 3000)
}
