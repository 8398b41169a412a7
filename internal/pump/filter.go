package pump

import (
	"slices"

	"keyfeed/internal/event"
)

// Filter says which events leave. The zero Filter keeps all. What it drops still counts as passed, and keeps its place
// in the numbering of a unit or snapshot.
type Filter struct {
	Include []string // globs of keys; empty = all keys
	Exclude []string
	DBs     []int // empty = all databases
	// DropUnknown drops the messages of unknown commands.
	DropUnknown bool
}

// IsZero reports whether the filter keeps everything.
func (f *Filter) IsZero() bool {
	return len(f.Include) == 0 && len(f.Exclude) == 0 && len(f.DBs) == 0 && !f.DropUnknown
}

// Keep reports whether e leaves. Messages that hold the stream together (markers, history, heartbeats) always do.
func (f *Filter) Keep(e *event.Event) bool {
	if e.Op == event.OpMessage {
		return e.Kind != event.KindUnknown || !f.DropUnknown
	}
	if len(f.DBs) > 0 && e.DB != event.NoDB && !slices.Contains(f.DBs, e.DB) {
		return false
	}
	if !e.IsKey {
		return true
	}
	return (len(f.Include) == 0 || matchAny(f.Include, e.Key)) && !matchAny(f.Exclude, e.Key)
}

func matchAny(globs []string, key []byte) bool {
	return slices.ContainsFunc(globs, func(g string) bool { return match(g, key) })
}

// match is the glob of the command KEYS (util.c, stringmatchlen): * ? [a-z] [^a-z] and \ before a special character,
// over bytes. It never backtracks further than the last star, so it takes at most len(glob)*len(s) steps.
func match(glob string, s []byte) bool {
	g, i, star, mark := 0, 0, -1, 0
	for i < len(s) {
		if g < len(glob) && glob[g] == '*' {
			star, mark = g, i
			g++
			continue
		}
		if next, ok := matchOne(glob, g, s[i]); ok {
			g = next
			i++
			continue
		}
		if star < 0 {
			return false
		}
		mark++
		g, i = star+1, mark
	}
	for g < len(glob) && glob[g] == '*' {
		g++
	}
	return g == len(glob)
}

// matchOne matches the element of the glob at g with c and returns where the next element is.
func matchOne(glob string, g int, c byte) (next int, ok bool) {
	if g >= len(glob) {
		return g, false
	}
	switch glob[g] {
	case '?':
		return g + 1, true
	case '\\':
		if g+1 < len(glob) {
			g++
		}
		return g + 1, glob[g] == c
	case '[':
		return matchClass(glob, g+1, c)
	default:
		return g + 1, glob[g] == c
	}
}

func matchClass(glob string, g int, c byte) (next int, ok bool) {
	not := g < len(glob) && glob[g] == '^'
	if not {
		g++
	}
	for g < len(glob) && glob[g] != ']' {
		if glob[g] == '\\' && g+1 < len(glob) {
			g++
		}
		lo, hi := glob[g], glob[g]
		if g+2 < len(glob) && glob[g+1] == '-' {
			hi = glob[g+2]
			g += 2
		}
		if lo > hi {
			lo, hi = hi, lo
		}
		ok = ok || lo <= c && c <= hi
		g++
	}
	return min(g+1, len(glob)), ok != not
}
