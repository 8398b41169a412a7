package bridge_test

import (
	"os"
	"path/filepath"
	"slices"
	"testing"
	"time"

	"keyfeed/internal/bridge"
	"keyfeed/internal/change"
	"keyfeed/internal/fakeprimary"
	"keyfeed/internal/resp"
)

// mset is a unit of three events: m1, m2 and m3.
func mset() string { return string(resp.AppendCommand(nil, "MSET", "m1", "v", "m2", "v", "m3", "v")) }

// withMSET is a history whose sixth unit is an MSET.
func withMSET(h fakeprimary.History) fakeprimary.History {
	h.Stream = h.Stream[:5*unit] + mset() + sets("k", 7, 8)
	return h
}

// insideUnit is the position after one event of the unit behind the first n.
func insideUnit(gen uint64, n int) func(*disk) change.Position {
	return func(*disk) change.Position {
		p := pos(gen, n)
		p.Count = 1
		return p
	}
}

const (
	elsewhere = "2:65536::"                 // settings of a keyfeed that decodes otherwise
	filtered  = "1:65536::0123456789abcdef" // settings with a filter that the rows do not have
)

// under is that position with settings.
func under(sink func(*disk) change.Position, settings string) func(*disk) change.Position {
	return func(d *disk) change.Position {
		p := sink(d)
		p.Settings = settings
		return p
	}
}

func foreign(gen uint64, n int) func(*disk) change.Position {
	return func(*disk) change.Position {
		p := pos(gen, n)
		p.ReplID = idB
		return p
	}
}

// Disks of the rows.
var (
	logOnly  = genOnDisk{gen: gen1, begun: true, published: true, from: 1, upTo: 5}
	withTail = genOnDisk{gen: gen1, begun: true, published: true, from: 1, upTo: 5, tail: mset()}
	trimmed  = genOnDisk{gen: gen1, begun: true, published: true, from: 4, upTo: 8}
	pending  = genOnDisk{gen: gen1, spool: true, from: 1, upTo: 5}
	begun    = genOnDisk{gen: gen1, spool: true, begun: true, from: 1, upTo: 5}
	newer    = genOnDisk{gen: gen2, spool: true, from: 1, upTo: 5}
	received = genOnDisk{gen: gen1, spool: true, noLog: true}
)

func sources(h ...fakeprimary.History) []fakeprimary.History { return h }
func disks(g ...genOnDisk) []genOnDisk                       { return g }

const fromStart = "r1 r2 r3 end k01 k02 k03 k04 k05 k06 k07 k08 k09 k10 k11 k12"

// startRows are the start table: the sink's position, what is on disk, and what the source answers.
var startRows = []row{
	// No position in the sink.
	{
		id: "N1", sink: none, source: sources(whole()), asked: "full",
		want: "begin:initial s1 end k01 k02 k03 k04 k05 k06 k07 k08 k09 k10 k11 k12",
	},
	{id: "N2", disk: disks(pending), sink: none, source: sources(whole()), asked: "a5", want: "begin:initial " + fromStart},
	{id: "N3", disk: disks(begun), sink: none, source: sources(whole()), asked: "a5", want: "begin:initial " + fromStart},
	{id: "N4", disk: disks(received), sink: none, source: sources(whole()), asked: "a0", want: "begin:initial " + fromStart},
	{id: "N5", disk: disks(logOnly), sink: none, source: sources(whole()), asked: "a5", err: "KEYFEED_ON_SINK_LOSS", kept: true},
	{
		id: "N6", disk: disks(logOnly), sink: none, source: sources(whole()), set: resyncSink, asked: "a5 full",
		want: "begin:requested s1 end k01 k02 k03 k04 k05 k06 k07 k08 k09 k10 k11 k12",
	},
	{id: "N7", disk: disks(pending), sink: none, source: sources(stranger()), asked: "a5", want: "begin:history_lost s1 end z01"},

	// In the stream, the log goes on from there.
	{
		id: "S1", disk: disks(logOnly), sink: after(gen1, 3), source: sources(whole()), asked: "a5",
		want: "k04 k05 k06 k07 k08 k09 k10 k11 k12",
	},
	{id: "S2", disk: disks(logOnly), sink: after(gen1, 5), source: sources(whole()), asked: "a5", want: "k06 k07 k08 k09 k10 k11 k12"},
	{
		id: "S3", disk: disks(genOnDisk{gen: gen1, begun: true, published: true, from: 1, upTo: 5, tail: mset()}), sink: insideUnit(gen1, 5),
		source: sources(withMSET(whole())), asked: "a inside a unit: " + offsetText(at(5)+int64(len(mset()))+1), want: "m2 m3 k07 k08",
	},
	{
		id: "S4", disk: disks(logOnly), sink: after(gen1, 3), source: sources(promoted(6)), asked: "a5",
		want: "k04 k05 history k06 x07 x08 x09 x10 x11 x12",
	},
	{
		id: "S5", disk: disks(logOnly), sink: after(gen1, 3), source: sources(promoted(4)), asked: "a4",
		want: "k04 history x05 x06 x07 x08 x09 x10 x11 x12",
	},
	{
		id: "S5, the sink first", disk: disks(logOnly), sink: after(gen1, 3), source: sources(promoted(4)), late: new("k04 k05"), asked: "*",
		want: "k04 k05 begin:history_rewritten:after-5 s1 end k01 k02 k03 k04 x05 x06 x07 x08 x09 x10 x11 x12",
	},
	{
		id: "S6", disk: disks(logOnly), sink: after(gen1, 3), source: sources(overrun()), asked: "a5",
		want: "k04 k05 begin:history_lost:after-5 s1 end z01",
	},
	{
		id: "S7", disk: disks(logOnly), sink: after(gen1, 3), source: sources(stranger()), set: failHistory, asked: "a5",
		err: "KEYFEED_ON_HISTORY_LOSS", kept: true, want: "",
	},

	// In the stream, beyond the log: the data directory is older than the sink.
	{id: "B1", disk: disks(logOnly), sink: after(gen1, 7), source: sources(whole()), asked: "a7", want: "k08 k09 k10 k11 k12", late: new(""), turns: true},
	{id: "B1, the source first", disk: disks(logOnly), sink: after(gen1, 7), source: sources(whole()), asked: "*", want: "k08 k09 k10 k11 k12"},
	{id: "B2", disk: disks(logOnly), sink: after(gen2, 7), source: sources(whole()), asked: "a5 a7", want: "k08 k09 k10 k11 k12"},
	{
		id: "B4", disk: disks(logOnly), sink: after(gen1, 7), source: sources(wholeAfter(6)), set: patient, asked: "a7",
		want: "k08 k09 k10 k11 k12",
	},
	{
		id: "B4, the sink first", disk: disks(logOnly), sink: after(gen1, 7), source: sources(wholeAfter(6)), asked: "a7",
		want: "k08 k09 k10 k11 k12", late: new(""), turns: true,
	},
	{
		id: "B4, no INFO", disk: disks(logOnly), sink: after(gen1, 7), source: sources(wholeAfter(6)), noInfo: true, set: patient, asked: "a5",
		want: "begin:history_lost:after-7 s1 end k07 k08 k09 k10 k11 k12",
	},
	{
		id: "B4, the sink is away", disk: disks(logOnly), sink: after(gen1, 3), source: sources(wholeAfter(6)), asked: "a5",
		set:  func(c *bridge.Config) { c.SinkPatience = time.Millisecond },
		want: "k04 k05 begin:history_lost:after-5 s1 end k07 k08 k09 k10 k11 k12",
	},
	{
		id: "B4, the source goes on", disk: disks(logOnly), sink: after(gen1, 3), source: sources(wholeAfter(6), whole()), set: patient, asked: "a5",
		want: "k04 k05 k06 k07 k08 k09 k10 k11 k12",
	},
	{
		id: "B5", disk: disks(pending), sink: after(gen2, 7), source: sources(wholeAfter(6)), set: patient, asked: "a7",
		want: "k08 k09 k10 k11 k12",
	},
	{id: "B6", disk: disks(pending), sink: after(gen2, 7), source: sources(whole()), asked: "a5 a7", want: "k08 k09 k10 k11 k12"},
	{id: "B7", disk: disks(received), sink: after(gen2, 7), source: sources(whole()), asked: "*", want: "k08 k09 k10 k11 k12"},
	{id: "B8", disk: disks(logOnly, newer), sink: after(gen2+5, 7), source: sources(whole()), asked: "a5 a7", want: "k08 k09 k10 k11 k12"},
	{
		id: "B9", disk: disks(pending), sink: func(*disk) change.Position {
			return change.Position{Gen: gen2, Offset: base, ReplID: idA, Count: 2, Spool: "another"}
		}, source: sources(whole()), asked: "a5 full",
		want: "begin:snapshot_lost:after-0 s1 end k01 k02 k03 k04 k05 k06 k07 k08 k09 k10 k11 k12",
	},
	{
		id: "B3", disk: disks(logOnly), sink: after(gen1, 7), source: sources(overrun()), asked: "a7",
		want: "begin:history_lost:after-7 s1 end z01", late: new(""), turns: true,
	},

	// In the stream, behind the log or beside it.
	{
		id: "H1", disk: disks(trimmed), sink: after(gen1, 1), source: sources(whole()), asked: "a8 a1",
		want: "k02 k03 k04 k05 k06 k07 k08 k09 k10 k11 k12",
	},
	{
		id: "H2", disk: disks(trimmed), sink: after(gen1, 1), source: sources(overrun()), late: new(""), turns: true, asked: "a1",
		err: "KEYFEED_ON_SINK_LOSS", kept: true,
	},
	{
		id: "H3", disk: disks(trimmed), sink: after(gen1, 1), source: sources(overrun()), set: resyncSink, asked: "a1", late: new(""), turns: true,
		want: "begin:history_lost:after-1 s1 end z01",
	},
	{
		id: "H2, the source first", disk: disks(trimmed), sink: after(gen1, 1), source: sources(overrun()), asked: "a8",
		want: "begin:history_lost:after-1 s1 end z01",
	},
	{id: "H4", disk: disks(logOnly), sink: foreign(gen1, 3), source: sources(whole()), asked: "a5 b3", err: "another source", kept: true},
	{
		id: "H5", disk: disks(newer), sink: after(gen1, 3), source: sources(whole()), asked: "a5",
		want: "begin:initial:after-3 " + fromStart,
	},

	// In the stream, no log.
	{id: "D1", sink: after(gen1, 3), source: sources(whole()), asked: "a3", want: "k04 k05 k06 k07 k08 k09 k10 k11 k12"},
	{id: "D2", sink: after(gen1, 3), source: sources(promoted(6)), asked: "a3", want: "history k04 k05 k06 x07 x08 x09 x10 x11 x12"},
	{
		id: "D3", sink: after(gen1, 3), source: sources(promoted(2)), asked: "full",
		want: "begin:history_rewritten:after-3 s1 end k01 k02 x03 x04 x05 x06 x07 x08 x09 x10 x11 x12",
	},
	{id: "D4", sink: after(gen1, 3), source: sources(stranger()), asked: "a3", want: "begin:history_lost:after-3 s1 end z01"},
	{id: "D5", sink: after(gen1, 3), source: sources(stranger()), set: failHistory, asked: "a3", err: "KEYFEED_ON_HISTORY_LOSS"},
	{id: "D6", sink: insideUnit(gen1, 5), source: sources(withMSET(whole())), asked: "a5", want: "m2 m3 k07 k08"},
	{
		id: "D7", sink: insideUnit(gen1, 5), source: sources(promoted(5)), asked: "full",
		want: "begin:history_rewritten:after-5 s1 end k01 k02 k03 k04 k05 x06 x07 x08 x09 x10 x11 x12",
	},
	{
		id: "D8", sink: insideUnit(gen1, 5), source: sources(promoted(5)), noInfo: true, asked: "a5 full",
		want: "begin:history_rewritten:after-5 s1 end k01 k02 k03 k04 k05 x06 x07 x08 x09 x10 x11 x12",
	},

	{
		id: "D9", sink: after(gen1, 3), source: sources(whole()), set: inMemory, asked: "a3",
		want: "k04 k05 k06 k07 k08 k09 k10 k11 k12",
	},
	{id: "D10", sink: after(gen1, 3), source: sources(stranger()), set: inMemory, asked: "a3", want: "begin:history_lost:after-3 s1 end z01"},

	// Inside a snapshot.
	{
		id: "I1", disk: disks(begun), sink: inside(gen1, 2), source: sources(whole()), asked: "a5",
		want: "r2 r3 end k01 k02 k03 k04 k05 k06 k07 k08 k09 k10 k11 k12",
	},
	{id: "I2", disk: disks(begun), sink: func(d *disk) change.Position {
		p := d.inSnapshot(gen1, 2)
		p.Spool = "another"
		return p
	}, source: sources(whole()), asked: "a5 full", want: "begin:snapshot_lost:after-0 s1 end k01 k02 k03 k04 k05 k06 k07 k08 k09 k10 k11 k12"},
	{id: "I3", sink: func(*disk) change.Position {
		return change.Position{Gen: gen1, Offset: base, ReplID: idA, Count: 2, Spool: "lost"}
	}, source: sources(whole()), asked: "full", want: "begin:snapshot_lost:after-0 s1 end k01 k02 k03 k04 k05 k06 k07 k08 k09 k10 k11 k12"},
	{
		id: "I4", disk: disks(begun, newer), sink: inside(gen1, 2), source: sources(whole()), asked: "a5",
		want: "begin:initial:after-0 " + fromStart,
	},
	{
		id: "I5", disk: disks(begun), sink: inside(gen1, 5), source: sources(whole()), asked: "a5",
		want: "k01 k02 k03 k04 k05 k06 k07 k08 k09 k10 k11 k12",
	},

	// An older log and a newer snapshot.
	{
		id: "O1", disk: disks(logOnly, newer), sink: after(gen1, 3), source: sources(whole()), asked: "a5",
		want: "k04 k05 begin:initial:after-5 " + fromStart,
	},
	{
		id: "O2", disk: disks(logOnly, newer), sink: after(gen1, 5), source: sources(whole()), asked: "a5",
		want: "begin:initial:after-5 " + fromStart,
	},
	{
		id: "O3", disk: disks(trimmed, newer), sink: after(gen1, 1), source: sources(whole()), asked: "a5",
		want: "begin:initial:after-1 " + fromStart,
	},

	// The position counts events: those of a unit, or those that the sink passes over.
	{
		id: "C1", sink: under(insideUnit(gen1, 5), elsewhere), source: sources(withMSET(whole())), asked: "*",
		want: "begin:history_lost:after-5 s1 end k01 k02 k03 k04 k05 m1 m2 m3 k07 k08",
	},
	{
		id: "C2", disk: disks(withTail), sink: under(insideUnit(gen1, 5), elsewhere), source: sources(withMSET(whole())), asked: "*",
		want: "begin:history_lost:after-5 s1 end k01 k02 k03 k04 k05 m1 m2 m3 k07 k08",
	},
	{
		id: "C3", disk: disks(withTail), sink: under(insideUnit(gen1, 5), elsewhere), source: sources(withMSET(whole())), asked: "*",
		set: failHistory, err: "other settings", kept: true,
	},
	{
		id: "C4", disk: disks(withTail), sink: under(insideUnit(gen1, 5), filtered), source: sources(withMSET(whole())), asked: "*",
		want: "m2 m3 k07 k08",
	},
	{
		id: "C5", disk: disks(logOnly), sink: under(after(gen1, 3), "1:4096:b:"), skip: 2, source: sources(whole()), asked: "a5",
		want: "k06 k07 k08 k09 k10 k11 k12",
	},
	{
		id: "C6", disk: disks(logOnly), sink: under(after(gen1, 3), filtered), skip: 2, source: sources(whole()), asked: "*",
		want: "begin:history_lost:after-3 s1 end k01 k02 k03 k04 k05 k06 k07 k08 k09 k10 k11 k12",
	},
	{
		id: "C7", disk: disks(logOnly, newer), sink: under(after(gen1, 3), filtered), skip: 2, source: sources(whole()), asked: "*",
		want: "begin:initial:after-3 " + fromStart,
	},
	{
		id: "C8", disk: disks(begun), sink: under(inside(gen1, 2), filtered), skip: 2, source: sources(whole()), asked: "*",
		want: "begin:snapshot_lost:after-0 s1 end k01 k02 k03 k04 k05 k06 k07 k08 k09 k10 k11 k12",
	},
	{
		id: "C9", disk: disks(begun), sink: under(inside(gen1, 2), "1:65536::"), skip: 5, source: sources(whole()), asked: "a5",
		want: "k03 k04 k05 k06 k07 k08 k09 k10 k11 k12",
	},

	// The answer changes.
	{
		id: "A1", disk: disks(logOnly), sink: after(gen1, 3), source: sources(stranger(), whole()), cut: map[int]int64{0: 75}, asked: "a5 a5",
		want: "k04 k05 k06 k07 k08 k09 k10 k11 k12",
	},
	{
		id: "A2", disk: disks(logOnly), sink: after(gen1, 3), source: sources(promoted(2)), asked: "a2 full",
		want: "begin:history_rewritten:after-3 s1 end k01 k02 x03 x04 x05 x06 x07 x08 x09 x10 x11 x12",
	},
	{
		id: "A3", disk: disks(logOnly), sink: after(gen1, 3), source: sources(promoted(2)), set: failHistory, asked: "a2",
		err: "KEYFEED_ON_HISTORY_LOSS",
	},
}

func TestStart(t *testing.T) {
	for i := range startRows {
		t.Run(startRows[i].id, func(t *testing.T) { runRow(t, &startRows[i]) })
	}
}

// brokenRows are what crashes and people leave on a disk.
var brokenRows = []row{
	{
		id: "no gen.json", disk: disks(received), break_: removing("gen.json"), sink: none, source: sources(whole()), asked: "full",
		want: "begin:initial s1 end k01 k02 k03 k04 k05 k06 k07 k08 k09 k10 k11 k12",
	},
	{
		id: "no gen.json beside a log", disk: disks(logOnly), break_: removing("gen.json"), sink: after(gen1, 3), source: sources(whole()),
		err: "gen.json is gone", kept: true,
	},
	{id: "only gen.json.tmp", disk: disks(received), break_: func(d *disk) {
		d.must(os.Rename(filepath.Join(d.genDir(gen1), "gen.json"), filepath.Join(d.genDir(gen1), "gen.json.tmp")))
	}, sink: after(gen1, 3), source: sources(whole()), asked: "a3", want: "k04 k05 k06 k07 k08 k09 k10 k11 k12"},
	{
		id: "half a gen.json.tmp", disk: disks(logOnly), break_: writing("gen.json.tmp", `{"versi`), sink: after(gen1, 3), source: sources(whole()),
		asked: "a5", want: "k04 k05 k06 k07 k08 k09 k10 k11 k12",
	},
	{
		id: "empty gen.json", disk: disks(logOnly), break_: writing("gen.json", ""), sink: after(gen1, 3), source: sources(whole()),
		err: "gen.json is damaged", kept: true,
	},
	{
		id: "gen.json of another version", disk: disks(logOnly), break_: writing("gen.json", `{"version":9}`), sink: after(gen1, 3),
		source: sources(whole()), err: "format 9", kept: true,
	},
	{
		id: "unfinished spool", disk: disks(received), break_: removing("spool.json"), sink: after(gen1, 3), source: sources(whole()), asked: "a3",
		want: "k04 k05 k06 k07 k08 k09 k10 k11 k12",
	},
	{
		id: "empty directory", disk: disks(logOnly), break_: func(d *disk) { d.must(os.Mkdir(d.genDir(gen2), 0o750)) }, sink: after(gen1, 3),
		source: sources(whole()), asked: "a5", want: "k04 k05 k06 k07 k08 k09 k10 k11 k12",
	},
	{
		id: "published, not noted", disk: disks(begun), break_: func(d *disk) { removing("spool.json")(d); removing("spool.rdb")(d) }, sink: after(gen1, 3),
		source: sources(whole()), asked: "a5", want: "k04 k05 k06 k07 k08 k09 k10 k11 k12",
	},
	{
		id: "damaged spool.json", disk: disks(begun), break_: writing("spool.json", `{`), sink: inside(gen1, 2), source: sources(whole()),
		err: "metadata cannot be used", kept: true,
	},
	{
		id: "torn tail", disk: disks(logOnly), break_: growing(37), sink: after(gen1, 3), source: sources(whole()), asked: "a5",
		want: "k04 k05 k06 k07 k08 k09 k10 k11 k12",
	},
	{
		id: "lost tail", disk: disks(genOnDisk{gen: gen1, begun: true, published: true, from: 1, upTo: 5, tail: mset()}), break_: growing(-3),
		sink: after(gen1, 3), source: sources(whole()), asked: "a5", want: "k04 k05 k06 k07 k08 k09 k10 k11 k12",
	},
	{
		id: "lost tail, the sink has it", disk: disks(logOnly), break_: growing(-3), sink: after(gen1, 5), source: sources(whole()), asked: "*",
		want: "k06 k07 k08 k09 k10 k11 k12",
	},
	{
		id: "damaged middle", disk: disks(genOnDisk{gen: gen1, begun: true, published: true, from: 1, upTo: 5, tail: mset()}), break_: flipping(200),
		sink: after(gen1, 3), source: sources(whole()), err: "keyfeed backlog cut", kept: true,
	},
	{
		id: "no segments", disk: disks(logOnly), break_: func(d *disk) { d.must(os.Remove(d.segment())) }, sink: after(gen1, 3),
		source: sources(whole()), asked: "a3", want: "k04 k05 k06 k07 k08 k09 k10 k11 k12",
	},
}

func TestBrokenDisk(t *testing.T) {
	for i := range brokenRows {
		t.Run(brokenRows[i].id, func(t *testing.T) { runRow(t, &brokenRows[i]) })
	}
}

func removing(name string) func(*disk) {
	return func(d *disk) { d.must(os.Remove(filepath.Join(d.genDir(gen1), name))) }
}

func writing(name, content string) func(*disk) {
	return func(d *disk) { d.must(os.WriteFile(filepath.Join(d.genDir(gen1), name), []byte(content), 0o600)) }
}

// segment is the only one of gen1.
func (d *disk) segment() string {
	names, err := filepath.Glob(filepath.Join(d.genDir(gen1), "*.seg"))
	if err != nil || len(names) != 1 {
		d.t.Fatalf("segments: %v, %v", names, err)
	}
	return names[0]
}

// growing adds n bytes of nonsense to the segment, or takes -n off its end.
func growing(n int) func(*disk) {
	return func(d *disk) {
		raw, err := os.ReadFile(d.segment())
		d.must(err)
		if n < 0 {
			raw = raw[:len(raw)+n]
		} else {
			raw = append(raw, slices.Repeat([]byte{0xf5}, n)...)
		}
		d.must(os.WriteFile(d.segment(), raw, 0o600))
	}
}

// flipping changes one byte of the segment.
func flipping(at int) func(*disk) {
	return func(d *disk) {
		raw, err := os.ReadFile(d.segment())
		d.must(err)
		raw[at] ^= 1
		d.must(os.WriteFile(d.segment(), raw, 0o600))
	}
}
