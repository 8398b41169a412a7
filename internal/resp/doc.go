// Package resp frames the replication stream: where each command ends, to the byte, and nothing more than that.
//
// A Redis or Valkey primary sends its stream as RESP arrays of bulk strings, one per command:
//
//	*3\r\n            array header: three arguments
//	$3\r\nSET\r\n     bulk: length in bytes, the bytes, CR LF
//	$1\r\nk\r\n
//	$5\r\nvalue\r\n
//
// Three readers of it live here, and a fuzz test holds them to the same answers:
//
//   - [Scanner] takes the stream in pieces cut anywhere and finds the command ends. It keeps no body, whatever its
//     size. It is what stands between the socket and the disk.
//   - [Command] parses one command that is whole in memory into sub-slices of the buffer.
//   - [Classify] names the few commands that matter to framing: SELECT, MULTI, EXEC, PING, REPLCONF GETACK.
//
// [AppendCommand] writes a command.
//
// # What is accepted
//
// Exactly what a primary sends. Numbers are canonical decimal (no sign but a leading minus in an array header, no
// leading zero), every line and every body ends in CR LF. An array header of zero or less is a command without
// arguments; so is a bare LF, which a primary may send as a sign of life. Both count as bytes of the stream. Inline
// commands (a line of text) are valid for a client but never come from a primary: they mean that reader and writer
// disagree about where a command starts, and give a [*ProtocolError]. That is stricter than a replica of Redis 7.0
// (networking.c, processMultibulkBuffer), which skips two bytes after a body without looking at them.
//
// # Limits
//
// Lengths come from the network, so nothing is allocated by them (invariant 6): the Scanner has a fixed size, and
// Command's argument list grows only with arguments it has seen. [Limits] bounds what a header may announce.
package resp
