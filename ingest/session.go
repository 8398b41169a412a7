package ingest

import (
	"context"
	"strings"
	"time"

	"golang.org/x/sync/errgroup"
)

// session is one connection. Its fields belong to the goroutine of run, and to attempt after that has ended.
type session struct {
	r    *Replica
	link *link
	ack  *acker

	full  bool      // the source answered FULLRESYNC
	began time.Time // when streaming began
}

// run goes through the handshake, the snapshot if there is one, and the stream.
func (s *session) run(ctx context.Context, group *errgroup.Group, resume Resume) error {
	r := s.r
	r.status.enter(StateHandshake)
	g := &greeting{cfg: &r.cfg, link: s.link}
	info, err := g.open()
	if err != nil {
		return err
	}
	r.status.update(func(st *Status) { st.Server = info })
	if info.Kind == "" {
		r.log.Info("INFO is not permitted: what to expect of the source is not known", "remedy", "ACL SETUSER "+r.cfg.user()+" +info")
	}
	if in, ok := r.store.(Inspector); ok {
		if resume, err = in.Inspect(ctx, info, resume); err != nil {
			return fromStore("judging the source", err)
		}
	}
	if err := g.announce(&info); err != nil {
		return err
	}
	r.asking(&info, resume)
	r.status.enter(StateWaiting)
	a, err := g.psync(resume)
	if err != nil {
		return err
	}
	var log Log
	offset, db := resume.Offset, resume.DB
	if a.full {
		s.full = true
		full := FullSync{ReplID: a.replid, Offset: a.offset, ArrivedMs: time.Now().UnixMilli(), Server: info}
		if log, db, err = s.fullSync(ctx, group, g, full, resume); err != nil {
			return err
		}
		offset = a.offset
	} else {
		if log, err = r.store.Continue(ctx, changed(a.replid, resume.ReplID)); err != nil {
			return fromStore("continuing the log", err)
		}
		r.status.update(func(st *Status) { st.PartialSyncs++ })
		group.Go(func() error { return s.acknowledge(ctx, group) })
	}
	s.ack.begin(log)
	s.began = time.Now()
	r.status.offset.Store(offset)
	r.status.update(func(st *Status) { st.LastErr = "" })
	r.status.enter(StateStreaming)
	r.report.recovered()
	r.log.Info("streaming", "offset", offset, "db", db, "full", a.full)
	// The first byte after +CONTINUE must begin a command, else the offset was a wrong one that the source took all the
	// same: the framer finds that as it finds any other desync.
	st := &streamer{link: s.link, frame: newFramer(offset, db, r.cfg.Limits), log: log, ack: s.ack, passed: r.status.passed}
	return st.run(offset)
}

func (s *session) acknowledge(ctx context.Context, group *errgroup.Group) error {
	return s.ack.run(ctx, func(f func() error) { group.Go(f) })
}

// fullSync spools the snapshot and gives the log behind it.
func (s *session) fullSync(ctx context.Context, group *errgroup.Group, g *greeting, full FullSync, asked Resume) (Log, int, error) {
	r := s.r
	if !asked.Full {
		why := full.Server.Refuses(asked)
		if why == "" {
			why = "the source did not tell"
		}
		r.log.Warn("the source refused a partial resync and sends everything", "asked_offset", asked.Offset, "asked_replid", asked.ReplID, "why", why)
	}
	spool, err := r.store.FullSync(ctx, full)
	if err != nil {
		return nil, 0, fromStore("beginning a snapshot", err)
	}
	if err := s.transfer(g, spool); err != nil {
		spool.Abort(err)
		return nil, 0, err
	}
	r.status.enter(StateVerifying)
	group.Go(func() error { return s.acknowledge(ctx, group) }) // the source sends no stream before it; see acker
	log, db, err := spool.Commit(ctx)
	if err != nil {
		return nil, 0, fromStore("completing the snapshot", err)
	}
	r.status.update(func(st *Status) { st.FullSyncs++ })
	r.log.Info("snapshot received", "replid", full.ReplID, "offset", full.Offset, "bytes", r.status.received.Load())
	return log, db, nil
}

func (s *session) transfer(g *greeting, spool Spool) error {
	r := s.r
	r.status.received.Store(0)
	r.status.update(func(st *Status) { st.SnapshotBytes = -1 })
	size, mark, err := g.payloadHeader()
	if err != nil {
		return err
	}
	spool.Size(size)
	r.status.update(func(st *Status) { st.SnapshotBytes = size })
	r.status.enter(StateReceiving)
	r.log.Info("receiving a snapshot", "size", size)
	return receive(s.link, spool, size, mark, &r.status.received)
}

// asking logs what is about to be asked and what INFO makes one expect.
func (r *Replica) asking(info *ServerInfo, resume Resume) {
	l := r.log.With("server", info.Kind, "server_version", info.Version, "role", info.Role, "source_offset", info.Offset,
		"source_backlog_first", info.BacklogFirst)
	if resume.Full {
		l.Info("asking for a full resync", "reason", resume.Reason)
		return
	}
	l.Info("asking for a partial resync", "replid", resume.ReplID, "offset", resume.Offset, "behind", max(info.Offset-resume.Offset, 0),
		"refusal_expected", info.Refuses(resume))
}

// changed is the id that +CONTINUE named when it is another than ours.
func changed(named, ours string) string {
	if strings.EqualFold(named, ours) {
		return ""
	}
	return named
}
