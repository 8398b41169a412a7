package bridge

import (
	"fmt"
	"slices"

	"keyfeed/ingest"
)

// sourceFile in the source's directory holds what is known of the source that its directory belongs to.
const sourceFile = "source.json"

// maxHistory bounds how many replication ids are kept.
const maxHistory = 16

// identity is source.json. A server that was restarted without its data has a new run id and a new replication id, as a
// stranger has: so only the name proves something. The rest is for people, and for the warning.
type identity struct {
	Name    string   `json:"name"`
	RunID   string   `json:"run_id,omitempty"`
	ReplIDs []string `json:"replids,omitempty"` // of the source, as it told them; the newest last
}

// loadIdentity refuses a directory that was made for a source of another name: its generations count on, and its events are
// numbered, under that name.
func (b *Bridge) loadIdentity() error {
	if b.memory() {
		return nil
	}
	var id identity
	if err := readState(b.dir, sourceFile, &id); err != nil {
		return err
	}
	if id.Name != "" && id.Name != b.cfg.Name {
		return fmt.Errorf("%w: %s belongs to the source %q, and KEYFEED_SOURCE_NAME is %q. Set the name back, or point "+
			"KEYFEED_DATA_DIR at another directory", ErrOperator, b.dir, id.Name, b.cfg.Name)
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	b.identity = id
	return nil
}

// recognizeLocked says so when the server looks like another one than before and cannot go on: it is a warning, because
// one that lost its data looks the same. b.mu is held.
func (b *Bridge) recognizeLocked(server *ingest.ServerInfo) {
	id := b.identity
	if known := b.sinkPos.ReplID; len(id.ReplIDs) == 0 && known != "" && server.ReplID != "" && known != server.ReplID && known != server.ReplID2 {
		b.log.Warn("the sink holds changes of a source with this name, but of a history that this server does not know: it was restarted "+
			"without its data, or another deployment uses the same KEYFEED_SOURCE_NAME on the same sink, or KEYFEED_SOURCE_URL names "+
			"another server; what is published replaces what was", "replid", server.ReplID, "replid_in_sink", known)
	}
	if len(id.ReplIDs) == 0 || server.ReplID == "" || slices.Contains(id.ReplIDs, server.ReplID) ||
		server.ReplID2 != "" && slices.Contains(id.ReplIDs, server.ReplID2) || id.RunID == server.RunID {
		return
	}
	b.log.Warn("the source has another run id and no common history with what was followed so far: it was restarted without its data, "+
		"or KEYFEED_SOURCE_URL names another server; the name of the source stays, and what is published replaces what was",
		"run_id", server.RunID, "run_id_before", id.RunID, "replid", server.ReplID, "replid_before", id.ReplIDs[len(id.ReplIDs)-1])
}

// rememberLocked keeps what the source, which is followed now, tells of itself. b.mu is held.
func (b *Bridge) rememberLocked(server *ingest.ServerInfo) error {
	if b.memory() || server.ReplID == "" {
		return nil
	}
	id := identity{Name: b.cfg.Name, RunID: server.RunID, ReplIDs: b.identity.ReplIDs}
	if !slices.Contains(id.ReplIDs, server.ReplID) {
		id.ReplIDs = append(slices.Clip(id.ReplIDs), server.ReplID)
		id.ReplIDs = id.ReplIDs[max(len(id.ReplIDs)-maxHistory, 0):]
	}
	if id.RunID == b.identity.RunID && len(b.identity.ReplIDs) > 0 && slices.Equal(id.ReplIDs, b.identity.ReplIDs) {
		return nil
	}
	b.identity = id
	if err := writeState(b.dir, sourceFile, id); err != nil && !noSpace(err) { // it is not needed to go on
		return err
	}
	return nil
}
