package backlog

import (
	"fmt"

	"keyfeed/backlog/internal/vfs"
)

// memoryDir is the directory that segments in memory seem to be in.
const memoryDir = "memory"

// memorySegments is the number of segments that the cap of a log in memory is divided into: what is published is given
// back in steps of that size.
const memorySegments = 16

// minMemory leaves room for a chunk beside one that is being published, in bytes.
const minMemory = 4 * MaxChunk

// NewMemory makes a log in memory. Config.MaxBytes is needed, at least 4 MiB, and is a hard cap, inside a unit too: Append
// returns [ErrFull] rather than go over it. A unit larger than the cap can never be logged; it shows as a log that is
// full while its tail is inside a unit that began at its head. What is published is dropped at once, without [Log.Run]. FS and the retention of
// cfg are not used.
func NewMemory(cfg Config, origin Origin) (*Log, error) {
	if cfg.MaxBytes < minMemory {
		return nil, fmt.Errorf("making log in memory: MaxBytes is %d, want a cap of at least %d", cfg.MaxBytes, minMemory)
	}
	cfg.FS = new(vfs.Mem)
	cfg.RetainBytes, cfg.RetainAge = -1, -1
	cfg.SegmentBytes = max(cfg.MaxBytes/memorySegments, minSegment)
	cfg.hardLimit = true
	return Create(memoryDir, cfg, origin)
}
