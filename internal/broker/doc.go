// Package broker is the NATS server with JetStream that keyfeed runs inside itself when KEYFEED_NATS_URL is "embedded".
// It is a normal server: other programs connect to its address as to any other.
//
// # Durability
//
// An acknowledged message has been handed to the operating system. So the death of the process loses none, kill -9
// included. A power cut may lose what was acknowledged within the sync interval, [DefaultSyncInterval] unless configured
// (nats-server's own default is two minutes); keyfeed keeps published bytes for longer than that
// (KEYFEED_BACKLOG_RETAIN) and publishes them again, because the position is lost together with the messages.
//
// # Bounds
//
// Streams live in files; memory streams of all clients together get [Config.MaxMemory]. The largest message is
// nats-server's default, 1 MiB with its headers: larger ones cost every consumer's buffers, and keyfeed cuts large
// values into several events anyway.
package broker
