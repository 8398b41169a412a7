// Package e2e tests the built keyfeed binary against real servers, end to end. Its tests have the build tag e2e:
//
//	make e2e        short form, for every change
//	make e2e-long   full form: 200,000 keys with collections of 1 M elements, 60 s of writes, per sink
//
// # How the acceptance test decides
//
// A source is filled with every type and encoding (generate_test.go). keyfeed runs while writers send commands of every
// family (writer_test.go), and is ended with SIGTERM and started again; the sink is cut. A collector reads the sink as
// any consumer would and writes down what it gets. At the end a FLUSHDB in a database that nothing uses comes out as an
// event in every partition: what stands before it is everything. Then
//
//   - every event is validated against docs/events.schema.json;
//   - the events in the order of ids, repeats dropped, are replayed into an empty server (package replay);
//   - source and rebuilt server are compared (compare_test.go): DEBUG DIGEST, XINFO STREAM … FULL of every stream,
//     FUNCTION LIST. Where digests differ the keys are found and named.
//
// The comparison itself is tested with a real replica (harness_test.go): it finds it equal, and each of several small
// changes different.
//
// # What is not compared
//
// The time when a consumer of a stream was last seen or active, which is not in the replication stream; the number of
// radix tree nodes, which depends on the order of deletions; exact deadlines of keys, which a replay moves (DEBUG
// DIGEST holds whether a key has one). Streams whose deadline is near are compared by digest only, since XINFO would
// delete them once they have expired. After XREADGROUP, the counters entries-read and lag of a group: the XCLAIM that
// Redis 7.0 replicates for it does not carry them, and a real replica differs from its master there too. They are
// compared where only a snapshot was taken.
//
// # How the torture test decides
//
//	make torture                    one fault of every kind, per sink
//	make torture DURATION=15m       for so long, per sink
//	make torture SEED=… FAULTS=…    that schedule again; only these kinds
//
// A master and its replica are written to by more than 5,000 commands a second, while faults drawn from a printed seed
// come one after the other (torture_faults_test.go); each is over when events come out that were written after it. The
// workload's content depends on the seed too, but not what the source makes of it, which is a matter of time.
//
// A recorder of its own, which shares no code with keyfeed, attaches to the master as a replica and writes the raw stream
// down, through failovers (torture_recorder_test.go). At the end every event of the sink is read and held against it
// (torture_check_test.go): each command of the stream behind a snapshot must have just the events that docs/events.md
// gives it, once, in the order of ids, with its database and key; transactions must be whole; a generation must begin
// with a snapshot_begin, and there may be no more of them than the schedule forced. Then the events are replayed and the
// data sets compared as above.
//
// A full sync is forced by the first start; by failover-lossy, where the new master lacks what was published, and once
// more where keyfeed is killed while it receives that snapshot; and it may be by failover-behind, where changes that the
// new master lacks are on their way to the sink. Nothing else may cost one.
//
// # How the generated test decides
//
//	make generated                                 200,000 commands to each server that can be had, 20 checkpoints
//	make generated SERVERS=redis,valkey-9 SEED=…   these servers, that seed
//
// One connection sends commands drawn from the command table (package commandgen), plain, in MULTI blocks and in scripts.
// At each checkpoint the events are replayed by keyfeed replay, and the target is compared with the source and with a real
// replica of it; between checkpoints keyfeed is ended, by SIGTERM and SIGKILL in turn. Every row of the table that the
// server has must have been accepted and must have had an effect, which the offset of the replication stream shows; a row
// that chance has left out is drawn on. make e2e does it with 3,000 commands.
//
// Compared with the source, consumers of a group that have nothing pending are left out: since Redis 7.2 XREADGROUP and
// XAUTOCLAIM make them and tell no replica. What else a server does not tell its replicas is not drawn: each case is
// described where the package commandgen avoids it.
//
// # Settings
//
//	KEYFEED_E2E=long    full form
//	KEYFEED_E2E_SEED    seed of data and writers; printed by every run
//	KEYFEED_E2E_BINARY  a keyfeed that is already built
//	KEYFEED_E2E_KEEP    a directory that gets the events of a test whose comparison failed
//
//	KEYFEED_GENERATED_SERVERS      servers for the long form of the generated test, with commas between; "redis" is that of PATH
//	KEYFEED_GENERATED_CALLS        commands to each, at least
//	KEYFEED_GENERATED_CHECKPOINTS  comparisons
//
//	KEYFEED_TORTURE_DURATION    how long each torture test breaks things; one round of all kinds when it is not set
//	KEYFEED_TORTURE_FAULTS      kinds of faults, with commas between
package e2e
