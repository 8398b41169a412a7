// Package nats is the sink that publishes events to a NATS JetStream stream, and a reader for people and tests.
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
// # Messages
//
// The payload is the JSON event. The headers are keyfeed-pos, the text of the record's [change.Position], and
// Nats-Expected-Last-Sequence, by which each message refuses to be stored anywhere but behind the one before it. So one
// message that is not stored keeps out all that were sent after it, and the position of the stream is the one in its
// last message: exact, and stored together with the event.
//
// # After an error
//
// The first error or missing acknowledgement ends the connection: nothing is sent twice by the client, which neither
// reconnects nor retries. Open connects anew, waits until the end of the stream stands still, reads the last message
// through the stream's leader, and the pump goes on behind it. When a purge or the age limit removed that message, the
// position comes from the key-value bucket "keyfeed" (key: the stream's name, value: {"sequence":…,"position":"…"}),
// written every 5 s and by Flush; it may be older, then some events come again.
//
// # What it does not do
//
// The chain alone does not fence. Messages of an ended connection that the server has received and not stored yet, or
// of a second keyfeed, are refused when something else was stored first; but one that arrives while the sequence it
// names is the last one is stored, and then our own message with the same number is refused although the next one may
// fit again: an event is lost. Waiting for the end to stand still makes this improbable for our own leftovers. To
// exclude it, and two writers, takes epochs and batches that the server checks as a whole; until then, run one keyfeed
// per source and stream.
package nats
