package kafka

import (
	"crypto/sha256"

	"github.com/twmb/franz-go/pkg/kgo"
)

// maxKey is the longest key of a source that becomes a record key as it is, in bytes.
const maxKey = 64 << 10

// recordKey returns the record key for a key of the source: its raw bytes, never nil, because a null key and the empty
// key are different things to Kafka. A key over 64 KiB is stood for by its SHA-256, so that a record's key cannot make
// the record too large; all events of that key share it, so their order holds.
func recordKey(key []byte) []byte {
	if len(key) > maxKey {
		sum := sha256.Sum256(key)
		return sum[:]
	}
	if key == nil {
		return []byte{}
	}
	return key
}

// partitioner chooses partitions as Java's DefaultPartitioner does for records with a key: murmur2 of the key, without
// its sign bit, modulo the number of partitions. A consumer may therefore join the topic with others of the same count.
type partitioner struct {
	byKey kgo.TopicPartitioner
}

func newPartitioner() partitioner {
	return partitioner{byKey: kgo.StickyKeyPartitioner(nil).ForTopic("")}
}

// of returns the partition of a record whose key is not nil.
func (p partitioner) of(r *kgo.Record, partitions int32) int32 {
	return int32(p.byKey.Partition(r, int(partitions)))
}
