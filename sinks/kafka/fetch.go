package kafka

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kgo"
	"github.com/twmb/franz-go/pkg/kmsg"
)

const (
	// firstStep is how many offsets before its end the progress topic is read first. Compaction and other sources leave
	// the newest record of a source further back; each next step is stepGrowth times as long.
	firstStep  = 256
	stepGrowth = 8

	fetchWaitMs   = 250
	fetchMaxBytes = 4 << 20
	fetchBackoff  = 100 * time.Millisecond
)

// progressReader finds the newest record of one key in the progress topic, read_committed. It asks the leader itself
// instead of consuming: compaction leaves gaps and transactions leave markers, and only the raw answer tells for certain
// that an offset has been passed.
type progressReader struct {
	cl    *kgo.Client
	adm   *kadm.Client
	topic string
}

// last returns the value of the newest committed record with that key, nil where there is none. It waits while a
// transaction that may hold a newer one is open.
func (r *progressReader) last(ctx context.Context, key string) ([]byte, error) {
	start, end, err := r.bounds(ctx)
	if err != nil {
		return nil, err
	}
	step := int64(firstStep)
	for hi := end; hi > start; step *= stepGrowth {
		lo := max(start, hi-step)
		value, found, err := r.lastIn(ctx, key, lo, hi)
		if err != nil || found {
			return value, err
		}
		hi = lo
	}
	return nil, nil
}

func (r *progressReader) bounds(ctx context.Context) (start, end int64, err error) {
	offset := func(list func(context.Context, ...string) (kadm.ListedOffsets, error)) (int64, error) {
		listed, err := list(ctx, r.topic)
		if err != nil {
			return 0, err
		}
		o, ok := listed.Lookup(r.topic, 0)
		if !ok {
			return 0, kerr.UnknownTopicOrPartition
		}
		return o.Offset, o.Err
	}
	// The end comes first, uncommitted: what another writer has begun before us counts.
	if end, err = offset(r.adm.ListEndOffsets); err != nil {
		return 0, 0, fmt.Errorf("asking where topic %s ends: %w", r.topic, err)
	}
	if start, err = offset(r.adm.ListStartOffsets); err != nil {
		return 0, 0, fmt.Errorf("asking where topic %s starts: %w", r.topic, err)
	}
	return start, end, nil
}

// lastIn looks at the offsets lo <= offset < hi. A tombstone is found, with a nil value: it takes back all before it.
func (r *progressReader) lastIn(ctx context.Context, key string, lo, hi int64) (value []byte, found bool, err error) {
	for offset := lo; offset < hi; {
		part, next, err := r.fetch(ctx, offset)
		switch {
		case errors.Is(err, kerr.OffsetOutOfRange):
			// Compaction has moved the start of the topic since bounds; newer records are still there.
			value, err := r.last(ctx, key)
			return value, true, err
		case ctx.Err() != nil:
			return nil, false, fmt.Errorf("reading topic %s: %w", r.topic, context.Cause(ctx))
		case err != nil && kerr.IsRetriable(err):
			if err := sleep(ctx, fetchBackoff); err != nil {
				return nil, false, err
			}
			continue
		case err != nil:
			return nil, false, fmt.Errorf("reading topic %s: %w", r.topic, err)
		}
		for _, rec := range part.Records {
			if rec.Offset < hi && string(rec.Key) == key {
				value, found = rec.Value, true
			}
		}
		offset = next // stays where a transaction is open; the broker then waits fetchWaitMs before it answers
	}
	return value, found, nil
}

// fetch asks the leader once, from offset on.
func (r *progressReader) fetch(ctx context.Context, offset int64) (kgo.FetchPartition, int64, error) {
	meta, err := r.adm.Metadata(ctx, r.topic)
	if err != nil {
		return kgo.FetchPartition{}, 0, err
	}
	detail := meta.Topics[r.topic]
	leader, ok := detail.Partitions[0]
	if err := errors.Join(detail.Err, leader.Err); err != nil || !ok {
		return kgo.FetchPartition{}, 0, errors.Join(err, kerr.LeaderNotAvailable)
	}
	req := kmsg.NewPtrFetchRequest()
	req.MaxWaitMillis = fetchWaitMs
	req.MinBytes = 1
	req.MaxBytes = fetchMaxBytes
	req.IsolationLevel = 1 // read_committed
	topic := kmsg.NewFetchRequestTopic()
	topic.Topic, topic.TopicID = r.topic, detail.ID
	part := kmsg.NewFetchRequestTopicPartition()
	part.FetchOffset = offset
	part.PartitionMaxBytes = fetchMaxBytes
	topic.Partitions = append(topic.Partitions, part)
	req.Topics = append(req.Topics, topic)
	answer, err := r.cl.Broker(int(leader.Leader)).RetriableRequest(ctx, req)
	if err != nil {
		return kgo.FetchPartition{}, 0, err
	}
	resp, ok := answer.(*kmsg.FetchResponse)
	if !ok || len(resp.Topics) != 1 || len(resp.Topics[0].Partitions) != 1 {
		if ok && resp.ErrorCode != 0 {
			return kgo.FetchPartition{}, 0, kerr.ErrorForCode(resp.ErrorCode)
		}
		return kgo.FetchPartition{}, 0, errors.New("the broker answered a fetch with another one")
	}
	out, next := kgo.ProcessFetchPartition(kgo.ProcessFetchPartitionOpts{
		Offset:         offset,
		IsolationLevel: kgo.ReadCommitted(),
		Topic:          r.topic,
	}, &resp.Topics[0].Partitions[0], kgo.DefaultDecompressor(), nil)
	return out, next, out.Err
}

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
