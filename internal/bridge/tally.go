package bridge

import (
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"strconv"
	"strings"

	"keyfeed/internal/change"
	"keyfeed/internal/event"
	"keyfeed/sinks"
)

// A position inside a unit is a count of events, and so is what a sink passes over after a purge. Under other settings the
// same bytes give other events, more or fewer, and going on by the count would leave some out. The data directory knows
// what settings a count was made under, but it may be lost or be another one. So the settings travel with the position
// (change.Position.Settings): what is counted is finished under them, or replaced by a new generation.

// tally is what the sink's position counts, since the sink was opened.
type tally struct {
	under *settings // what the events were cut by; nil = nothing is counted, or nobody knows
	skips bool      // the sink passes over events that it does not know
	lost  bool      // they cannot be counted again: what follows the position cannot be published
}

// text is what stands in positions:
//
//	decoder:max_bytes:flags:filter
//
// with the flags b (KEYFEED_EVENT_BINARY=always) and p (KEYFEED_EVENT_PUBLISH), and the beginning of the filter's SHA-256.
func (s settings) text(filter string) string {
	flags := ""
	if s.BinaryAlways {
		flags += "b"
	}
	if s.Publish {
		flags += "p"
	}
	return fmt.Sprintf("%d:%d:%s:%s", s.Decoder, s.MaxBytes, flags, filter)
}

var errSettings = errors.New("not written by this version")

func parseSettings(text string) (s settings, filter string, err error) {
	fail := func() (settings, string, error) {
		return settings{}, "", fmt.Errorf("settings %q: %w", text, errSettings)
	}
	parts := strings.Split(text, ":")
	if len(parts) != 4 || strings.Trim(parts[2], "bp") != "" {
		return fail()
	}
	if s.Decoder, err = strconv.Atoi(parts[0]); err != nil || s.Decoder != decoderVersion {
		return fail()
	}
	if s.MaxBytes, err = strconv.Atoi(parts[1]); err != nil || s.MaxBytes <= 0 {
		return fail()
	}
	s.BinaryAlways, s.Publish = strings.Contains(parts[2], "b"), strings.Contains(parts[2], "p")
	return s, parts[3], nil
}

// filterDigest tells one filter from another; empty = none.
func (b *Bridge) filterDigest() string {
	if b.cfg.Filter.IsZero() {
		return ""
	}
	raw, _ := json.Marshal(b.cfg.Filter) // strings, numbers and a bool
	sum := sha256.Sum256(raw)
	return hex.EncodeToString(sum[:8])
}

// countLocked looks at what the sink's position counts. The sink was just opened. b.mu is held.
func (b *Bridge) countLocked(pos change.Position) {
	b.tally = tally{}
	if s, ok := b.sink.(sinks.Skipper); ok {
		b.tally.skips = s.Skips()
	}
	if pos.Settings == "" || !pos.InUnit() && !b.tally.skips {
		return
	}
	set, filter, err := parseSettings(pos.Settings)
	if err == nil && b.tally.skips && filter != b.filterDigest() { // inside a unit all are counted, whatever the filter
		err = errors.New("the filter is another one now")
	}
	if err != nil {
		b.tally.lost = true
		b.log.Warn("the events that the sink's position counts cannot be counted again, so nothing can follow them; "+
			"a new snapshot is needed", "position", pos.String(), "error", err)
		return
	}
	b.tally.under = &set
}

// uncountableLocked reports whether nothing on disk and nothing of the source may follow pos. b.mu is held.
func (b *Bridge) uncountableLocked(pos change.Position) bool {
	return b.tally.lost && pos.Gen == b.sinkPos.Gen
}

// replaceCountLocked asks for everything in place of what cannot be counted. b.mu is held.
func (b *Bridge) replaceCountLocked(pos change.Position) error {
	reason := event.ReasonHistoryLost
	if pos.InSnapshot() {
		reason = event.ReasonSnapshotLost
	}
	if b.cfg.OnHistoryLoss == PolicyFail {
		return fmt.Errorf("%w: the sink's position %s counts events that were cut or selected under other settings, so nothing can be "+
			"published behind it, and KEYFEED_ON_HISTORY_LOSS=fail refuses a new snapshot. Start once with the settings of before "+
			"(KEYFEED_FILTER_…, KEYFEED_ON_UNKNOWN, the version of keyfeed), or set it to resync", ErrOperator, pos)
	}
	b.forceLocked(reason)
	return nil
}

// countedLocked are the settings that must hold for what follows in g, because the sink's position counts by them; nil
// without such. inside says that it is in the middle of a unit or snapshot. b.mu is held.
func (b *Bridge) countedLocked(g *generation, inside bool) *settings {
	if g.meta.Gen != b.sinkPos.Gen || !inside && !b.tally.skips {
		return nil
	}
	return b.tally.under
}
