package verify

import (
	"strconv"
	"time"
)

// noDeadline is what the servers answer for what does not expire.
const noDeadline = -1

// near is how close a source's deadline must be for a replay to have moved it: keyfeed replay gives the target a later
// one instead of a deadline that is past or within a minute, since only the source deletes (docs/events.md, Replaying).
const near = time.Minute

// clocks are the times of both servers, in Unix ms, when they began to answer about keys.
type clocks struct {
	source, target int64
	// unsure is how long the two were at it, together. What a server tells as time left, or idle, counts from a moment
	// within: a busy machine may hold a server up between two answers.
	unsure int64
}

// span is how long both servers were at it from now to end, with a millisecond each for rounding.
func span(now, end clocks) int64 { return end.source - now.source + end.target - now.target + 2 }

// loose reports whether two times that are computed from such answers may be the same.
func (v *Verifier) loose(a, b, unsure int64) bool {
	return max(a-b, b-a) <= v.opts.Tolerance.Milliseconds()+unsure
}

// verdict on two deadlines.
type verdict int

const (
	sameDeadline verdict = iota
	soonGone             // the source's is within a minute, and the target's is later
	otherDeadline
)

// judge compares two deadlines in Unix ms, -1 for none. exact says that both servers told them; else they were computed
// from the time left and may be off by the tolerance.
func (v *Verifier) judge(source, target int64, exact bool, now clocks) verdict {
	switch {
	case source == target:
		return sameDeadline
	case !exact && source >= 0 && target >= 0 && v.loose(source, target, now.unsure):
		return sameDeadline
	case source >= 0 && target > source && source < now.source+near.Milliseconds():
		return soonGone
	}
	return otherDeadline
}

// over reports whether what expires at deadline is gone by the clock of a server, or as good as.
func (v *Verifier) over(deadline, now int64) bool {
	return deadline >= 0 && deadline <= now+v.opts.Tolerance.Milliseconds()
}

func deadlineText(ms int64) string {
	if ms < 0 {
		return "none"
	}
	return strconv.FormatInt(ms, 10) + " (" + time.UnixMilli(ms).UTC().Format("2006-01-02T15:04:05.000Z") + ")"
}
