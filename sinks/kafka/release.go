package kafka

import (
	"context"
	"errors"
	"fmt"

	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kgo"
)

// release ends the transactions of this source's producer that hang, each as it was decided. The source is fenced, so the
// coordinator has ended every transaction before: what is open still is open for good.
func (e *session) release(ctx context.Context) error {
	id, _, err := e.cl.ProducerID(ctx)
	if err != nil {
		return fmt.Errorf("asking for the producer id: %w", err)
	}
	remnants, err := e.hanging(ctx, id, e.written)
	if err != nil || len(remnants) == 0 {
		return err
	}
	commit, abort, err := e.judge(ctx, remnants)
	if err != nil {
		return fmt.Errorf("finding out what was decided about a transaction that hangs in %v: %w", remnants, err)
	}
	log := e.sink.cfg.Logger.With("producer_id", id)
	// The commit comes first: where this process dies in between, the next one finds the rest as it was.
	if len(commit) > 0 {
		log.Warn("Kafka lost the end of a committed transaction in some partitions, so nothing behind it can be read; committing it there",
			"partitions", len(commit), "first", fmt.Sprint(commit[0]))
		if err := e.commitRemnants(ctx, commit); err != nil {
			return err
		}
	}
	if len(abort) > 0 {
		log.Warn("Kafka lost the end of a transaction, so nothing behind it can be read; aborting it to publish its events again",
			"partitions", len(abort), "first", fmt.Sprint(abort[0]))
		if err := e.abortRemnants(ctx, abort); err != nil {
			return fmt.Errorf("aborting a transaction that hangs: %w", err)
		}
	}
	return e.awaitNone(ctx, id, retryPause, e.written)
}

// commitRemnants writes the markers that the coordinator left out. A transaction of our own would not do: if this process
// died inside it, its abort would take away what is committed elsewhere.
func (e *session) commitRemnants(ctx context.Context, remnants []remnant) error {
	for _, p := range remnants {
		marker := kadm.TxnMarkers{
			ProducerID: p.producer, ProducerEpoch: p.epoch, Commit: true, CoordinatorEpoch: max(p.coordinator, 0),
			Topics: kadm.TopicsSet{},
		}
		marker.Topics.Add(p.topic, p.partition)
		err := retry(ctx, func() error {
			answers, err := e.topics.adm.WriteTxnMarkers(ctx, marker)
			if err != nil {
				return err
			}
			answer, ok := answers[p.producer].Topics[p.topic].Partitions[p.partition]
			if !ok {
				return errors.New("the broker's answer does not name it")
			}
			return answer.Err
		})
		if errors.Is(err, kerr.ClusterAuthorizationFailed) {
			return operator(fmt.Errorf("committing %v, of which the other partitions are committed: %w", p, err),
				"grant keyfeed's user ALTER on the cluster until it has started once; aborting the transaction would lose events")
		}
		if err != nil {
			return fmt.Errorf("committing %v, of which the other partitions are committed: %w", p, err)
		}
	}
	return nil
}

// abortRemnants ends what hangs with a transaction that has a record in each: its marker ends both. Whoever may publish may
// do this, and it is aborted too where this process dies in between.
func (e *session) abortRemnants(ctx context.Context, remnants []remnant) error {
	if err := e.cl.BeginTransaction(); err != nil {
		return fmt.Errorf("beginning a transaction: %w", err)
	}
	in := kadm.TopicsSet{}
	for _, p := range remnants {
		in.Add(p.topic, p.partition)
		// Never to be read, but a topic that is compacted wants a key.
		record := &kgo.Record{Topic: p.topic, Partition: p.partition, Key: []byte(e.sink.cfg.Source), Value: []byte{}}
		if err := produceNow(ctx, e.cl, record); err != nil {
			return fmt.Errorf("writing to %v: %w", p, err)
		}
	}
	return endTransaction(ctx, e.cl, kgo.TryAbort, in)
}
