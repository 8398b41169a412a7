// Package kafka is the sink that writes events to Kafka, and a reader of what it wrote.
//
// # Where events go
//
// The topic of an event comes from a template, keyfeed.{source} unless configured; with {db} in it every database has a
// topic of its own. The record key is the raw key of the source, and the partition is what Java's default partitioner
// makes of it (murmur2), so all events of a key stand in one partition, in order. The empty key is an empty record key,
// not null. A key over 64 KiB is stood for by the 32 bytes of its SHA-256; the event itself tells the key or its hash.
// Databases that share a topic share record keys, which is why a topic with cleanup.policy=compact is refused.
//
// An event for every partition (heartbeats, truncations, the ends of a snapshot …) is stored once per partition with
// the same value, without a record key and with the header keyfeed-broadcast, whose value is empty. No other record has
// a header.
//
// With {db}, an event that belongs to no database goes, when it is for every partition, to all partitions of all known
// topics; otherwise (a published message) to the topic of database 0, by its key. Known are the topic of database 0, the
// topics in the progress record, and each topic from its first event on. A database that gets its first event after a
// snapshot began therefore has a topic without that snapshot's begin.
//
// # Delivery
//
// At least once: the producer is idempotent and waits for all in-sync replicas, so the client's own retries neither
// repeat nor reorder. When all events before a position are acknowledged, the position is stored as a progress record, at
// most every CommitInterval and at Flush; that is what Confirmed and, after a restart, Open return. A crash repeats the
// events between the last progress record and the crash, with the same ids. The first error of any record fails the sink
// until Open, which starts from the stored position; so does an acknowledgement that is late by DeliveryTimeout. A request
// that was on its way when the sink failed may still be stored after Open: such a repeat can stand behind newer events, so
// a consumer drops repeats by id and not by comparing with its newest.
//
// # The progress record
//
// The progress topic, _keyfeed.progress unless configured, has one partition and cleanup.policy=compact, and may serve
// many sources: the record key is the name of the source. The value is JSON:
//
//	{"v":1,"source":"redis","position":"…","instance":"…","epoch":1,"commit":42,"ts_ms":1795311158000,
//	 "topics":[{"name":"keyfeed.redis","id":"…","partitions":3,"last":[120,98,-1]}]}
//
//	v           1; a reader refuses what it does not know
//	source      the name of the source again
//	position    text form of change.Position: every event up to it is stored
//	instance    random name of the process that wrote it
//	epoch       how often that process had opened the sink
//	commit      number of the record within the epoch, from 1
//	ts_ms       when it was written, Unix ms
//	topics      for each known topic: its id (base64, absent before Kafka 2.8), its number of partitions, and per
//	            partition the offset of the last event that was acknowledged, -1 for none
//
// The newest record of a source counts; a tombstone (null value) takes all of them back. Open compares the topics with
// Kafka: another id, another number of partitions or a partition that ends before its last offset means that what was
// stored is not there any more, and gives [sinks.ErrLost].
package kafka
