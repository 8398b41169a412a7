package backlog

import "time"

// Retain does what Run does for retention, at the time now.
func (l *Log) Retain(now time.Time) error { return l.retain(now) }

// InspectOn is Inspect on another file system.
func InspectOn(fs FS, dir string, v Visitor) error { return inspect(fs, dir, v) }

// PlanCutOn is PlanCut on another file system.
func PlanCutOn(fs FS, dir string, offset int64) (*CutPlan, error) { return planCut(fs, dir, offset) }

// SegmentName is the file name of the segment that begins at an offset.
func SegmentName(start int64) string { return segmentName(start) }
