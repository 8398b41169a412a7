package verify

import (
	"fmt"
	"strconv"
	"strings"
)

// What differs, the values of [Difference.What].
const (
	WhatKey      = "key"       // one server does not have it
	WhatType     = "type"      // string, list, …
	WhatTTL      = "ttl"       // the key's deadline
	WhatSize     = "size"      // bytes of a string, elements of a list, set or zset, entries of a stream
	WhatValue    = "value"     // an element, or the bytes of a string
	WhatScore    = "score"     // of a zset's member
	WhatFieldTTL = "field ttl" // a hash field's deadline
	WhatEntry    = "entry"     // a stream's
	WhatStream   = "stream"    // last-generated-id and other scalars of a stream
	WhatGroup    = "group"     // a consumer group, its scalars
	WhatConsumer = "consumer"  // of a group
	WhatPending  = "pending"   // an entry of a group that is not acknowledged: owner, delivery time, delivery count
	WhatMoving   = "moving"    // the key changed its type, or went, while it was compared
	WhatFunction = "function"  // a library of functions; no key
)

// Difference is one thing in which two keys differ.
type Difference struct {
	What  string `json:"what"`
	Where string `json:"where,omitempty"` // which element, as text
	// Source and Target are what each side has. Values of keys are there only with [Options.ShowValues]; types, sizes,
	// ids, counts and deadlines always are.
	Source string `json:"source,omitempty"`
	Target string `json:"target,omitempty"`
}

// missing is what a side has that does not have it.
const missing = "missing"

// String is the difference in words.
func (d Difference) String() string {
	text := d.Where
	switch {
	case d.What == WhatMoving:
		return "changed its type, or went, while it was compared"
	case d.Where == "":
		text = d.What
	case d.What == WhatValue, d.What == WhatScore, d.What == WhatFieldTTL:
		text += ": " + d.What
	}
	if d.Source == "" && d.Target == "" {
		return text + " differs"
	}
	return fmt.Sprintf("%s: source %s, target %s", text, orHidden(d.Source), orHidden(d.Target))
}

func orHidden(s string) string {
	if s == "" {
		return "present"
	}
	return s
}

// Finding is a key, or a library of functions, that differs.
type Finding struct {
	DB          int
	Key         string
	Type        string // of the source, or of the target where the source does not have it; "function" for a library
	Differences []Difference
}

// maxKeyShown is how many bytes of a key's name stand in a line of text.
const maxKeyShown = 200

// String is one line. Bytes of the key that do not print are escaped; a long one is cut.
func (f Finding) String() string {
	parts := make([]string, len(f.Differences))
	for i, d := range f.Differences {
		parts[i] = d.String()
	}
	key := strconv.Quote(f.Key[:min(len(f.Key), maxKeyShown)])
	if len(f.Key) > maxKeyShown {
		key += fmt.Sprintf("… (%d bytes)", len(f.Key))
	}
	what := fmt.Sprintf("db %d key %s (%s)", f.DB, key, f.Type)
	if f.Type == WhatFunction {
		what = "library " + key
	}
	return what + ": " + strings.Join(parts, "; ")
}

// between is a difference of two texts that may always be shown.
func between(what, where, source, target string) Difference {
	return Difference{What: what, Where: where, Source: source, Target: target}
}

// lacking says that the side named other does not have what side from has.
func lacking(what, where string, from *side) Difference {
	d := Difference{What: what, Where: where}
	if from.name == sourceName {
		d.Target = missing
	} else {
		d.Source = missing
	}
	return d
}
