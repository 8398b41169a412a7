package backlog

import (
	"fmt"
	"log/slog"
	"math"
	"time"

	"keyfeed/backlog/internal/vfs"
	"keyfeed/internal/change"
)

// The defaults of [Config].
const (
	DefaultSegmentBytes = 64 << 20
	DefaultSync         = 100 * time.Millisecond
	DefaultRetainBytes  = 256 << 20
	DefaultRetainAge    = 5 * time.Minute
)

// minSegment keeps a small limit from making a file per frame.
const minSegment = 64 << 10

// FS is the file system under a log. It is a seam for tests.
type FS = vfs.FS

// File is an open file of an [FS].
type File = vfs.File

// Config holds what may be set for a log. Zero fields take the defaults.
type Config struct {
	// SegmentBytes is the file size at which a new segment begins, in bytes; default [DefaultSegmentBytes], at most an
	// eighth of MaxBytes. A unit is never spread over two segments: one larger than this makes a larger segment.
	SegmentBytes int64

	// MaxBytes is the size at which the log is full, in bytes on disk; 0 = no limit but the disk. A few headers and seals
	// may come on top.
	MaxBytes int64

	// Sync is the time between two fsyncs while bytes arrive; default [DefaultSync].
	Sync time.Duration

	// RetainBytes and RetainAge say how much of what is published stays, in whole segments: a segment goes when as many
	// published bytes stay without it, or when it was published as long ago, or when the log reaches 80 % of MaxBytes.
	// Defaults [DefaultRetainBytes] and [DefaultRetainAge]; negative = keep nothing.
	RetainBytes int64
	RetainAge   time.Duration

	// Logger takes what recovery drops, cuts and trouble; nil = silence.
	Logger *slog.Logger

	// FS is the file system; nil = that of the operating system.
	FS FS

	hardLimit bool // MaxBytes stops a unit already begun too; set by NewMemory
}

func (c Config) withDefaults() (Config, error) {
	if c.SegmentBytes < 0 || c.MaxBytes < 0 || c.Sync < 0 {
		return c, fmt.Errorf("backlog configuration: negative size or interval (segment %d, max %d, sync %v)",
			c.SegmentBytes, c.MaxBytes, c.Sync)
	}
	if c.SegmentBytes == 0 {
		c.SegmentBytes = DefaultSegmentBytes
	}
	if c.MaxBytes > 0 {
		c.SegmentBytes = min(c.SegmentBytes, max(c.MaxBytes/8, minSegment))
	}
	if c.Sync == 0 {
		c.Sync = DefaultSync
	}
	if c.RetainBytes == 0 {
		c.RetainBytes = DefaultRetainBytes
	}
	if c.RetainAge == 0 {
		c.RetainAge = DefaultRetainAge
	}
	if c.Logger == nil {
		c.Logger = slog.New(slog.DiscardHandler)
	}
	if c.FS == nil {
		c.FS = vfs.OS{}
	}
	return c, nil
}

// Origin is where a new log begins: the state of the stream after a full sync, or at the position of a sink.
type Origin struct {
	Gen    uint64 // generation, not 0
	ReplID string // replication id of the source there
	Offset int64  // the first byte to be logged is Offset+1
	DB     int    // the database selected at Offset
}

func (o Origin) validate() error {
	if o.Gen == 0 || o.Offset < 0 || o.DB < 0 || o.DB > math.MaxInt32 || !change.IsReplID(o.ReplID) {
		return fmt.Errorf("origin of a log is impossible: gen %d, offset %d, db %d, replid %q", o.Gen, o.Offset, o.DB, o.ReplID)
	}
	return nil
}
