package kafka

import (
	"context"
	"fmt"

	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kgo"
)

// endTransaction ends the transaction of cl, whose records are all acknowledged and went to the partitions in.
//
// When the client learns of a topic, it first sends the records that waited for that, and then stores what it has learnt
// (franz-go 1.22.2, storePartitionsUpdate). Meanwhile they may be acknowledged, and an end of the transaction that comes now
// does not see their partitions: it aborts, without an error, where it sees none at all, and otherwise does not begin their
// sequence numbers anew, so that the next transaction fails with OUT_OF_ORDER_SEQUENCE_NUMBER. So it is ended when the client
// shows them.
func endTransaction(ctx context.Context, cl *kgo.Client, how kgo.TransactionEndTry, in kadm.TopicsSet) error {
	for topic, partitions := range in {
		for partition := range partitions {
			if err := awaitShown(ctx, cl, topic, partition); err != nil {
				return err
			}
		}
	}
	return cl.EndTransaction(ctx, how)
}

// awaitShown returns when the client shows the leader of a partition that it has an acknowledgement of. That is at once,
// but for the first transaction of the topic.
func awaitShown(ctx context.Context, cl *kgo.Client, topic string, partition int32) error {
	for {
		if leader, _, _ := cl.PartitionLeader(topic, partition); leader >= 0 { // an error is of a later look at the topic
			return nil
		}
		if err := sleep(ctx, markPause); err != nil {
			return fmt.Errorf("waiting for the leader of partition %d of topic %s: %w", partition, topic, err)
		}
	}
}
