package snapshot

import (
	"context"
	"encoding/json"
	"errors"
	"io/fs"
	"math/rand/v2"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"

	"keyfeed/snapshot/rdb"
)

func TestSpoolIsFoundAgain(t *testing.T) {
	for _, summed := range []bool{true, false} {
		dir := t.TempDir()
		s := commit(t, dir, Config{}, smallRDB(summed))
		m := s.Meta()
		if m.ID == "" || m.DB != 3 || m.Keys != 3 || m.RDBVersion != 10 || m.RDBMagic != "REDIS" || m.Offset != 4711 ||
			m.Size != int64(len(smallRDB(summed))) || m.CommittedMs == 0 || m.ServerVersion != "7.0.15" {
			t.Errorf("Meta() = %+v", m)
		}
		again, err := Open(dir, Config{})
		if err != nil || again.Meta() != m {
			t.Fatalf("Open() = %+v, %v, want %+v", again, err, m)
		}
		if err := s.Remove(); err != nil {
			t.Fatal(err)
		}
		if err := again.Remove(); err != nil {
			t.Errorf("the second Remove gives %v", err)
		}
		if left, _ := os.ReadDir(dir); len(left) != 0 {
			t.Errorf("Remove leaves %v", left)
		}
		if _, err := Open(dir, Config{}); !errors.Is(err, ErrNoSpool) {
			t.Errorf("Open after Remove gives %v, want ErrNoSpool", err)
		}
	}
}

func TestTwoSpoolsHaveDifferentIDs(t *testing.T) {
	a, b := commit(t, t.TempDir(), Config{}, smallRDB(true)), commit(t, t.TempDir(), Config{}, smallRDB(true))
	if a.Meta().ID == b.Meta().ID {
		t.Errorf("both have the id %s", a.Meta().ID)
	}
}

func TestSpoolInMemory(t *testing.T) {
	if _, err := Create("", Config{}, testOrigin()); err == nil {
		t.Error("a spool in memory without a cap was accepted")
	}
	file := smallRDB(true)
	s := commit(t, "", Config{MaxBytes: int64(len(file))}, file)
	onDisk := commit(t, t.TempDir(), Config{}, file)
	got, want := events(t, s, testSettings(4096), 0), events(t, onDisk, testSettings(4096), 0)
	last := len(want) - 1 // its ms is how long the transfer took
	if !slices.Equal(got[:last], want[:last]) {
		t.Errorf("events from memory are %q, from disk %q", got, want)
	}
	if _, err := Open("", Config{}); !errors.Is(err, ErrNoSpool) {
		t.Errorf("Open gives %v, want ErrNoSpool", err)
	}
}

func TestOpenRefuses(t *testing.T) {
	edit := func(field string, v any) func(t *testing.T, dir string) {
		return func(t *testing.T, dir string) {
			t.Helper()
			var m map[string]any
			raw, _ := os.ReadFile(filepath.Join(dir, metaFile))
			if err := json.Unmarshal(raw, &m); err != nil {
				t.Fatal(err)
			}
			m[field] = v
			raw, _ = json.Marshal(m)
			write(t, filepath.Join(dir, metaFile), raw)
		}
	}
	for name, tt := range map[string]struct {
		do   func(t *testing.T, dir string)
		want error
	}{
		"no metadata": {func(t *testing.T, dir string) { t.Helper(); remove(t, dir, metaFile) }, ErrIncomplete},
		"metadata under its temporary name": {func(t *testing.T, dir string) {
			t.Helper()
			if err := os.Rename(filepath.Join(dir, metaFile), filepath.Join(dir, metaNewFile)); err != nil {
				t.Fatal(err)
			}
		}, ErrIncomplete},
		"no RDB":  {func(t *testing.T, dir string) { t.Helper(); remove(t, dir, rdbFile) }, ErrIncomplete},
		"nothing": {func(t *testing.T, dir string) { t.Helper(); remove(t, dir, rdbFile); remove(t, dir, metaFile) }, ErrNoSpool},
		"a shorter RDB": {func(t *testing.T, dir string) {
			t.Helper()
			write(t, filepath.Join(dir, rdbFile), smallRDB(true)[:100])
		}, ErrIncomplete},
		"a longer RDB": {func(t *testing.T, dir string) {
			t.Helper()
			write(t, filepath.Join(dir, rdbFile), append(smallRDB(true), 0))
		}, ErrIncomplete},
		"no JSON":         {func(t *testing.T, dir string) { t.Helper(); write(t, filepath.Join(dir, metaFile), []byte("{")) }, ErrFormat},
		"another format":  {edit("format", 2), ErrFormat},
		"another state":   {edit("state", "receiving"), ErrIncomplete},
		"no id":           {edit("id", ""), ErrFormat},
		"a negative size": {edit("size", -1), ErrFormat},
	} {
		t.Run(name, func(t *testing.T) {
			dir := t.TempDir()
			commit(t, dir, Config{}, smallRDB(true))
			tt.do(t, dir)
			if _, err := Open(dir, Config{}); !errors.Is(err, tt.want) {
				t.Errorf("Open gives %v, want %v", err, tt.want)
			}
		})
	}
}

func write(t *testing.T, name string, b []byte) {
	t.Helper()
	if err := os.WriteFile(name, b, 0o600); err != nil {
		t.Fatal(err)
	}
}

func remove(t *testing.T, dir, name string) {
	t.Helper()
	if err := os.Remove(filepath.Join(dir, name)); err != nil {
		t.Fatal(err)
	}
}

// Every prefix and every flipped bit is refused, and nothing of it is left (invariant 7).
func TestCommitRefusesDamage(t *testing.T) {
	for _, summed := range []bool{true, false} {
		whole := newRDB().aux("repl-stream-db", "0").op(0).str("k").str("v").end(summed)
		for n := range whole {
			refused(t, whole[:n], ErrDamaged)
		}
		refused(t, append(slices.Clone(whole), 0), ErrDamaged)
		if !summed {
			continue
		}
		for i := range 8 * len(whole) {
			flipped := slices.Clone(whole)
			flipped[i/8] ^= 1 << (i % 8)
			refused(t, flipped, nil)
		}
	}
}

func refused(t *testing.T, file []byte, want error) {
	t.Helper()
	w, err := Create("", Config{MaxBytes: 1 << 20}, testOrigin())
	if err != nil {
		t.Fatal(err)
	}
	if _, err := w.Write(file); err != nil {
		t.Fatal(err)
	}
	_, err = w.Commit(t.Context())
	if err == nil || want != nil && !errors.Is(err, want) {
		t.Fatalf("Commit of %d bytes gives %v, want %v", len(file), err, want)
	}
	if err := w.Abort(); err != nil {
		t.Fatal(err)
	}
	if _, err := w.at.open(rdbFile); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("after Abort the file is still there: %v", err)
	}
}

func TestCommitRefusesAnotherVersion(t *testing.T) {
	file := smallRDB(true)
	copy(file, "REDIS0013")
	w, err := Create(t.TempDir(), Config{}, testOrigin())
	if err != nil {
		t.Fatal(err)
	}
	if _, err := w.Write(file); err != nil {
		t.Fatal(err)
	}
	_, err = w.Commit(t.Context())
	var u *rdb.UnsupportedError
	if !errors.As(err, &u) || errors.Is(err, ErrDamaged) || !strings.Contains(err.Error(), "Redis 8.6") {
		t.Errorf("Commit gives %v, want an UnsupportedError that names the server", err)
	}
	if err := w.Abort(); err != nil {
		t.Error(err)
	}
}

func TestExpectedSize(t *testing.T) {
	file := smallRDB(true)
	for _, n := range []int{len(file) - 1, len(file) + 1} {
		w, err := Create(t.TempDir(), Config{}, testOrigin())
		if err != nil {
			t.Fatal(err)
		}
		w.Expect(int64(n))
		if _, err := w.Write(file); err != nil {
			t.Fatal(err)
		}
		if _, err := w.Commit(t.Context()); !errors.Is(err, ErrDamaged) {
			t.Errorf("Commit of %d bytes where %d were announced gives %v", len(file), n, err)
		}
		if err := w.Abort(); err != nil {
			t.Error(err)
		}
	}
}

func TestLimit(t *testing.T) {
	for name, dir := range map[string]string{"memory": "", "disk": t.TempDir()} {
		w, err := Create(dir, Config{MaxBytes: 100}, testOrigin())
		if err != nil {
			t.Fatal(err)
		}
		w.Expect(-1)
		if _, err := w.Write(make([]byte, 100)); err != nil {
			t.Errorf("%s: %v", name, err)
		}
		if _, err := w.Write(make([]byte, 1)); !errors.Is(err, ErrTooLarge) {
			t.Errorf("%s: the byte over the limit gives %v", name, err)
		}
		if _, err := w.Commit(t.Context()); !errors.Is(err, ErrTooLarge) {
			t.Errorf("%s: Commit after that gives %v", name, err)
		}
		if err := w.Abort(); err != nil {
			t.Error(err)
		}
		w, err = Create(dir, Config{MaxBytes: 100}, testOrigin())
		if err != nil {
			t.Fatal(err)
		}
		w.Expect(101)
		if _, err := w.Write([]byte("R")); !errors.Is(err, ErrTooLarge) {
			t.Errorf("%s: the first byte of a payload announced too large gives %v", name, err)
		}
		if err := w.Abort(); err != nil {
			t.Error(err)
		}
	}
}

func TestFailingDisk(t *testing.T) {
	big := newRDB().op(0).str("k").str(strings.Repeat("v", 3*writeBuffer)).end(true)
	for _, call := range []string{"write", "sync", "create " + metaNewFile, "rename " + metaFile} {
		t.Run(call, func(t *testing.T) {
			at := &failing{place: &memory{}, err: syscall.ENOSPC, call: call, room: 100}
			w, err := Create("", Config{at: at}, testOrigin())
			if err != nil {
				t.Fatal(err)
			}
			_, err = w.Write(big)
			if err == nil {
				_, err = w.Commit(t.Context())
			}
			if !errors.Is(err, ErrFull) {
				t.Errorf("error is %v, want ErrFull", err)
			}
			if _, err := Open("", Config{at: at}); !errors.Is(err, ErrIncomplete) {
				t.Errorf("Open gives %v, want ErrIncomplete", err)
			}
			if err := w.Abort(); err != nil {
				t.Error(err)
			}
			if _, err := Open("", Config{at: at}); !errors.Is(err, ErrNoSpool) {
				t.Errorf("Open after Abort gives %v, want ErrNoSpool", err)
			}
		})
	}
}

func TestAbort(t *testing.T) {
	dir := t.TempDir()
	w, err := Create(dir, Config{}, testOrigin())
	if err != nil {
		t.Fatal(err)
	}
	if _, err := w.Write(make([]byte, 5*writeBuffer)); err != nil {
		t.Fatal(err)
	}
	if err := w.Abort(); err != nil {
		t.Fatal(err)
	}
	if err := w.Abort(); err != nil {
		t.Errorf("the second Abort gives %v", err)
	}
	if _, err := w.Write([]byte("x")); err == nil {
		t.Error("Write after Abort was accepted")
	}
	if left, _ := os.ReadDir(dir); len(left) != 0 {
		t.Errorf("Abort leaves %v", left)
	}
}

func TestCommitCanBeCanceled(t *testing.T) {
	cause := errors.New("enough")
	for _, summed := range []bool{true, false} {
		ctx, cancel := context.WithCancelCause(t.Context())
		cancel(cause)
		w, err := Create(t.TempDir(), Config{}, testOrigin())
		if err != nil {
			t.Fatal(err)
		}
		big := newRDB().op(0).str("k").str(strings.Repeat("v", 30*writeBuffer)).end(summed)
		if _, err := w.Write(big); err != nil {
			t.Fatal(err)
		}
		if _, err := w.Commit(ctx); !errors.Is(err, cause) {
			t.Errorf("Commit gives %v, want the cause of the context's end", err)
		}
		if err := w.Abort(); err != nil {
			t.Error(err)
		}
	}
}

// Writes of any size give the same file.
func TestWritesOfAnySize(t *testing.T) {
	seed := rand.Uint64()
	t.Logf("seed %d", seed)
	rng := rand.New(rand.NewPCG(seed, 0))
	file := newRDB().op(0).str("k").str(strings.Repeat("0123456789", writeBuffer/3)).end(true)
	w, err := Create(t.TempDir(), Config{}, testOrigin())
	if err != nil {
		t.Fatal(err)
	}
	for rest := file; len(rest) > 0; {
		n := min(1+rng.IntN(1<<rng.IntN(22)), len(rest))
		if m, err := w.Write(rest[:n]); err != nil || m != n {
			t.Fatal(m, err)
		}
		rest = rest[n:]
	}
	s, err := w.Commit(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	got, err := os.ReadFile(filepath.Join(string(s.at.(disk)), rdbFile))
	if err != nil || !slices.Equal(got, file) {
		t.Errorf("the file has %d bytes, want %d; %v", len(got), len(file), err)
	}
}
