package kafka

import (
	"context"
	"errors"
	"fmt"

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
)

// progressReader finds the newest record of one key in the progress topic, read_committed. It asks the leader itself
// instead of consuming: compaction leaves gaps and transactions leave markers, and only the raw answer tells for certain
// that an offset has been passed.
type progressReader struct {
	cl        *kgo.Client
	adm       *kadm.Client
	topic     string
	partition int32 // the progress topic has but one, 0
}

// last returns the value of the newest committed record with that key, nil where there is none. It waits while a
// transaction that may hold a newer one is open.
func (r *progressReader) last(ctx context.Context, key string) ([]byte, error) {
	// Where it ends uncommitted: what another writer has begun before us counts.
	return r.lastBefore(ctx, key, r.adm.ListEndOffsets)
}

// lastCommitted is last without the wait: what lies behind the first open transaction does not count.
func (r *progressReader) lastCommitted(ctx context.Context, key string) ([]byte, error) {
	return r.lastBefore(ctx, key, r.adm.ListCommittedOffsets)
}

func (r *progressReader) lastBefore(ctx context.Context, key string, ends listOffsets) ([]byte, error) {
	end, err := offsetOf(ctx, ends, r.topic)
	if err != nil {
		return nil, fmt.Errorf("asking where topic %s ends: %w", r.topic, err)
	}
	value, err := r.lastBelow(ctx, key, end)
	if errors.Is(err, kerr.OffsetOutOfRange) {
		// Compaction has moved the start of the topic meanwhile; newer records are still there.
		return r.lastBefore(ctx, key, ends)
	}
	return value, err
}

// lastBelow is last among the offsets before end.
func (r *progressReader) lastBelow(ctx context.Context, key string, end int64) ([]byte, error) {
	start, err := offsetOf(ctx, r.adm.ListStartOffsets, r.topic)
	if err != nil {
		return nil, fmt.Errorf("asking where topic %s starts: %w", r.topic, err)
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

type listOffsets func(context.Context, ...string) (kadm.ListedOffsets, error)

// offsetOf asks for an offset of the only partition of a topic.
func offsetOf(ctx context.Context, list listOffsets, topic string) (offset int64, err error) {
	all, err := offsetsOf(ctx, list, topic, 1)
	if err != nil {
		return 0, err
	}
	return all[0], nil
}

// offsetsOf asks for an offset of each partition of a topic.
func offsetsOf(ctx context.Context, list listOffsets, topic string, partitions int) ([]int64, error) {
	out := make([]int64, partitions)
	err := retry(ctx, func() error {
		listed, err := list(ctx, topic)
		if err != nil {
			return err
		}
		for partition := range out {
			o, ok := listed.Lookup(topic, int32(partition))
			switch {
			case o.Err != nil:
				return fmt.Errorf("partition %d: %w", partition, o.Err)
			case !ok:
				return fmt.Errorf("partition %d: %w", partition, kerr.UnknownTopicOrPartition)
			}
			out[partition] = o.Offset
		}
		return nil
	})
	return out, err
}

// lastIn looks at the offsets lo <= offset < hi. A tombstone is found, with a nil value: it takes back all before it.
func (r *progressReader) lastIn(ctx context.Context, key string, lo, hi int64) (value []byte, found bool, err error) {
	for offset := lo; offset < hi; {
		part, next, err := r.fetchOnce(ctx, offset, kgo.ReadCommitted())
		if err != nil {
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

// lastFrom returns the value of the last record with that key at or behind offset, committed or not; nil without one.
func (r *progressReader) lastFrom(ctx context.Context, key string, offset int64) (value []byte, err error) {
	end, err := offsetOf(ctx, r.adm.ListEndOffsets, r.topic)
	if err != nil {
		return nil, fmt.Errorf("asking where topic %s ends: %w", r.topic, err)
	}
	for offset < end {
		var part kgo.FetchPartition
		part, offset, err = r.fetchOnce(ctx, offset, kgo.ReadUncommitted())
		if err != nil {
			return nil, fmt.Errorf("reading topic %s: %w", r.topic, err)
		}
		for _, rec := range part.Records {
			if string(rec.Key) == key {
				value = rec.Value
			}
		}
	}
	return value, nil
}

// committedAt reports whether a consumer that reads what is committed finds the record with that offset. It waits while a
// transaction is open there.
func (r *progressReader) committedAt(ctx context.Context, offset int64) (bool, error) {
	for {
		part, next, err := r.fetchOnce(ctx, offset, kgo.ReadCommitted())
		if err != nil {
			return false, err
		}
		if next > offset {
			return len(part.Records) > 0 && part.Records[0].Offset == offset, nil
		}
	}
}

// fetchOnce is fetch, again where Kafka says that this may help, and with the cause where ctx has ended: a loop around it
// that waits for the end of a transaction ends with it or with ctx.
func (r *progressReader) fetchOnce(ctx context.Context, offset int64, isolation kgo.IsolationLevel) (part kgo.FetchPartition, next int64, err error) {
	err = retry(ctx, func() (err error) {
		part, next, err = r.fetch(ctx, offset, isolation)
		return err
	})
	if err == nil {
		err = context.Cause(ctx)
	}
	return part, next, err
}

// fetch asks the leader once, from offset on.
func (r *progressReader) fetch(ctx context.Context, offset int64, isolation kgo.IsolationLevel) (kgo.FetchPartition, int64, error) {
	meta, err := r.adm.Metadata(ctx, r.topic)
	if err != nil {
		return kgo.FetchPartition{}, 0, err
	}
	detail := meta.Topics[r.topic]
	leader, ok := detail.Partitions[r.partition]
	if err := errors.Join(detail.Err, leader.Err); err != nil || !ok {
		return kgo.FetchPartition{}, 0, errors.Join(err, kerr.LeaderNotAvailable)
	}
	req := kmsg.NewPtrFetchRequest()
	req.MaxWaitMillis = fetchWaitMs
	req.MinBytes = 1
	req.MaxBytes = fetchMaxBytes
	if isolation == kgo.ReadCommitted() {
		req.IsolationLevel = 1
	}
	topic := kmsg.NewFetchRequestTopic()
	topic.Topic, topic.TopicID = r.topic, detail.ID
	part := kmsg.NewFetchRequestTopicPartition()
	part.Partition = r.partition
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
		IsolationLevel: isolation,
		Topic:          r.topic,
		Partition:      r.partition,
	}, &resp.Topics[0].Partitions[0], kgo.DefaultDecompressor(), nil)
	return out, next, out.Err
}
