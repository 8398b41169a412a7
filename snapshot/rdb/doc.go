// Package rdb reads the snapshot format of Redis and Valkey as a stream: it calls a [Visitor] for every key and every
// element, in file order, and holds no value in memory, whatever its size.
//
//	d := rdb.NewDecoder(file, rdb.Config{})
//	err := d.Decode(visitor)
//
// # What it reads
//
// Files with the magic REDIS and version 1 to 12 (Redis 2.4 to 8.4, Valkey 7.2 to 8.1), and VALKEY080 (Valkey 9.0 and
// 9.1). Anything newer is refused with an [*UnsupportedError] that names what was found. A newer version is refused
// even when its new types do not occur: a length misread by one byte makes data out of other data.
//
//	REDIS0012                     9 bytes
//	fa key value                  auxiliary fields
//	f5 code                       function libraries
//	fe db  fb keys expires        a database and how many keys follow
//	fc ms8 | fd s4                deadline of the next key
//	f8 idle | f9 freq1            its eviction data
//	type key value                the key
//	ff crc8                       end, CRC-64/Jones of all bytes before; from version 5 on; 0 = not computed
//
// Lengths are 6, 14, 32 or 64 bits; a string is a length and bytes, a small integer, or LZF data. The layout of each
// value type stands at the function that reads it. The facts come from rdb.c, listpack.c, ziplist.c, zipmap.c,
// intset.c, lzf_d.c and t_stream.c of the servers.
//
// # Bounds
//
// Memory is bounded by [Config], never by the file (invariant 6): a buffer grows only as far as bytes have been read
// into it. Strings of any size arrive in pieces of [Config.Piece]; an element, a field or a key above
// [Config.MaxElement] is read through SHA-256 and delivered as [Oversize]. Listpacks and the other packed encodings are
// walked while they are read. The pending entries of a consumer group, which the format stores apart from the consumers
// they belong to, are joined in memory up to a bound, beyond it by reading that part of the file again.
//
// # Strictness
//
// A file is accepted when it is whole: every length fits, every packed encoding is consumed to its last byte, the
// checksum matches, nothing follows it. Every other file is refused with a [*FormatError] that tells the offset. What a
// server drops when it loads (collections without elements) is dropped and counted through [Visitor.Skipped].
//
// The package uses CRC-64 from github.com/hdt3213/rdb/crc64jones. It does not use that library's decoder, which
// materialises values, cannot stop at the end of a snapshot and does not verify the checksum, nor its LZF, which
// allocates its output by a length that it has not checked.
package rdb
