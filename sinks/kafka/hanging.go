package kafka

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kgo"
)

// A transaction hangs when its coordinator holds it for ended while a partition never got the marker that ends it. A broker
// that is killed between the decision and the markers can leave one: started again, it marks the transaction as complete
// without sending them (seen on Apache Kafka 4.4 with one broker: __transaction_state says CompleteCommit, and no partition
// of the transaction has a marker). The partition's last stable offset then stands still for good, so that no consumer
// reads what comes later, and neither would Open, which waits for the progress topic. Worse, the marker of a later
// transaction of the same producer would decide about the hanging one too, and a commit would show the events of one that
// was aborted.
//
// So a position is confirmed when the marker of its transaction stands in the progress topic, not when the commit is
// answered, and Open ends what hangs before it reads: it aborts it, in all partitions alike. Nobody has read any of it, none
// of it was confirmed, and the position before it is what is read then, so its events are published again.

// remnant is a partition in which a transaction hangs.
type remnant struct {
	topic     string
	partition int32
	start     int64 // offset of the transaction's first record there
}

// release ends the transactions of this source's producer that hang. The source is fenced, so the coordinator has ended
// every transaction before: what is open still is open for good.
func (e *session) release(ctx context.Context) error {
	id, _, err := e.cl.ProducerID(ctx)
	if err != nil {
		return fmt.Errorf("asking for the producer id: %w", err)
	}
	remnants, err := e.hanging(ctx, id, e.written)
	if err != nil || len(remnants) == 0 {
		return err
	}
	if err := e.checkWhole(ctx, remnants); err != nil {
		return err
	}
	e.sink.cfg.Logger.Warn("Kafka lost the end of a transaction, so nothing behind it can be read; aborting it to publish its events again",
		"producer_id", id, "partitions", len(remnants), "first", fmt.Sprint(remnants[0]))
	if err := e.abort(ctx, remnants); err != nil {
		return fmt.Errorf("aborting a transaction that hangs: %w", err)
	}
	return e.awaitNone(ctx, id, retryPause, e.written)
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
						found = append(found, remnant{t.Topic, p.Partition, a.CurrentTxnStartOffset})
					}
				}
			}
		}
		return nil
	})
	if errors.Is(err, kerr.UnsupportedVersion) || errors.Is(err, kerr.TopicAuthorizationFailed) {
		return nil, nil // not to be known; as it was before this was asked
	}
	if err != nil {
		return nil, fmt.Errorf("asking for open transactions: %w", err)
	}
	return found, nil
}

// progressPartition is the scope of the position.
func (e *session) progressPartition(context.Context) (kadm.TopicsSet, error) {
	set := kadm.TopicsSet{}
	set.Add(e.sink.cfg.ProgressTopic, 0)
	return set, nil
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

// checkWhole refuses to abort a transaction of which a part is committed: where its progress record says that a partition
// got events and nothing hangs there, a marker came. Then only an operator can know.
func (e *session) checkWhole(ctx context.Context, remnants []remnant) error {
	hangs := map[string]bool{}
	start := int64(-1)
	for _, p := range remnants {
		hangs[partitionKey(p.topic, p.partition)] = true
		if p.topic == e.sink.cfg.ProgressTopic {
			start = p.start
		}
	}
	if start < 0 {
		return nil // without a progress record it was never to be committed
	}
	unread, err := e.reader().firstFrom(ctx, e.sink.cfg.Source, start)
	if err != nil || unread == nil {
		return err
	}
	next, err := e.parse(unread)
	if err != nil {
		return err
	}
	before := &progress{}
	value, err := e.reader().lastCommitted(ctx, e.sink.cfg.Source)
	if err == nil && value != nil {
		before, err = e.parse(value)
	}
	if err != nil {
		return err
	}
	if marked := ended(before, next, hangs); len(marked) > 0 {
		return operator(fmt.Errorf("the end of a transaction is lost in %v, but not in %s", remnants, strings.Join(marked, ", ")),
			"end it everywhere as it ended there: see kafka-transactions.sh, find-hanging and abort")
	}
	return nil
}

// ended lists the partitions that got events between two progress records and in which nothing hangs.
func ended(before, next *progress, hangs map[string]bool) (out []string) {
	stored := map[string]int64{}
	for _, t := range before.Topics {
		for i, last := range t.Last {
			stored[partitionKey(t.Name, int32(i))] = last
		}
	}
	for _, t := range next.Topics {
		for i, last := range t.Last {
			key := partitionKey(t.Name, int32(i))
			was, known := stored[key]
			if last >= 0 && (!known || last > was) && !hangs[key] {
				out = append(out, key)
			}
		}
	}
	return out
}

func partitionKey(topic string, partition int32) string {
	return fmt.Sprintf("%s/%d", topic, partition)
}

// abort ends what hangs with a transaction that has a record in each: its marker ends both.
func (e *session) abort(ctx context.Context, remnants []remnant) error {
	if err := e.cl.BeginTransaction(); err != nil {
		return fmt.Errorf("beginning a transaction: %w", err)
	}
	for _, p := range remnants {
		// Never to be read, but a topic that is compacted wants a key.
		record := &kgo.Record{Topic: p.topic, Partition: p.partition, Key: []byte(e.sink.cfg.Source), Value: []byte{}}
		if err := produceNow(ctx, e.cl, record); err != nil {
			return fmt.Errorf("writing to %v: %w", p, err)
		}
	}
	return e.cl.EndTransaction(ctx, kgo.TryAbort)
}

// String names it for people.
func (p remnant) String() string {
	return fmt.Sprintf("partition %d of topic %s from offset %d on", p.partition, p.topic, p.start)
}
