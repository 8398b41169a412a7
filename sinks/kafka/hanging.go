package kafka

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kmsg"
)

// A transaction hangs in a partition when its coordinator holds it for ended while the partition never got the marker that
// ends it. A broker that is killed between the decision and the markers can leave some or all of them out: started again, it
// marks the transaction as complete without sending them (seen on Apache Kafka 4.4 with one broker: __transaction_state says
// CompleteCommit, and none, or only some, of the transaction's partitions have a marker). The partition's last stable offset
// then stands still for good, so that no consumer reads what comes later, and neither would Open, which waits for the
// progress topic. Worse, the marker of a later transaction of the same producer would decide about the hanging one too: an
// abort would take events away whose position is stored, a commit would show events of a transaction that was aborted.
//
// So the transactor takes a transaction for committed, and begins the next one, when all of its markers are there, not when
// the commit is answered; and Open ends what hangs before it reads (verdict.go, release.go).

// remnant is a partition in which a transaction hangs.
type remnant struct {
	topic       string
	partition   int32
	start       int64 // offset of the transaction's first record there
	producer    int64
	epoch       int16
	coordinator int32 // epoch of the coordinator that wrote there last, -1 = none did
}

// awaitNone waits for markers: a coordinator answers when it has decided, before it has sent them.
func (e *session) awaitNone(ctx context.Context, producer int64, every time.Duration, in scope) error {
	for ends := time.Now().Add(requestTimeout); ; {
		remnants, err := e.hanging(ctx, producer, in)
		if err != nil || len(remnants) == 0 {
			return err
		}
		if time.Now().After(ends) {
			return fmt.Errorf("a transaction hangs in %v although it was ended", remnants)
		}
		if err := sleep(ctx, every); err != nil {
			return fmt.Errorf("waiting for the end of a transaction: %w", err)
		}
	}
}

// scope lists partitions to look at.
type scope func(context.Context) (kadm.TopicsSet, error)

// hanging lists where in the scope the producer has a transaction open. Brokers before 2.8 cannot be asked; nothing is
// found there.
func (e *session) hanging(ctx context.Context, producer int64, in scope) ([]remnant, error) {
	set, err := in(ctx)
	if err != nil {
		return nil, err
	}
	var found []remnant
	err = retry(ctx, func() error {
		found = nil
		described, err := e.topics.adm.DescribeProducers(ctx, set)
		if err != nil {
			return err
		}
		for _, t := range described {
			for _, p := range t.Partitions {
				if p.Err != nil && !errors.Is(p.Err, kerr.UnknownTopicOrPartition) {
					return p.Err
				}
				for _, a := range p.ActiveProducers {
					if a.ProducerID == producer && a.CurrentTxnStartOffset >= 0 {
						found = append(found, remnant{t.Topic, p.Partition, a.CurrentTxnStartOffset, a.ProducerID, a.ProducerEpoch, a.CoordinatorEpoch})
					}
				}
			}
		}
		return nil
	})
	switch {
	case err == nil:
		return found, nil
	case errors.Is(err, kerr.TopicAuthorizationFailed):
		return nil, operator(err, "grant READ on the topics: without it keyfeed cannot see whether a transaction has ended")
	case errors.Is(err, kerr.UnsupportedVersion), e.cannotTell(ctx):
		return nil, nil // not to be known; as it was before this was asked
	default:
		return nil, fmt.Errorf("asking for open transactions: %w", err)
	}
}

// cannotTell reports whether a broker does not know the request, which the client then does not send: its error says so in
// words only.
func (e *session) cannotTell(ctx context.Context) bool {
	brokers, err := e.topics.adm.ApiVersions(ctx)
	if err != nil {
		return false
	}
	for _, b := range brokers {
		if _, known := b.KeyMaxVersion(kmsg.DescribeProducers.Int16()); b.Err == nil && !known {
			return true
		}
	}
	return false
}

// written are the partitions that the source's transactions may have been in.
func (e *session) written(ctx context.Context) (kadm.TopicsSet, error) {
	set := kadm.TopicsSet{}
	set.Add(e.sink.cfg.ProgressTopic, 0)
	for _, t := range e.topics.all() {
		for p := range t.partitions {
			set.Add(t.name, p)
		}
	}
	if !e.topics.names.perDB {
		return set, nil
	}
	listed, err := e.topics.adm.ListTopics(ctx) // a database may have got its topic in the very transaction that hangs
	if err != nil {
		return nil, fmt.Errorf("listing topics: %w", err)
	}
	for _, t := range listed {
		if e.topics.names.matches(t.Topic) {
			for p := range t.Partitions {
				set.Add(t.Topic, p)
			}
		}
	}
	return set, nil
}

// String names it for people.
func (p remnant) String() string {
	return fmt.Sprintf("partition %d of topic %s from offset %d on", p.partition, p.topic, p.start)
}
