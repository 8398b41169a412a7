package bridge

import (
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
)

// metaVersion is the format of gen.json; another one is refused.
const metaVersion = 1

// decoderVersion changes when the same bytes would be decoded to other events, or numbered differently.
const decoderVersion = 1

// settings cut or number events. They are stored with the generation, so that a snapshot or unit under way is finished
// under the settings it began with, whatever the configuration says by then (invariant 5).
type settings struct {
	MaxBytes     int  `json:"max_bytes"`
	BinaryAlways bool `json:"binary_always,omitempty"`
	Publish      bool `json:"publish,omitempty"`
	Decoder      int  `json:"decoder"`
}

// meta is gen.json: what the bridge must know of a generation beyond what its spool and log say themselves.
type meta struct {
	Version int `json:"version"`
	// Gen is final once Begun; before that it may still be raised above what the sink holds.
	Gen uint64 `json:"gen"`
	// Reason and Prev stand in snapshot_begin.
	Reason string `json:"reason,omitempty"`
	Prev   string `json:"prev,omitempty"`
	// Begun: snapshot_begin may have been published, with the fields as they stand here.
	Begun bool `json:"begun,omitempty"`
	// Guarded: the keys were held against KEYFEED_MAX_SHRINK, or an operator approved; see guard.go.
	Guarded bool `json:"guarded,omitempty"`
	// Keys in the snapshot, where they were counted: the measure of the guard once the sink has it.
	Keys *int64 `json:"keys,omitempty"`
	// Published: the sink has confirmed the whole snapshot. True from the start where there is none.
	Published bool     `json:"published,omitempty"`
	Settings  settings `json:"settings"`
	// Rewrites: where failovers cut the log, oldest first; see failover.go.
	Rewrites []rewrite `json:"rewrites,omitempty"`
}

const metaFile = "gen.json"

// readMeta returns fs.ErrNotExist, wrapped, when the directory has no gen.json.
func readMeta(dir string) (meta, error) {
	var m meta
	raw, err := os.ReadFile(filepath.Join(dir, metaFile))
	if err != nil {
		return m, fmt.Errorf("reading the generation: %w", err)
	}
	if err := json.Unmarshal(raw, &m); err != nil {
		return m, fmt.Errorf("%w: %s is damaged: %w. Move the directory away; keyfeed resumes from the sink's position",
			ErrOperator, filepath.Join(dir, metaFile), err)
	}
	if m.Version != metaVersion {
		return m, fmt.Errorf("%w: %s has format %d, this keyfeed knows %d: start the version that wrote it",
			ErrOperator, filepath.Join(dir, metaFile), m.Version, metaVersion)
	}
	return m, nil
}

// writeMeta replaces gen.json; it is durable on return.
func writeMeta(dir string, m meta, reserve func(int) error) error {
	m.Version = metaVersion
	raw, err := json.MarshalIndent(m, "", "  ")
	if err != nil {
		return fmt.Errorf("encoding the generation: %w", err)
	}
	if reserve != nil {
		if err := reserve(len(raw)); err != nil {
			return fmt.Errorf("writing the generation: %w", err)
		}
	}
	if err := replaceFile(osDir(dir), metaFile, append(raw, '\n')); err != nil {
		return fmt.Errorf("writing the generation: %w", err)
	}
	return nil
}
