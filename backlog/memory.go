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

// NewMemory makes a log in memory. Config.MaxBytes is needed and is a hard cap, inside a unit too: Append returns
// [ErrFull] rather than go over it. What is published is dropped at once, without [Log.Run]. FS and the retention of
// cfg are not used.
func NewMemory(cfg Config, origin Origin) (*Log, error) {
	if cfg.MaxBytes <= 0 {
		return nil, fmt.Errorf("making log in memory: MaxBytes is %d, want a cap", cfg.MaxBytes)
	}
	cfg.FS = new(vfs.Mem)
	cfg.RetainBytes, cfg.RetainAge = -1, -1
	cfg.SegmentBytes = max(cfg.MaxBytes/memorySegments, minSegment)
	cfg.hardLimit = true
	return Create(memoryDir, cfg, origin)
}
