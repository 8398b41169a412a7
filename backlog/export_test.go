package backlog

import "time"

// Retain does what Run does for retention, at the time now.
func (l *Log) Retain(now time.Time) error { return l.retain(now) }
