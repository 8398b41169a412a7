package bridge

import (
	"log/slog"
	"maps"
	"sync"

	"keyfeed/internal/event"
)

// maxNames bounds how many unknown commands are counted by name; the rest count as "other".
const maxNames = 100

// census counts what must never pass silently (P8), and logs each name once with the remedy. What is decoded again after
// an error of the sink is counted again.
type census struct {
	log *slog.Logger

	mu       sync.Mutex
	unknown  map[string]int64 // by command; guarded by mu
	oversize int64            // guarded by mu
}

// Counts is what a bridge has met that a person may want to look into, since the process started.
type Counts struct {
	Unknown  map[string]int64 `json:"unknown_commands,omitempty"`
	Oversize int64            `json:"oversize_events"`
}

func (c *census) counts() Counts {
	c.mu.Lock()
	defer c.mu.Unlock()
	return Counts{Unknown: maps.Clone(c.unknown), Oversize: c.oversize}
}

// see counts e if it is one of those. Ordinary events cost two comparisons.
func (c *census) see(e *event.Event, policy string) {
	if e.Omitted != nil {
		c.seeOversize(e)
	}
	if e.Op == event.OpMessage && e.Kind == event.KindUnknown {
		c.seeUnknown(e.Cmd, policy)
	}
}

func (c *census) seeOversize(e *event.Event) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.oversize++; c.oversize == 1 {
		c.log.Warn("an event is too large to be published whole and cannot be cut; it carries size and SHA-256 instead. "+
			"Raise KEYFEED_EVENT_MAX_BYTES and the broker's limit; further ones are only counted",
			"id", string(event.AppendID(nil, e)), "cmd", e.Cmd, "bytes", e.Omitted.Bytes)
	}
}

func (c *census) seeUnknown(name, policy string) {
	name = name[:min(len(name), 64)]
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.unknown == nil {
		c.unknown = make(map[string]int64)
	}
	if _, known := c.unknown[name]; !known && len(c.unknown) >= maxNames {
		name = "other"
	}
	if c.unknown[name]++; c.unknown[name] == 1 {
		c.log.Warn("the source replicates a command that keyfeed does not know; KEYFEED_ON_UNKNOWN decides what becomes of it. "+
			"A renamed command or a module is the usual cause; further ones of this name are only counted",
			"command", name, "policy", policy)
	}
}
