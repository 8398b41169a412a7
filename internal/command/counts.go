package command

import (
	"maps"
	"slices"
)

// maxUnknown bounds how many unknown names are counted by name.
const maxUnknown = 100

// Counts says what a decoder has seen since it was made.
type Counts struct {
	Commands  []Count // commands by name, those of MULTI blocks too; the name is "" for all that are not in the table
	Unknown   []Count // unknown messages by name, the first names only
	Others    int64   // unknown messages of further names
	StrayExec int64   // EXEC outside MULTI
	Oversize  int64   // events without their arguments, because they were too large

	byName map[string]int64
}

// Count is how often a name was seen.
type Count struct {
	Name string
	N    int64
	Mute bool // commands that never have an event: PING, SELECT, REPLCONF …
}

func (c *Counts) unknown(name string) {
	if _, ok := c.byName[name]; !ok {
		if len(c.byName) >= maxUnknown {
			c.Others++
			return
		}
		if c.byName == nil {
			c.byName = make(map[string]int64)
		}
	}
	c.byName[name]++
}

// Counts gives a copy of the counts, names in order. The goroutine that calls Feed calls it.
func (d *Decoder) Counts() Counts {
	c := d.counts
	c.byName = nil
	for i, n := range d.commands {
		if n > 0 {
			c.Commands = append(c.Commands, Count{rows[i].name, n, rows[i].shape <= shapeExec})
		}
	}
	slices.SortFunc(c.Commands, byName)
	for _, name := range slices.Sorted(maps.Keys(d.counts.byName)) {
		c.Unknown = append(c.Unknown, Count{Name: name, N: d.counts.byName[name]})
	}
	return c
}

func byName(a, b Count) int {
	if a.Name < b.Name {
		return -1
	}
	return 1
}
