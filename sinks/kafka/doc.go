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
// # Delivery, exactly once
//
// Events and position are stored in one transaction, so a consumer that reads with isolation.level=read_committed finds
// each event once. The protocol:
//
//	Open         InitProducerId with the transactional id of the source fences every older writer and ends its transaction
//	             DescribeProducers of the topics: where that has left a transaction open, it is ended as it was decided
//	             ListOffsets: where the progress topic ends, uncommitted
//	             Fetch, read_committed, back from there to the newest progress record of the source; a transaction of
//	             another writer that is open there is waited for
//	             ListOffsets of the topics: they must hold what that record says
//	             a transaction with a progress record of this instance: the claim
//	transaction  Produce the events, wait for their acknowledgements
//	             Produce the progress record, which knows their offsets, and wait
//	             EndTxn, then DescribeProducers until no partition of it has the transaction open: the position is confirmed
//
// The transactional id is keyfeed-<source>; with another progress topic than _keyfeed.progress it is
// keyfeed-<source>@<progress topic>, since writers that share no position must not fence each other. The user needs Write
// and Describe on it.
//
// A transaction ends when it is CommitInterval old, when no event came for a tenth of that, or at TxnMaxBytes: always
// between units, except inside a unit that alone is larger than TxnMaxBytes, at a Flush there (the process stops in the
// middle of a unit), or when half of the transaction's timeout is over. The position then lies inside the unit. Batches
// that come while a transaction commits wait in the window, so that the pump goes on meanwhile.
//
// The sink keeps no events after their acknowledgement. It never sends a batch again: after an error it drops all, and
// Open says where to go on.
//
//   - The process dies: what it had not committed is aborted by the next Open, at once. Without a next Open the brokers do
//     it after the transaction's timeout: a minute, or twice DeliveryTimeout where that is longer, 15 minutes at most.
//     Until then consumers of the topics wait at that place, and so does an Open of another source with the same progress
//     topic.
//   - A request fails, or no answer comes for DeliveryTimeout: the session ends with that error. Open makes a new client.
//   - The answer to a commit is lost: nobody knows what has become of it. Fencing settles it (the coordinator ends what
//     had begun to commit and aborts what had not), then the newest progress record tells.
//   - The broker dies between the decision and its markers, and comes back without some: nobody reads past them. Open commits
//     or aborts the rest as the others were (see verdict.go). Committing takes the right ALTER on the cluster, once; without
//     it Open gives sinks.ErrConfig, and aborts nothing.
//   - A request comes late, when another session writes: its epoch is older, so the broker refuses it.
//   - Another writer opens: this one's next request fails. The broker says the same when a transaction timed out, so only
//     Open decides: it reads the newest committed progress record without fencing. Where that is of another instance, Open
//     gives sinks.ErrFenced, for good, and disturbs nobody; where it is this one's own, or was taken back by Forget, Open
//     fences and goes on. An open transaction of a third writer can hide the rival's claim from that look; Open sees it
//     after fencing, gives ErrFenced all the same, and the rival goes on with its next Open.
//   - Two processes start together: each fences the other until one has claimed; that one stays.
//   - A writer sleeps for an hour and wakes up: its epoch is older, so nothing it sends is stored.
//   - The source is silent: a progress record with the same position every 3 s shows that its writer lives. Standby waits
//     until no other instance's came for some time. It reads uncommitted ones too, since a transaction that somebody left
//     open hides what is committed behind it; time in which Kafka itself did not answer does not count.
//   - A topic was made anew, or has lost records or its number of partitions changed: sinks.ErrLost, see below.
//
// What it costs: four waits per transaction (events, progress record, EndTxn, its markers), 13 to 27 % of the throughput; make bench
// measures it.
//
// # Delivery, at least once
//
// With AtLeastOnce the producer is idempotent only: the client's own retries neither repeat nor reorder. When all events
// before a position are acknowledged, the position is stored as a progress record, at most every CommitInterval and at
// Flush. A crash repeats the events between the last progress record and the crash, with the same ids. A request that was
// on its way when the sink failed may still be stored after Open: such a repeat can stand behind newer events, so a
// consumer drops repeats by id and not by comparing with its newest. Nobody is fenced, and a silent writer shows no sign of
// life.
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
//	settings    of a position inside a unit: what cut the events that it counts (change.Position, Settings); else absent
//	instance    random name of the sink that wrote it
//	epoch       how often that process had opened the sink
//	commit      number of the record within the epoch, from 1 (the claim, with delivery exactly once)
//	ts_ms       when it was written, Unix ms
//	at_least_once
//	            true where it was written with that delivery; absent otherwise
//	topics      for each known topic: its id (base64, absent before Kafka 2.8), its number of partitions, and per
//	            partition the offset of the last event that was acknowledged, -1 for none; a transaction's marker may
//	            stand behind it
//
// The newest record of a source counts; a tombstone (null value) takes all of them back. Open compares the topics with
// Kafka: another id, another number of partitions, a partition that ends before its last offset or does not show the event
// there, or that holds events of the source behind it (with delivery exactly once) means that Kafka has lost records, and
// gives [sinks.ErrLost].
package kafka
