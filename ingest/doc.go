// Package ingest is the link to the source: it attaches to a Redis or Valkey server as a replica, receives the snapshot
// and the replication stream, counts bytes, and acknowledges what is durable.
//
// It knows the protocol of replication and nothing of what is replicated: the snapshot goes to a [Spool] and the stream
// to a [Log] as bytes. Of the commands it reads only what framing needs: SELECT, MULTI, EXEC and REPLCONF GETACK.
//
//	r, err := ingest.New(cfg, store)
//	err = r.Run(ctx)
//
// # A link's life
//
//	Store.Resume ─ dial ─ PING AUTH CLIENT INFO REPLCONF ─ PSYNC ─┬─ +CONTINUE ─ Store.Continue ───────────────┬─ stream
//	                                                              └─ +FULLRESYNC ─ Store.FullSync ─ payload ─ Commit ─┘
//
// Each request before PSYNC waits for its reply, since a source refuses PSYNC while a reply is owed. From PSYNC to the
// end of the payload keyfeed sends nothing (invariant 10): a diskless source counts its delay from our last byte.
// Afterwards it sends only REPLCONF ACK, at once and every second: a server from 7.0 on cuts a replica that makes it
// reply. After a payload without a size the stream begins only when the source has noticed an ACK, and it may miss the
// first.
//
// # Chunks
//
// What one read brings is scanned for command ends and appended before the next read, as a [change.Chunk] of at most
// 1 MiB. A chunk ends at the end of a unit (a command, or a whole MULTI…EXEC block) whenever the buffer holds one; the
// rest stays in the buffer. Only inside a unit larger than the buffer are there chunks that end elsewhere. A link that
// ends takes what was not a whole unit with it: the next one asks from the end of the last.
//
// # What ends a link, and what then
//
//   - Time heals it (the server restarts, its master is away, the network): [Replica.Run] retries with a jittered
//     exponential backoff, longer after full resyncs, each of which costs the source a fork.
//   - An operator must heal it (credentials, rights, TLS on one side, a server without PSYNC): Run returns an error that
//     wraps [ErrOperator]. Retrying would only hammer the server. [HandshakeError] names step, reply and remedy.
//   - The stream is not one ([DesyncError]): the last bytes are logged, and Store.Desync makes the next attempt a full
//     resync.
//   - The store fails: its error ends Run, unless it wraps [ErrRetry].
//
// [Probe] is the same handshake without PSYNC, for a check before starting.
//
// Sources of the protocol: replication.c of Redis 7.0 and Valkey 8 (syncWithMaster, masterTryPartialResynchronization,
// readSyncBulkPayload, replicationSendAck, replconfCommand) and runs against redis-server 7.0.15.
package ingest
