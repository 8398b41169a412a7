package kafka

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"syscall"
	"testing"

	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kgo"

	"keyfeed/sinks"
)

func TestClassify(t *testing.T) {
	tests := []struct {
		err    error
		create bool
		want   error // nil = transient
	}{
		{kerr.SaslAuthenticationFailed, true, sinks.ErrConfig},
		{kerr.UnsupportedSaslMechanism, true, sinks.ErrConfig},
		{kerr.TopicAuthorizationFailed, true, sinks.ErrConfig},
		{kerr.ClusterAuthorizationFailed, true, sinks.ErrConfig},
		{kerr.UnknownTopicOrPartition, false, sinks.ErrConfig},
		{kerr.UnknownTopicOrPartition, true, nil},
		{kerr.UnknownTopicID, true, nil},
		{kerr.InvalidTopicException, true, sinks.ErrConfig},
		{kerr.InvalidReplicationFactor, true, sinks.ErrConfig},
		{kerr.UnsupportedVersion, true, sinks.ErrConfig},
		{kerr.MessageTooLarge, true, sinks.ErrTooLarge},
		{kerr.ProducerFenced, true, nil},
		{kerr.InvalidProducerEpoch, true, nil},
		{kerr.TransactionalIDAuthorizationFailed, true, sinks.ErrConfig},
		{kerr.InvalidTransactionTimeout, true, sinks.ErrConfig},
		{kerr.NotLeaderForPartition, true, nil},
		{kerr.NotEnoughReplicas, true, nil},
		{kerr.OutOfOrderSequenceNumber, true, nil},
		{kerr.KafkaStorageError, true, nil},
		{kerr.UnknownServerError, true, nil},
		{&tls.CertificateVerificationError{Err: errors.New("x")}, true, sinks.ErrConfig},
		{tls.RecordHeaderError{Msg: "x"}, true, sinks.ErrConfig},
		{&kgo.ErrFirstReadEOF{}, true, nil},
		{io.EOF, true, nil},
		{syscall.ECONNREFUSED, true, nil},
		{context.Canceled, true, nil},
		{context.DeadlineExceeded, true, nil},
		{fmt.Errorf("%w: %w", context.DeadlineExceeded, &tls.CertificateVerificationError{Err: errors.New("x")}), true, sinks.ErrConfig},
		{kgo.ErrClientClosed, true, nil},
		{operator(errors.New("x"), "y"), true, sinks.ErrConfig},
	}
	for _, tt := range tests {
		t.Run(tt.err.Error(), func(t *testing.T) {
			got := classify(fmt.Errorf("doing: %w", tt.err), tt.create)
			if !errors.Is(got, tt.err) {
				t.Errorf("%v is lost in %v", tt.err, got)
			}
			for _, kind := range []error{sinks.ErrConfig, sinks.ErrTooLarge, sinks.ErrFenced} {
				if is := errors.Is(got, kind); is != (kind == tt.want) { //nolint:errorlint // the very sentinel is meant
					t.Errorf("errors.Is(%v, %v) is %v", got, kind, is)
				}
			}
			if again := classify(got, tt.create); again.Error() != got.Error() {
				t.Errorf("classified twice it is %v, once %v", again, got)
			}
		})
	}
	if classify(nil, true) != nil {
		t.Error("no error became one")
	}
}

// FuzzProgress must neither panic nor take a record whose offsets do not fit its partitions.
func FuzzProgress(f *testing.F) {
	f.Add([]byte(`{"v":1,"source":"redis","position":"none","topics":[{"name":"keyfeed.redis","id":"","partitions":2,"last":[1,-1]}]}`))
	f.Add([]byte(`{"v":1,"source":"redis","topics":[{"partitions":-1}]}`))
	f.Fuzz(func(t *testing.T, value []byte) {
		p, err := parseProgress(value, "redis")
		if err != nil {
			return
		}
		for _, topic := range p.Topics {
			if len(topic.Last) == 0 || len(topic.Last) != int(topic.Partitions) {
				t.Errorf("%d offsets for %d partitions were taken", len(topic.Last), topic.Partitions)
			}
		}
		again, err := p.encode()
		if err != nil {
			t.Fatal(err)
		}
		back, err := parseProgress(again, "redis")
		if err != nil || back.position != p.position {
			t.Errorf("%s is read back as %+v, %v", again, back, err)
		}
	})
}
