// Package verify compares two Redis or Valkey servers, key by key and element by element, without writing to either and
// without holding a value.
//
//	v := verify.New(verify.Options{Source: a, Target: b, Rounds: 4, Pause: time.Second, Report: print})
//	summary, err := v.Run(ctx)
//	equal := err == nil && summary.Different == 0
//
// # How keys are found
//
// SCAN of the source gives keys by pages; each is looked at on both sides. Then SCAN of the target gives the keys that the
// source does not have. That is done for every database that either side holds keys in, and for databases that come to be
// meanwhile. Libraries of functions are compared last.
//
// # How a key is compared
//
// First type and deadline of a batch of keys, then sizes, then the values of those that are small, each in one round trip
// to both sides at the same time: reading is by digest, replies are hashed as they come. What is large, or whose digests
// differ, is walked in pieces up to the first difference, which is named:
//
//	string            GETRANGE, by pieces of 256 KiB
//	list              LRANGE, by index
//	set, hash, zset   SSCAN, HSCAN, ZSCAN of one side, each element looked up in the other; then the other way round
//	hash fields       HPEXPIRETIME, where a server has it and the hash's encoding allows for deadlines
//	stream            XINFO STREAM, XRANGE; XINFO GROUPS, XINFO CONSUMERS, XPENDING with a range
//	all else          DUMP without version and checksum
//
// # Deadlines
//
// They are compared in absolute time, by PEXPIRETIME; where a server is older than 7.0, by its clock and PTTL, give or
// take [Options.Tolerance]. A server answers for an expired key as if it were deleted, whether it is in memory still or
// not. Since two clocks differ, a key that one side lacks is no difference while its deadline on the other side is past by
// the clock of the side that lacks it. A deadline within a minute on the source may be later on the target: that is how a
// replay keeps keys until the source deletes them.
//
// # A moving source
//
// A key that differs may just be late in the target. So it waits and is looked at again, [Options.Rounds] times, after a
// pause that doubles each time, while the scan goes on. Only what differed in every look is reported. Of a hash, set or
// zset, only the elements that differed are looked at again, up to 128: a large one that is written to differs somewhere
// whenever it is walked. A list, a stream, or an element that changes faster than the target follows differs in each look;
// stop its writer to know.
//
// # Memory
//
// A batch holds at most 500 keys or 1 MiB of names. What waits for another look is at most 100,000 keys or 16 MiB of
// names; when that is full the scan waits. Elements are held 512 at a time or 256 KiB of names. To that comes the largest
// single name of a key, field or member, and the names of the groups of one stream and the consumers of one group. Values
// are never held.
package verify
