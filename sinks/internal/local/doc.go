// Package local is what the sinks of this machine share: a goroutine that writes, and a position kept in a file.
//
// A [Sink] encodes a batch in Write, hands the bytes to its goroutine, and that writes them, waits until they are
// durable, and then stores the position. Confirmed moves only after that, so a restart never finds a position ahead of
// the records (invariant 2); it may find one behind them, and then writes some records again.
//
// # The position file
//
// One line: the text form of [change.Position], or "none" before the first record; inside a unit a space and its Settings;
// and a newline. It is replaced by writing <path>.tmp, fsync, rename, fsync of the directory, so that a crash leaves the
// old line or the new one. That the file exists tells that an earlier run may have written: see [Config.Restarted].
package local
