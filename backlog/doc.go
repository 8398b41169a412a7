// Package backlog keeps the replication stream of a source on disk, as it came off the wire, until a sink has it.
//
// A [Log] holds one generation: the stream from one full sync on. One writer appends chunks of bytes ([change.Chunk]);
// any number of cursors read them, each from the unit end it asks for. So the source is drained at the speed of the
// disk however slow a broker is, a restart continues where the log ends, and events can be decoded again from the same
// bytes. The log knows nothing of commands: offsets, unit ends and databases come with the chunks.
//
//	l, err := backlog.Create(dir, cfg, origin) // or Open, after a restart
//	go l.Run(ctx)                              // fsync, retention
//	pos, err := l.CutToUnit()                  // ask the source for pos.Offset+1
//	err = l.Append(chunk)                      // …
//	l.Synced()                                 // what may be acknowledged
//
//	c, err := l.Cursor(offset)
//	item, err := c.Next(ctx)                   // blocks at the live tail
//	l.Trim(published, time.Now())
//
// # What holds
//
//   - Frames are contiguous, in a segment and across segments; so are histories: an id changes only where a history
//     frame says so (invariant 4). What does not fit is an error, never skipped.
//   - Nothing is durable before fsync, which happens every Config.Sync, never per write. [Log.Synced] moves only after it
//     (invariant 1). A failed fsync breaks the log: it is not tried again.
//   - A cursor delivers whole units only. Of a unit larger than a frame nothing is delivered before its end is logged.
//   - A segment begins and ends between units, so a unit larger than a segment makes a larger segment, and the last unit
//     end is always in the last segment or at its start.
//   - A full log ([ErrFull]) is intact. The limit does not stop a unit that has begun, except in memory.
//
// The active segment has room allocated up to the segment size (fallocate, where the system has it, never beyond MaxBytes
// nor more than a quarter of what is free), so a small log takes more blocks of the disk than its files are long. Sealing
// gives back what is left.
//
// There is no lock on the directory here: its owner holds one.
//
// # Files
//
// A log is the files NNNNNNNNNNNNNNNNNNNN.seg of a directory, NNN… being the stream offset at which the segment begins,
// 20 digits: the segment's first stream byte is that plus one. Other names are left alone. A segment is a header and
// frames without anything between them. Integers are little endian; checksums are CRC-32C (Castagnoli).
//
// The header, 128 bytes, is the state of the stream at the segment's start:
//
//	at  size
//	0   8   magic "KFBACKLG"
//	8   4   format version, 1; another one is refused
//	12  4   length of the header, 128
//	16  8   generation, not 0
//	24  8   stream offset at the start, as in the file name
//	32  40  replication id at the start, hex digits
//	72  4   database selected at the start
//	76  4   0
//	80  8   creation time, Unix ms
//	88  36  0
//	124 4   checksum of bytes 0 to 123
//
// A frame is a header of 40 bytes and a payload:
//
//	at  size
//	0   4   magic f5 6b 66 fa
//	4   1   kind: 1 data, 2 history, 3 seal
//	5   1   flags: bit 0 = the frame ends at a unit end; other bits 0
//	6   2   0
//	8   4   length of the payload in bytes
//	12  4   database after the last whole unit in or before the frame
//	16  8   stream offset before the frame
//	24  8   time of arrival, Unix ms
//	32  4   checksum of the payload
//	36  4   checksum of bytes 0 to 35
//
//	kind    flags   payload
//	data    0 or 1  1 to 1,048,576 stream bytes; they may hold many units and cut commands
//	history 1       80 bytes: the replication id before, the one after
//	seal    1       40 bytes: the replication id at the end of the segment
//
// The first frame begins at the stream offset of the header, each further one where the frame before it ends; only data
// frames move the offset. A data frame either ends at a unit end or lies inside a unit too large for a frame, so cutting
// a log to its last unit end is cutting between frames. History frames stand right after a segment header, before data.
// A seal is the last frame of a segment. It is written when the segment has been fsynced and a newer one exists, and
// fsynced itself before any byte of the newer one is called durable. The header of the newer one repeats where the older
// one ends: offset, database, replication id, generation.
//
// # Recovery
//
// [Open] trusts sealed segments to be as their header and seal say, and reads the others whole; cursors check all they
// read. A log ends at the first frame that is not whole when
//
//   - no sealed segment follows, so that nothing after the place was ever called durable, and
//   - no whole frame with right checksums, at a plausible stream offset, follows in the same segment.
//
// That is what kill -9 and a power cut leave: half a frame, a file that is too short, zeros where the size grew before
// the data came, a newer file without its header, a newer file while the older one lost its end. What is dropped is
// logged with file and offset, and later segments go too if something is missing before them. Anything else is damage
// ([CorruptError]) and stops the start with nothing changed: cutting there might drop bytes that the source was told are
// safe. [Inspect] shows such a log and [PlanCut] cuts it when an operator says so.
//
// Two things follow. A power cut on a file system that writes the pages of one fsync out of order may look like damage;
// it is reported rather than guessed at. And a bit that flips in the last frame of the log looks like a torn tail, and
// the source is asked for those bytes again.
package backlog
