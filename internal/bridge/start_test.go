package bridge_test

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"log/slog"
	"net"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"keyfeed/backlog"
	"keyfeed/ingest"
	"keyfeed/internal/bridge"
	"keyfeed/internal/change"
	"keyfeed/internal/fakeprimary"
	"keyfeed/internal/pump"
	"keyfeed/internal/resp"
	"keyfeed/internal/testenv"
	"keyfeed/snapshot"
)

// The world of these tests: one generation whose snapshot holds r1, r2 and r3 at offset 1000, and a stream of units of 29
// bytes behind it, each the SET of one key: k01, k02, … in history A.
const (
	idA  = "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa"
	idB  = "bbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbb"
	idC  = "cccccccccccccccccccccccccccccccccccccccc"
	gen1 = 100
	gen2 = 200
	base = 1000
	unit = 29
)

// at is the stream offset after n units.
func at(n int) int64 { return base + int64(n)*unit }

// pos is the position after n units of generation gen, in history A.
func pos(gen uint64, n int) change.Position {
	return change.Position{Gen: gen, Offset: at(n), ReplID: idA}
}

// sets is the stream of the units from to to, both included, with keys of that letter.
func sets(letter string, from, to int) string {
	var b []byte
	for i := from; i <= to; i++ {
		b = resp.AppendCommand(b, "SET", fmt.Sprintf("%s%02d", letter, i), "v")
	}
	return string(b)
}

// rdb is a snapshot with string keys and without a checksum.
func rdb(keys ...string) string {
	b := "REDIS0010"
	for _, k := range keys {
		b += "\x00" + string(rune(len(k))) + k + "\x01v"
	}
	return b + "\xff" + strings.Repeat("\x00", 8)
}

// genOnDisk describes a generation to be put on a disk.
type genOnDisk struct {
	gen        uint64
	begun      bool
	published  bool   // gen.json says so; then there is no spool
	spool      bool   // complete
	from, upTo int    // units in the log; 0, 0 = an empty log
	tail       string // a unit behind them
	noLog      bool
	settings   string // of gen.json; empty = those of the rig
}

// disk makes data directories as an earlier process left them.
type disk struct {
	t   *testing.T
	dir string
	ids map[uint64]string // of the spools
}

func (d *disk) source() string { return filepath.Join(d.dir, "sources", "s") }
func (d *disk) genDir(gen uint64) string {
	return filepath.Join(d.source(), fmt.Sprintf("gen-%010d", gen))
}

func (d *disk) must(err error) {
	d.t.Helper()
	if err != nil {
		d.t.Fatal(err)
	}
}

func (d *disk) put(g genOnDisk) {
	d.t.Helper()
	dir := d.genDir(g.gen)
	d.must(os.MkdirAll(dir, 0o750))
	if g.settings == "" {
		g.settings = `{"max_bytes":65536,"decoder":1}`
	}
	d.must(os.WriteFile(filepath.Join(dir, "gen.json"), []byte(fmt.Sprintf(
		`{"version":1,"gen":%d,"reason":"initial","begun":%v,"published":%v,"settings":%s}`, g.gen, g.begun, g.published, g.settings)), 0o600))
	if g.spool {
		w, err := snapshot.Create(dir, snapshot.Config{}, snapshot.Origin{Gen: g.gen, ReplID: idA, Offset: base, ArrivedMs: 1})
		d.must(err)
		_, err = w.Write([]byte(rdb("r1", "r2", "r3")))
		d.must(err)
		sp, err := w.Commit(d.t.Context())
		d.must(err)
		d.ids[g.gen] = sp.Meta().ID
	}
	if g.noLog {
		return
	}
	l, err := backlog.Create(dir, backlog.Config{}, backlog.Origin{Gen: g.gen, ReplID: idA, Offset: at(max(g.from-1, 0))})
	d.must(err)
	if g.upTo > 0 { // one frame, so that most unit ends are inside it
		d.must(l.Append(change.Chunk{Start: at(g.from - 1), Data: []byte(sets("k", g.from, g.upTo)), UnitEnd: true, Arrived: 1}))
	}
	if g.tail != "" {
		d.must(l.Append(change.Chunk{Start: at(g.upTo), Data: []byte(g.tail), UnitEnd: true, Arrived: 1}))
	}
	d.must(l.Close())
}

// inSnapshot is the position after n events of the spool on disk.
func (d *disk) inSnapshot(gen uint64, n int64) change.Position {
	return change.Position{Gen: gen, Offset: base, ReplID: idA, Count: n, Spool: d.ids[gen]}
}

// fakeSource is a scripted primary: what it has may change while it runs.
type fakeSource struct {
	*fakeprimary.Primary
	mu     sync.Mutex
	has    []fakeprimary.History // one per connection, the last for all that follow
	noInfo bool
	role   string
	asked  []string
	runIDs []string      // one per connection; none = always the same
	logged lines         // by the bridge that follows it
	cut    map[int]int64 // connection → bytes after PSYNC at which it is cut
}

// info is what INFO tells of a history.
func (s *fakeSource) info(n int, h *fakeprimary.History) string {
	runID := idC
	if len(s.runIDs) > 0 {
		runID = s.runIDs[min(n, len(s.runIDs)-1)]
	}
	id2, second := strings.Repeat("0", 40), int64(-1)
	if h.ReplID2 != "" {
		id2, second = h.ReplID2, h.Second
	}
	role := s.role
	if role == "" {
		role = "master"
	}
	return fmt.Sprintf("redis_version:7.0.15\r\nrun_id:%s\r\nrole:%s\r\nmaster_link_status:up\r\nmaster_replid:%s\r\nmaster_replid2:%s\r\n"+
		"master_repl_offset:%d\r\nsecond_repl_offset:%d\r\nrepl_backlog_active:1\r\nrepl_backlog_first_byte_offset:%d\r\n",
		runID, role, h.ReplID, id2, h.Offset+int64(len(h.Stream)), second, max(h.First, h.Offset+1))
}

func (s *fakeSource) serve(n int, c *fakeprimary.Conn) {
	s.mu.Lock()
	h := s.has[min(n, len(s.has)-1)]
	cut, isCut := s.cut[n]
	h.Replies = map[string]string{"INFO": fakeprimary.Bulk(s.info(n, &h))}
	if s.noInfo {
		h.Replies["INFO"] = "-NOPERM this user has no permissions to run the 'info' command\r\n"
	}
	s.mu.Unlock()
	h.Asked = func(replid, from string) {
		s.ask(replid, from)
		if isCut {
			c.CutAfter(cut)
		}
	}
	_ = h.Serve(c) // the client leaves
}

// ask notes what PSYNC asked: "full", or the id's letter and the number of the unit before the byte asked for.
func (s *fakeSource) ask(replid, from string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if replid == "?" {
		s.asked = append(s.asked, "full")
		return
	}
	n, err := strconv.ParseInt(from, 10, 64)
	if n -= base + 1; err != nil || n%unit != 0 {
		s.asked = append(s.asked, replid[:1]+" inside a unit: "+from)
		return
	}
	s.asked = append(s.asked, fmt.Sprintf("%s%d", replid[:1], n/unit))
}

func (s *fakeSource) questions() []string {
	s.mu.Lock()
	defer s.mu.Unlock()
	return slices.Clone(s.asked)
}

// The sources of the rows.

// whole has history A from the snapshot on: it can continue everything.
func whole() fakeprimary.History {
	return fakeprimary.History{ReplID: idA, Offset: base, Payload: rdb("s1"), Stream: sets("k", 1, 12)}
}

// wholeAfter has history A, but the first n units have left its backlog.
func wholeAfter(n int) fakeprimary.History {
	return fakeprimary.History{ReplID: idA, Offset: at(n), Payload: rdb("s1"), Stream: sets("k", n+1, 12)}
}

// overrun has history A, but the first 20 units have left its backlog.
func overrun() fakeprimary.History {
	return fakeprimary.History{ReplID: idA, Offset: at(20), Payload: rdb("s1"), Stream: sets("z", 1, 1)}
}

// stranger has another history.
func stranger() fakeprimary.History {
	return fakeprimary.History{ReplID: idB, Offset: at(40), Payload: rdb("s1"), Stream: sets("z", 1, 1)}
}

// promoted was failed over after n units of history A.
func promoted(n int) fakeprimary.History {
	return fakeprimary.History{
		ReplID: idC, ReplID2: idA, Second: at(n) + 1, Offset: base, Payload: rdb("s1"),
		Stream: sets("k", 1, n) + sets("x", n+1, 12),
	}
}

// row is one row of the tables in docs/delivery.md.
type row struct {
	id     string // in the table
	disk   []genOnDisk
	break_ func(d *disk) // after disk was made
	sink   func(d *disk) change.Position
	skip   int                   // events that the sink has behind its position
	source []fakeprimary.History // per connection; the last for all further ones
	role   string
	noInfo bool
	cut    map[int]int64
	set    func(c *bridge.Config)

	// Who comes first: the source, as long as late is nil; else the source is let in when the sink holds these events.
	late  *string
	turns bool   // of late: the plan ends the first link before it has begun
	want  string // events that come into the sink
	asked string // of the source, in order; "*" = depends on who is faster
	err   string // part of the error for an operator, instead of going on
	kept  bool   // of err: the disk must be as it was
}

func none(*disk) change.Position { return change.Position{} }

func after(gen uint64, n int) func(*disk) change.Position {
	return func(*disk) change.Position { return pos(gen, n) }
}

func inside(gen uint64, n int64) func(*disk) change.Position {
	return func(d *disk) change.Position { return d.inSnapshot(gen, n) }
}

func resyncSink(c *bridge.Config) { c.OnSinkLoss = bridge.PolicyResync }
func patient(c *bridge.Config)    { c.SinkPatience = time.Hour }
func inMemory(c *bridge.Config) {
	c.Memory, c.AckPublished, c.SinkPatience, c.Spool.MaxBytes = true, true, time.Hour, 1<<20
}
func failHistory(c *bridge.Config) { c.OnHistoryLoss = bridge.PolicyFail }

// newFakeRig makes the disk and the source of a row, and a rig that has not started.
func newFakeRig(t *testing.T, tt *row) (*rig, *fakeSource) {
	t.Helper()
	d := &disk{t: t, dir: t.TempDir(), ids: map[uint64]string{}}
	for _, g := range tt.disk {
		d.put(g)
	}
	if tt.break_ != nil {
		tt.break_(d)
	}
	src := &fakeSource{has: tt.source, role: tt.role, noInfo: tt.noInfo, cut: tt.cut}
	src.Primary = fakeprimary.New(src.serve)
	t.Cleanup(src.Close)
	log := slog.New(slog.NewTextHandler(io.MultiWriter(t.Output(), &src.logged), nil))
	r := &rig{t: t, sink: newMemorySink(t), cfg: bridge.Config{
		Name: "s", DataDir: d.dir, Logger: log, MaxBytes: 64 << 10,
		Source: ingest.Config{
			Dial: src.Dial, Logger: log, BackoffMin: time.Millisecond, BackoffMax: 5 * time.Millisecond,
			FullSyncBackoffMin: time.Millisecond, FullSyncBackoffMax: 5 * time.Millisecond,
		},
		Backlog:      backlog.Config{MaxBytes: 64 << 20, Sync: time.Millisecond},
		Pump:         pump.Config{HeartbeatInterval: 50 * time.Millisecond, BackoffMin: time.Millisecond, BackoffMax: 5 * time.Millisecond, FlushTimeout: patience},
		SnapshotMode: bridge.SnapshotWhenNeeded, OnHistoryLoss: bridge.PolicyResync, OnSinkLoss: bridge.PolicyFail,
		OnBacklogFull: bridge.PolicyBlock, SinkPatience: -1,
	}}
	if tt.set != nil {
		tt.set(&r.cfg)
	}
	r.sink.pos, r.sink.skip = tt.sink(d), tt.skip
	return r, src
}

func runRow(t *testing.T, tt *row) {
	t.Helper()
	r, src := newFakeRig(t, tt)
	if tt.late == nil {
		r.sink.take(0)
	} else {
		r.cfg.Source.Dial = func(ctx context.Context) (net.Conn, error) {
			for r.sink.story() != *tt.late || !r.b.Status().SinkOpen || tt.turns && !src.logged.has("asking the source from there") {
				select {
				case <-ctx.Done():
					return nil, ctx.Err()
				case <-time.After(time.Millisecond):
				}
			}
			// The planner logs and ends the link in one go, under the lock that Status takes: afterwards ctx tells.
			if r.b.Status(); ctx.Err() != nil {
				return nil, ctx.Err()
			}
			return src.Dial(ctx)
		}
	}
	before := listing(t, filepath.Join(r.cfg.DataDir, "sources", "s"))
	r.waits = func() bool { // where the source does not change its mind, nothing but the sink can end that
		return r.cfg.SinkPatience > 0 && len(tt.source) == 1 && src.logged.has("waiting for the sink's position first")
	}
	r.noLog = !strings.Contains(before, "gen.json\"") || !strings.Contains(before, ".seg") && !strings.Contains(before, "spool.json") // then the sink is asked first
	r.start()
	if tt.late == nil {
		r.settled()
		r.sink.take(-1)
	}
	if tt.err != "" {
		err := r.end(false)
		if err == nil || !strings.Contains(err.Error(), bridge.ErrOperator.Error()) || !strings.Contains(err.Error(), tt.err) {
			t.Errorf("Run returned %v, want an error for an operator that names %q", err, tt.err)
		}
		if now := listing(t, filepath.Join(r.cfg.DataDir, "sources", "s")); tt.kept && now != before {
			t.Errorf("the disk holds %s, want what it held before: %s", now, before)
		}
	} else {
		r.sink.until(t, tt.want)
		r.stopClean()
	}
	if got := r.sink.story(); got != tt.want {
		t.Errorf("published\n%s\nwant\n%s", got, tt.want)
	}
	if got := strings.Join(src.questions(), " "); got != tt.asked && tt.asked != "*" {
		t.Errorf("asked the source for %q, want %q", got, tt.asked)
	}
	if v := src.Violations(); v != nil {
		t.Errorf("a replica may not do that: %v", v)
	}
}

// lines keeps what was logged.
type lines struct {
	mu  sync.Mutex
	buf strings.Builder // guarded by mu
}

func (l *lines) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.buf.Write(p)
}

func (l *lines) has(s string) bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	return strings.Contains(l.buf.String(), s)
}

// settled waits until the source has given a stream, or the link needs to know the sink's position first, or Run has ended.
func (r *rig) settled() {
	r.t.Helper()
	testenv.Eventually(r.t, patience, "the source's answer", func() bool {
		select {
		case err := <-r.done:
			r.done <- err
			return true
		default:
		}
		l := r.b.Status().Link
		return l.PartialSyncs+l.FullSyncs > 0 || r.noLog || r.waits != nil && r.waits()
	})
}

// until waits for the last event of a story.
func (s *memorySink) until(t *testing.T, want string) {
	t.Helper()
	testenv.Eventually(t, patience, "the last event of "+want, func() bool {
		got := s.story()
		return len(got) >= len(want) && strings.HasSuffix(got, want[strings.LastIndexByte(want, ' ')+1:])
	})
}

// story tells in one line what came into the sink.
func (s *memorySink) story() string {
	var words []string
	for _, e := range s.stored() {
		switch {
		case e.Kind == "snapshot_begin":
			word := "begin:" + e.Reason
			if p, err := change.ParsePosition(e.Prev); err == nil && e.Prev != "" {
				word += fmt.Sprintf(":after-%d", (p.Offset-base)/unit)
			}
			words = append(words, word)
		case e.Kind == "snapshot_end":
			words = append(words, "end")
		case e.Kind != "":
			words = append(words, e.Kind)
		default:
			words = append(words, e.Key)
		}
	}
	return strings.Join(words, " ")
}

// listing names all files of the generations below dir.
func listing(t *testing.T, dir string) string {
	t.Helper()
	var all []string
	err := filepath.Walk(dir, func(path string, info os.FileInfo, err error) error {
		rel, _ := filepath.Rel(dir, path)
		if err == nil && info.Mode().IsRegular() && strings.HasPrefix(rel, "gen-") {
			all = append(all, rel)
		}
		return err
	})
	if err != nil && !os.IsNotExist(err) {
		t.Fatal(err)
	}
	b, _ := json.Marshal(all)
	return string(b)
}

func offsetText(n int64) string { return strconv.FormatInt(n, 10) }
