package bridge

import (
	"errors"
	"fmt"
	"time"

	"keyfeed/ingest"
	"keyfeed/snapshot"
)

// Status is what a bridge says about itself, for logs and pages. It holds no key, value or secret.
type Status struct {
	Source     string       `json:"source"`
	Link       LinkStatus   `json:"link"`
	Position   string       `json:"position"`  // confirmed by the sink
	Published  int64        `json:"published"` // offset up to which everything is in the sink, bytes without events included
	SinkOpen   bool         `json:"sink_open"`
	StandingBy bool         `json:"standing_by,omitempty"` // another keyfeed writes to the sink
	Generation uint64       `json:"generation"`
	Log        LogStatus    `json:"log"`
	Snapshot   *SnapshotRun `json:"snapshot,omitempty"`
	Counts     Counts       `json:"counts"`

	FullSyncs FullSyncStatus `json:"full_syncs"`
	Stalled   *Stall         `json:"stalled,omitempty"`
	Keys      *int64         `json:"keys,omitempty"` // of the source, when they were counted last
}

// LinkStatus is the replication link.
type LinkStatus struct {
	State         string    `json:"state"`
	Since         time.Time `json:"since"`
	Server        string    `json:"server"`
	ServerVersion string    `json:"server_version"`
	Role          string    `json:"role"`
	Offset        int64     `json:"offset"`
	LastByte      time.Time `json:"last_byte"`
	FullSyncs     int64     `json:"full_syncs"`
	PartialSyncs  int64     `json:"partial_syncs"`
	Failures      int64     `json:"failures"`
	LastError     string    `json:"last_error,omitempty"`
}

// LogStatus is the newest log on disk.
type LogStatus struct {
	Head  int64 `json:"head"`
	Tail  int64 `json:"tail"`
	Bytes int64 `json:"bytes"`
	Max   int64 `json:"max_bytes"`
	// Lag is the bytes logged and not yet in the sink.
	Lag int64 `json:"lag_bytes"`
}

// SnapshotRun is a snapshot under way.
type SnapshotRun struct {
	Phase string `json:"phase"` // receiving, publishing
	Bytes int64  `json:"bytes"`
	Total int64  `json:"total_bytes"` // 0 = unknown
	Keys  int64  `json:"keys"`
}

// Status may be called by any goroutine at any time after New.
func (b *Bridge) Status() Status {
	published := b.pump.Published()
	b.mu.Lock()
	defer b.mu.Unlock()
	s := Status{
		Counts: b.census.counts(),
		Source: b.cfg.Name, Position: b.confirmed.String(), Published: published.Offset,
		SinkOpen: b.sinkKnown, StandingBy: b.standing, Generation: b.confirmed.Gen,
	}
	s.FullSyncs, s.Stalled = b.budget.status(), b.stall
	if keys := b.keys; keys.Known {
		s.Keys = &keys.Keys
	}
	if b.replica != nil {
		l := b.replica.Status()
		s.Link = linkStatus(&l)
		if l.State == ingest.StateReceiving {
			s.Snapshot = &SnapshotRun{Phase: "receiving", Bytes: l.ReceivedBytes, Total: max(l.SnapshotBytes, 0)}
		}
	}
	g := b.newestLocked()
	if g == nil {
		return s
	}
	s.Generation = g.meta.Gen
	s.Log = LogStatus{Head: g.log.Head(), Tail: g.log.Tail().Unit.Offset, Bytes: g.log.Size(), Max: g.log.MaxBytes()}
	if published.Gen == g.meta.Gen && !published.InSnapshot() {
		s.Log.Lag = max(s.Log.Tail-published.Offset, 0)
	} else {
		s.Log.Lag = s.Log.Tail - s.Log.Head
	}
	if g.hasSnapshot() && b.publishing != nil {
		s.Snapshot = publishingStatus(b.publishing.Progress())
	}
	return s
}

func linkStatus(l *ingest.Status) LinkStatus {
	return LinkStatus{
		State: string(l.State), Since: l.Since, Server: l.Server.Kind, ServerVersion: l.Server.Version, Role: l.Server.Role,
		Offset: l.Offset, LastByte: l.LastByte, FullSyncs: l.FullSyncs, PartialSyncs: l.PartialSyncs,
		Failures: l.Failures, LastError: l.LastErr,
	}
}

func publishingStatus(p snapshot.Progress) *SnapshotRun {
	return &SnapshotRun{Phase: "publishing", Bytes: p.Bytes, Total: p.TotalBytes, Keys: p.Keys}
}

// Ready is nil when changes flow: the sink is open, and the source streams or a snapshot is under way.
func (b *Bridge) Ready() error {
	s := b.Status()
	switch {
	case s.StandingBy:
		return errors.New("standing by: another keyfeed writes to the sink")
	case !s.SinkOpen:
		return errors.New("the sink is not open yet")
	case b.sink.Err() != nil:
		return fmt.Errorf("the sink is failing: %w", b.sink.Err())
	case s.Stalled != nil:
		return fmt.Errorf("nothing moves since %s: %s", s.Stalled.Since.UTC().Format(time.RFC3339), s.Stalled.What)
	case s.FullSyncs.NextAt != nil:
		return fmt.Errorf("a full sync is needed and waits until %s (KEYFEED_FULL_SYNCS_PER_HOUR)", s.FullSyncs.NextAt.UTC().Format(time.RFC3339))
	case s.Link.State != string(ingest.StateStreaming) && s.Snapshot == nil:
		return fmt.Errorf("the link to the source is %s", s.Link.State)
	}
	return nil
}
