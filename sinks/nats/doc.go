// Package nats is the sink that publishes events to a NATS JetStream stream, each exactly once, and a reader for people
// and tests.
//
// # Subjects
//
// Each event has a subject made from a template, [DefaultSubject] unless configured. Its tokens are text and
//
//	{source}   the source's name
//	{db}       the database's number
//	{hash:N}   the 64-bit FNV-1a hash of the raw key bytes, modulo N (1 to 65536), in decimal
//	{key}      the key itself, as the last token or tokens; see below
//
// The template begins with at least one token that has none of {db}, {hash:N} and {key}: the prefix. The stream takes
// prefix.> and nothing else. Events that belong to no key (op t, and messages: snapshot_begin, heartbeat, …) have the
// subject prefix._ctl.<kind>, and are stored once, in order with all others.
//
// With {hash:N} a server remembers N subjects per database, and a consumer can take a share of the keys. With {key} it
// can filter by key (keyfeed.redis.0.user.*.profile), and the server keeps every key that ever was in memory, as a subject.
// The key is split at ':' into tokens; bytes outside [A-Za-z0-9_=/~-] become %XX, an empty token %. A
// subject beyond 512 bytes keeps the whole tokens up to 477 bytes and ends in .%~ and the first 32 hex digits of the
// key's SHA-256. The event always holds the whole key.
//
// # The chain
//
// The payload is the JSON event. The header keyfeed-pos is the text of the record's [change.Position], so the position of
// a stream is that of its last event: exact, and stored together with it. A position inside a unit is a count of events, so
// there the header keyfeed-settings tells what cut them (Settings of [change.Position]). The header Nats-Expected-Last-Sequence lets
// each message be stored directly behind the one before it, or not at all.
//
// That chain alone does not fence. With m1, m2, m3 in flight, expecting 10, 11 and 12, a rival's message becomes number
// 11: m1 is refused, and m2, which expects 11, is stored. m1 is lost for good.
//
// # Epochs
//
// So what is in flight is always such that nothing of it can be stored after its first message was refused (see Ways to
// publish), and a writer begins with an epoch: a heartbeat under prefix._ctl.epoch, with the writer's instance in the
// header keyfeed-instance, that expects the last sequence that stream info told. Refused, the end is read again; when the
// end does not stand still because another writer is at work, a start sends it without a condition. Once it is stored,
// the first message of whatever an older writer has in flight expects a sequence from before it. Nothing of that can be
// stored any more, now or later, and what is stored before the heartbeat does not change: the last event there is the
// position. It is read by exact sequence through the stream's leader, never by a direct get, which a replica answers that
// may be behind. "Not found" is asked again and never taken for "empty".
//
// The first error or missing acknowledgement ends an epoch: nothing more is sent, the connection is cut, and Open begins
// the next one. The client neither reconnects nor retries. What the old connection left on its way meets the new epoch:
//
//   - a message or batch of events: refused from its first message on, or it was stored before the heartbeat and counts;
//   - a heartbeat that expects a sequence: refused, or it came first and ours is refused and sent again;
//   - an entry for the bucket: refused, because it replaces the entry that was read, and that is not the newest any more.
//
// When Open finds an epoch of another instance after one's own, it gives [sinks.ErrFenced], before it disturbs that one.
//
// The heartbeat is an event like any other for consumers, but its generation and offset are 0, so that its id is before
// that of every event: who drops ids that do not rise drops it and nothing else. It has no keyfeed-pos, because it is sent
// before its writer knows for certain what stands before it.
//
// # Ways to publish
//
//	fast     one fast-ingest batch (ADR-50) in gap mode fail: after the first message that the server refuses or misses
//	         it takes nothing more of the batch. Any number of messages is in flight. The batch ends when the queue runs
//	         dry and the next one begins after its acknowledgement, so none idles for the 10 s after which servers drop it.
//	atomic   one atomic batch of at most 1000 messages, of whole units: all of it is stored, or nothing. A transaction
//	         appears at once. One of more than 1000 events, or larger than the window, is split; so is one whose rest
//	         does not come within 2 s. A lone event goes as a plain message.
//	single   one plain message.
//
// Servers have fast from 2.14 and atomic from 2.12. The one that leads the stream tells its version in the metadata of
// the stream. The stream must allow it (allow_batched, allow_atomic); where keyfeed may make streams it turns that on,
// and looks whether the server tells it back. auto takes the first that there is.
//
// # After a purge
//
// When a purge or the age limit removed the last event, its position comes from the key-value bucket "keyfeed", whose
// keys are streams. An entry says what the stream holds up to a sequence, and whether events or heartbeats follow it. It
// is written before and after each heartbeat and what begins a generation, every 3 s, and by Flush. So the last sequence
// alone tells how many events follow the position, and Write passes over exactly that many. Under which settings they were
// cut and selected stands in the entry too, which is written anew before the first event under others. The entry is also the sign of
// life that [Sink.Standby] waits for; a writer that may not use the bucket stores heartbeats for that, and a purge of the
// whole stream loses the position then.
//
// Nothing is lost, and nothing comes twice but this: all messages are removed, and the writer ended between storing a
// snapshot_begin or gap and its entry, or while it took over from another writer by force. Consumers that saw that one
// event before see it again, with the same id. And an entry is as good as the writers that kept it: where one ran without
// access to the bucket, delete the stream's key before another gets access.
//
// # What is left to others
//
// A stream that ends before what was confirmed (its server lost its last seconds in a power cut, or it was restored from
// a backup, or deleted) goes on from the position of its own last event; the log says so. What is missing is published
// again from the disk or the source. Where neither has it, KEYFEED_ON_SINK_LOSS decides. A stream whose last event is
// gone with no entry in the bucket gives [sinks.ErrLost], and [Sink.Forget] takes the position back.
//
// Refused for good, with the remedy: a tail that another program wrote or that is of a source with another name (two
// deployments whose sources have the same name are one source here, and fence each other), and streams that would lose, repeat or reorder:
// retention other than limits, discard_new_per_subject, sealed, mirrors and sources, asynchronous persistence, no_ack,
// transformed subjects, other subjects. A full stream is [sinks.ErrFull]: it heals when there is room.
package nats
