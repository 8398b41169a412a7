package bridge_test

import (
	"errors"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"keyfeed/backlog"
	"keyfeed/internal/change"
	"keyfeed/internal/testenv"
)

// fullDisk is a file system that has no room for what is named, until there is.
type fullDisk struct {
	mu     sync.Mutex
	refuse map[string]int // what → how often it is refused still; negative = until room
	met    map[string]int // how often it was
}

// What a fullDisk may refuse.
const (
	frames  = "frames of the log"
	segment = "a segment"
	spool   = "the spool"
	genJSON = "gen.json"
	fsync   = "fsync of a segment"
)

func (d *fullDisk) ask(what string) error {
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.refuse[what] == 0 {
		return nil
	}
	d.refuse[what]--
	d.met[what]++
	return syscall.ENOSPC
}

func (d *fullDisk) set(what string, times int) {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.refuse[what] = times
}

func (d *fullDisk) refused(what string) int {
	d.mu.Lock()
	defer d.mu.Unlock()
	return d.met[what]
}

// files is the system's file system under a log, as full as the disk says.
type files struct{ d *fullDisk }

func (f files) Create(path string) (backlog.File, error) {
	if err := f.d.ask(segment); err != nil {
		return nil, &os.PathError{Op: "open", Path: path, Err: err}
	}
	return f.opened(os.OpenFile(path, os.O_RDWR|os.O_CREATE|os.O_TRUNC, 0o600))
}

func (f files) Open(path string) (backlog.File, error) {
	return f.opened(os.OpenFile(path, os.O_RDWR, 0))
}

func (f files) OpenRead(path string) (backlog.File, error) {
	return f.opened(os.Open(path))
}
func (files) Remove(path string) error { return os.Remove(path) }

func (files) List(dir string) ([]string, error) {
	entries, err := os.ReadDir(dir)
	names := make([]string, 0, len(entries))
	for _, e := range entries {
		names = append(names, e.Name())
	}
	return names, err
}

func (files) SyncDir(dir string) error {
	d, err := os.Open(dir)
	if err != nil {
		return err
	}
	return errors.Join(d.Sync(), d.Close())
}

func (f files) opened(file *os.File, err error) (backlog.File, error) {
	if err != nil {
		return nil, err
	}
	return segmentFile{file, f.d}, nil
}

type segmentFile struct {
	*os.File
	d *fullDisk
}

func (f segmentFile) WriteAt(p []byte, at int64) (int, error) {
	if at > 0 { // not the header
		if err := f.d.ask(frames); err != nil {
			n, werr := f.File.WriteAt(p[:len(p)/2], at) // as much as there is room for
			return n, errors.Join(err, werr)
		}
	}
	return f.File.WriteAt(p, at)
}

func (f segmentFile) Sync() error {
	if err := f.d.ask(fsync); err != nil {
		return err
	}
	return f.File.Sync()
}

func (segmentFile) Reserve(int64) {}

func (f segmentFile) Size() (int64, error) {
	info, err := f.Stat()
	if err != nil {
		return 0, err
	}
	return info.Size(), nil
}

// fullRows are what the disk has no room for, each until the bridge has met that so often.
var fullRows = []struct {
	id    string
	what  string
	times int
	disk  []genOnDisk
	sink  func(*disk) change.Position
	asked string
	want  string
}{
	{"appending to the log", frames, 1, disks(logOnly), after(gen1, 3), "a5 a5", "k04 k05 k06 k07 k08 k09 k10 k11 k12"},
	{"the spool", spool, 2, nil, none, "full full full", "begin:initial s1 end k01 k02 k03 k04 k05 k06 k07 k08 k09 k10 k11 k12"},
	{"gen.json of a new generation", genJSON, 1, nil, none, "full full", "begin:initial s1 end k01 k02 k03 k04 k05 k06 k07 k08 k09 k10 k11 k12"},
	{"gen.json before the first event", genJSON, 2, disks(pending), none, "a5", "begin:initial " + fromStart},
	{"gen.json after the last event", genJSON, -1, disks(begun), inside(gen1, 2), "a5", "r2 r3 end k01 k02 k03 k04 k05 k06 k07 k08 k09 k10 k11 k12"},
	{"the log of a new generation", segment, 2, nil, none, "full a0", "begin:initial s1 end k01 k02 k03 k04 k05 k06 k07 k08 k09 k10 k11 k12"},
	{"the log of a spool found on disk", segment, 2, disks(received), none, "a0", "begin:initial " + fromStart},
}

// TestFullDisk: nothing is lost, nothing ends the process, and a spool that is complete is not asked for again.
func TestFullDisk(t *testing.T) {
	for _, tt := range fullRows {
		t.Run(tt.id, func(t *testing.T) {
			full := &fullDisk{refuse: map[string]int{tt.what: tt.times}, met: map[string]int{}}
			r, src := newFakeRig(t, &row{disk: tt.disk, sink: tt.sink, source: sources(whole())})
			var free sync.Once
			r.cfg.RoomRetry = time.Millisecond
			r.cfg.Reserve = func(int) error { return full.ask(genJSON) }
			r.cfg.Spool.Reserve = func(int) error { return full.ask(spool) }
			r.cfg.FreeSpace = func(string) (int64, error) {
				n := int64(1 << 40)
				free.Do(func() { n = 1 << 20 }) // at first not enough
				return n, nil
			}
			r.cfg.Backlog.FS = files{full}
			r.start()
			r.sink.until(t, tt.want)
			r.stopClean()
			if got := r.sink.story(); got != tt.want {
				t.Errorf("published\n%s\nwant\n%s", got, tt.want)
			}
			if got := strings.Join(src.questions(), " "); got != tt.asked {
				t.Errorf("asked the source for %q, want %q", got, tt.asked)
			}
			if n := full.refused(tt.what); n == 0 || tt.times > 0 && n != tt.times {
				t.Errorf("the disk was full %d times, want %d", n, tt.times)
			}
			if spools, err := filepath.Glob(filepath.Join(r.cfg.DataDir, "sources", "s", "gen-*", "spool*")); err != nil || len(spools) > 0 {
				t.Errorf("left on the disk: %v, %v", spools, err)
			}
			full.set(tt.what, 0)
			r.start() // what was left can be gone on from
			testenv.Eventually(t, patience, "a stream", func() bool { return r.b.Status().Link.PartialSyncs == 1 && r.b.Status().SinkOpen })
			r.stopClean()
			if got := r.sink.story(); got != tt.want {
				t.Errorf("after a restart there is\n%s\nwant\n%s", got, tt.want)
			}
		})
	}
}

// TestFullDiskDuringASpool: the older log is published meanwhile, and the source is not asked before there is room.
func TestFullDiskDuringASpool(t *testing.T) {
	full := &fullDisk{refuse: map[string]int{spool: 1}, met: map[string]int{}}
	r, src := newFakeRig(t, &row{disk: disks(logOnly), sink: after(gen1, 3), source: sources(stranger())})
	var mu sync.Mutex
	room := int64(1 << 20)
	r.cfg.RoomRetry = time.Millisecond
	r.cfg.Spool.Reserve = func(int) error { return full.ask(spool) }
	r.cfg.FreeSpace = func(string) (int64, error) {
		mu.Lock()
		defer mu.Unlock()
		return room, nil
	}
	r.start()
	r.sink.until(t, "k04 k05")
	testenv.Eventually(t, patience, "a link that waits", func() bool {
		return full.refused(spool) == 1 && r.b.Status().Link.State == "blocked"
	})
	if got := strings.Join(src.questions(), " "); got != "a5" {
		t.Errorf("asked the source for %q while there is no room", got)
	}
	mu.Lock()
	room = 1 << 40
	mu.Unlock()
	r.sink.until(t, "k04 k05 begin:history_lost:after-5 s1 end z01")
	r.stopClean()
	if got := strings.Join(src.questions(), " "); got != "a5 a5" {
		t.Errorf("asked the source for %q", got)
	}
}

// TestFullDiskAtFsync: some file systems say only then that there was no room for what they took. What was logged since the
// last fsync may be gone, so this process does not go on; the next one finds what is left, and asks for the rest.
func TestFullDiskAtFsync(t *testing.T) {
	full := &fullDisk{refuse: map[string]int{fsync: -1}, met: map[string]int{}}
	r, src := newFakeRig(t, &row{disk: disks(logOnly), sink: after(gen1, 3), source: sources(whole())})
	r.cfg.Backlog.FS = files{full}
	r.start()
	if err := r.end(false); !errors.Is(err, syscall.ENOSPC) {
		t.Errorf("Run returned %v, want what fsync said", err)
	}
	full.set(fsync, 0)
	r.start()
	const want = "k04 k05 k06 k07 k08 k09 k10 k11 k12"
	r.sink.until(t, want)
	r.stopClean()
	if got := r.sink.story(); got != want {
		t.Errorf("published\n%s\nwant\n%s", got, want)
	}
	if asked := src.questions(); asked[0] != "a5" {
		t.Errorf("asked the source for %q", asked)
	}
}
