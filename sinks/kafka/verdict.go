package kafka

import (
	"context"
	"fmt"
)

// judge tells what was decided about a transaction that hangs, which Kafka itself does not tell any more: its coordinator
// holds it for ended, and InitProducerId has taken its place.
//
//	| the progress record of the transaction | a partition of it                           | the transaction was          |
//	|----------------------------------------|---------------------------------------------|------------------------------|
//	| is committed                           | any                                         | committed                    |
//	| is aborted, or never was written       | any                                         | aborted                      |
//	| hangs as well                          | one has its marker                          | what that marker says        |
//	|                                        | none has: nobody has read any of it, and it | to be decided here: aborted, |
//	|                                        | was not confirmed                           | and its events written again |
//
// A progress record tells up to where each partition holds events. So a committed one covers what hangs exactly if it
// names an offset at or behind the beginning of that.
func (e *session) judge(ctx context.Context, remnants []remnant) (commit, abort []remnant, err error) {
	hangs := map[partitionID]bool{}
	held := int64(-1) // offset from which on the progress topic hangs
	for _, r := range remnants {
		hangs[partitionID{r.topic, r.partition}] = true
		if r.topic == e.sink.cfg.ProgressTopic {
			held = r.start
		}
	}
	if held < 0 {
		newest, err := e.newest(ctx, e.reader().last)
		if err != nil {
			return nil, nil, err
		}
		for _, r := range remnants {
			if last, ok := newest.ends()[partitionID{r.topic, r.partition}]; ok && r.start <= last {
				commit = append(commit, r)
			} else {
				abort = append(abort, r)
			}
		}
		return commit, abort, nil
	}
	marked, err := e.markedParts(ctx, held, hangs)
	if err != nil || len(marked) == 0 {
		return nil, remnants, err
	}
	for at, offset := range marked { // any: one transaction ends in one way
		r := &progressReader{cl: e.cl, adm: e.topics.adm, topic: at.topic, partition: at.partition}
		yes, err := r.committedAt(ctx, offset)
		switch {
		case err != nil:
			return nil, nil, fmt.Errorf("reading offset %d in partition %d of topic %s: %w", offset, at.partition, at.topic, err)
		case yes:
			return remnants, nil, nil
		default:
			return nil, remnants, nil
		}
	}
	return nil, remnants, nil
}

// markedParts lists the partitions of the transaction whose progress record hangs in which it does not hang, each with the offset
// of its last event there.
func (e *session) markedParts(ctx context.Context, held int64, hangs map[partitionID]bool) (map[partitionID]int64, error) {
	before, err := e.newest(ctx, func(ctx context.Context, key string) ([]byte, error) {
		return e.reader().lastBelow(ctx, key, held)
	})
	if err != nil {
		return nil, err
	}
	own, err := e.newest(ctx, func(ctx context.Context, key string) ([]byte, error) {
		return e.reader().lastFrom(ctx, key, held)
	})
	if err != nil {
		return nil, err
	}
	return ended(before, own, hangs), nil
}

// newest is the progress record that read finds; an empty one where there is none.
func (e *session) newest(ctx context.Context, read func(ctx context.Context, key string) ([]byte, error)) (*progress, error) {
	value, err := read(ctx, e.sink.cfg.Source)
	if err != nil || value == nil {
		return &progress{}, err
	}
	return e.parse(value)
}

// ended lists the partitions that got events between two progress records and in which nothing hangs.
func ended(before, next *progress, hangs map[partitionID]bool) map[partitionID]int64 {
	out, stored := map[partitionID]int64{}, before.ends()
	for at, last := range next.ends() {
		was, known := stored[at]
		if last >= 0 && (!known || last > was) && !hangs[at] {
			out[at] = last
		}
	}
	return out
}

// ends are the offsets of the last events.
func (p *progress) ends() map[partitionID]int64 {
	out := map[partitionID]int64{}
	for _, t := range p.Topics {
		for i, last := range t.Last {
			out[partitionID{t.Name, int32(i)}] = last
		}
	}
	return out
}
