package snapshot

import (
	"crypto/rand"
	"encoding/hex"
	"encoding/json"
	"fmt"
)

const (
	metaFormat    = 1
	stateComplete = "complete"
)

// Origin is what is known of a snapshot when FULLRESYNC arrives.
type Origin struct {
	Gen           uint64
	ReplID        string
	Offset        int64 // the snapshot is the state at this stream offset
	ArrivedMs     int64 // Unix ms
	Server        string
	ServerVersion string
}

// Meta describes a complete spool. Its JSON is spool.json; see the package documentation.
type Meta struct {
	Format        int    `json:"format"`
	State         string `json:"state"`
	ID            string `json:"id"`
	Gen           uint64 `json:"gen"`
	ReplID        string `json:"replid"`
	Offset        int64  `json:"offset"`
	ArrivedMs     int64  `json:"arrived_ms"`
	CommittedMs   int64  `json:"committed_ms"`
	Server        string `json:"server,omitempty"`
	ServerVersion string `json:"server_version,omitempty"`
	Size          int64  `json:"size"`
	RDBMagic      string `json:"rdb_magic"`
	RDBVersion    int    `json:"rdb_version"`
	DB            int    `json:"db"`   // the database selected where the stream begins
	Keys          uint64 `json:"keys"` // at least so many keys; 0 = unknown
}

func newMeta(o Origin) Meta {
	var id [8]byte
	_, _ = rand.Read(id[:]) // never fails: it ends the process instead
	return Meta{
		Format: metaFormat, State: stateComplete, ID: hex.EncodeToString(id[:]),
		Gen: o.Gen, ReplID: o.ReplID, Offset: o.Offset, ArrivedMs: o.ArrivedMs,
		Server: o.Server, ServerVersion: o.ServerVersion,
	}
}

func (m Meta) encode() ([]byte, error) {
	raw, err := json.MarshalIndent(m, "", "  ")
	if err != nil {
		return nil, fmt.Errorf("encoding spool metadata: %w", err)
	}
	return append(raw, '\n'), nil
}

func decodeMeta(raw []byte) (Meta, error) {
	var m Meta
	if err := json.Unmarshal(raw, &m); err != nil {
		return m, fmt.Errorf("%w: %w", ErrFormat, err)
	}
	switch {
	case m.Format != metaFormat:
		return m, fmt.Errorf("%w: it has format %d, this keyfeed knows %d: start the version that wrote it",
			ErrFormat, m.Format, metaFormat)
	case m.State != stateComplete:
		return m, ErrIncomplete
	case m.ID == "" || m.Size <= 0 || m.DB < 0:
		return m, fmt.Errorf("%w: fields are missing", ErrFormat)
	}
	return m, nil
}
