package backlog_test

import (
	"bytes"
	"errors"
	"fmt"
	"log/slog"
	"slices"
	"strings"
	"testing"

	"keyfeed/backlog"
	"keyfeed/backlog/internal/crashfs"
	"keyfeed/internal/change"
)

const (
	headerBytes = 128
	frameBytes  = 40 + 10 // a frame of sample
)

// sample makes a log of several segments with frames of 10 bytes, one unit each, from offset 0 on; all but the last
// segment are sealed when sync is set. It returns the paths of the segments.
func sample(tb testing.TB, fs *crashfs.FS, frames int, sync bool) []string {
	tb.Helper()
	l, err := backlog.Create(modelDir, backlog.Config{FS: fs, SegmentBytes: headerBytes + 4*frameBytes}, origin(0))
	if err != nil {
		tb.Fatal(err)
	}
	for i := range frames {
		err := l.Append(change.Chunk{Start: int64(10 * i), Data: bytes.Repeat([]byte{byte('A' + i)}, 10), Arrived: 5, UnitEnd: true, DB: i})
		if err != nil {
			tb.Fatal(err)
		}
	}
	if sync {
		if err := l.Close(); err != nil {
			tb.Fatal(err)
		}
	}
	names, err := fs.List(modelDir)
	if err != nil {
		tb.Fatal(err)
	}
	for i, name := range names {
		names[i] = modelDir + "/" + name
	}
	return names
}

// opened opens a log and returns the offset it ends at, or the error.
func opened(fs *crashfs.FS) (int64, error) {
	l, err := backlog.Open(modelDir, backlog.Config{FS: fs})
	if err != nil {
		return 0, err
	}
	return l.Tail().Offset, l.Close()
}

// TestDamage changes the files of a log of three segments, at 0, 40 and 80, the last with three frames, in every way
// that matters. want is the offset the log ends at; corrupt the path and file offset of the damage to be reported.
func TestDamage(t *testing.T) {
	type result struct {
		tail    int64
		corrupt string // "segment:offset"
		err     error
	}
	last := func(paths []string) string { return paths[len(paths)-1] }
	flip := func(fs *crashfs.FS, path string, at int) {
		b := fs.Bytes(path)
		b[at] ^= 0x10
		fs.Put(path, b)
	}
	tests := []struct {
		name   string
		sealed bool
		damage func(fs *crashfs.FS, paths []string)
		want   result
	}{
		{"nothing", true, func(*crashfs.FS, []string) {}, result{tail: 110}},
		{"nothing, not sealed", false, func(*crashfs.FS, []string) {}, result{tail: 110}},
		{"no bytes in the last file", true, func(fs *crashfs.FS, p []string) { fs.Put(last(p), nil) }, result{tail: 80}},
		{
			"zeros only in the last file", true,
			func(fs *crashfs.FS, p []string) { fs.Put(last(p), make([]byte, 4096)) },
			result{tail: 80},
		},
		{
			"zeros after the last frame", true,
			func(fs *crashfs.FS, p []string) { fs.Put(last(p), append(fs.Bytes(last(p)), make([]byte, 3<<20)...)) },
			result{tail: 110},
		},
		{
			"zeros instead of the last two frames", true,
			func(fs *crashfs.FS, p []string) {
				b := fs.Bytes(last(p))
				clear(b[headerBytes+frameBytes:])
				fs.Put(last(p), b)
			},
			result{tail: 90},
		},
		{
			"zeros in the middle of the last segment", true,
			func(fs *crashfs.FS, p []string) {
				b := fs.Bytes(last(p))
				clear(b[headerBytes+frameBytes : headerBytes+2*frameBytes])
				fs.Put(last(p), b)
			},
			result{corrupt: fmt.Sprintf("2:%d", headerBytes+frameBytes)},
		},
		{
			"the last header lost, frames there", true,
			func(fs *crashfs.FS, p []string) {
				b := fs.Bytes(last(p))
				clear(b[:headerBytes])
				fs.Put(last(p), b)
			},
			result{corrupt: "2:0"},
		},
		{"unknown version", true, func(fs *crashfs.FS, p []string) {
			b := fs.Bytes(last(p))
			b[8] = 2
			fs.Put(last(p), b)
		}, result{err: backlog.ErrVersion}},
		{"the last frame twice", true, func(fs *crashfs.FS, p []string) {
			b := fs.Bytes(last(p))
			fs.Put(last(p), append(b, b[len(b)-frameBytes:]...))
		}, result{corrupt: fmt.Sprintf("2:%d", headerBytes+3*frameBytes)}},
		{"a frame missing", true, func(fs *crashfs.FS, p []string) {
			b := fs.Bytes(last(p))
			fs.Put(last(p), slices.Delete(b, headerBytes+frameBytes, headerBytes+2*frameBytes))
		}, result{corrupt: fmt.Sprintf("2:%d", headerBytes+frameBytes)}},
		{"a torn frame that holds frames of a log", true, func(fs *crashfs.FS, p []string) {
			b := fs.Bytes(last(p))
			torn := slices.Concat(b[len(b)-frameBytes:len(b)-10], b[headerBytes:headerBytes+2*frameBytes])
			fs.Put(last(p), append(b, torn[:len(torn)-1]...))
		}, result{tail: 110}},
		{"a torn frame that holds a frame of a later log", true, func(fs *crashfs.FS, p []string) {
			other := crashfs.New()
			l, err := backlog.Create(modelDir, backlog.Config{FS: other}, origin(1_000_000))
			if err = errors.Join(err, l.Append(chunkAt(1_000_000, "0123456789", true))); err != nil {
				panic(err)
			}
			b := fs.Bytes(last(p))
			frame := other.Bytes(modelDir + "/" + backlog.SegmentName(1_000_000))[headerBytes:]
			fs.Put(last(p), slices.Concat(b, b[len(b)-frameBytes:len(b)-10], frame, frame))
		}, result{tail: 110}},
		{"the middle segment is missing", true, func(fs *crashfs.FS, p []string) { remove(fs, p[1]) }, result{corrupt: "2:0"}},
		{"the oldest segment is missing", true, func(fs *crashfs.FS, p []string) { remove(fs, p[0]) }, result{tail: 110}},
		{"the middle segment is missing, not sealed", false, func(fs *crashfs.FS, p []string) { remove(fs, p[1]) }, result{tail: 40}},
		{"the middle segment lost its end, not sealed", false, func(fs *crashfs.FS, p []string) {
			fs.Put(p[1], fs.Bytes(p[1])[:headerBytes+frameBytes+7])
		}, result{tail: 50}},
		{"a segment lost its seal", true, func(fs *crashfs.FS, p []string) {
			fs.Put(p[1], fs.Bytes(p[1])[:headerBytes+4*frameBytes+3])
		}, result{tail: 110}},
		{"a segment before a sealed one lost its end", true, func(fs *crashfs.FS, p []string) {
			fs.Put(p[0], fs.Bytes(p[0])[:headerBytes+2*frameBytes])
		}, result{corrupt: "1:0"}},
		{"a segment before a sealed one lost its end, torn", true, func(fs *crashfs.FS, p []string) {
			fs.Put(p[0], fs.Bytes(p[0])[:headerBytes+2*frameBytes+1])
		}, result{corrupt: "1:0"}},
		{"bytes after a seal", true, func(fs *crashfs.FS, p []string) {
			fs.Put(p[1], append(fs.Bytes(p[1]), 1))
		}, result{corrupt: fmt.Sprintf("1:%d", headerBytes+4*frameBytes+80)}},
		{"the header of a sealed segment", true, func(fs *crashfs.FS, p []string) { flip(fs, p[0], 30) }, result{corrupt: "0:0"}},
		{"a segment under another name", true, func(fs *crashfs.FS, p []string) {
			fs.Put(strings.Replace(last(p), "80.seg", "81.seg", 1), fs.Bytes(last(p)))
		}, result{corrupt: "3:0"}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			fs := crashfs.New()
			paths := sample(t, fs, 11, tt.sealed)
			if len(paths) != 3 {
				t.Fatalf("the sample has segments %v", paths)
			}
			tt.damage(fs, paths)
			before := files(t, fs)
			tail, err := opened(fs)
			var got result
			damage, isCorrupt := errors.AsType[*backlog.CorruptError](err)
			switch {
			case isCorrupt:
				i, _ := slices.BinarySearch(paths, damage.Path)
				got.corrupt = fmt.Sprintf("%d:%d", i, damage.Offset)
				if !strings.Contains(err.Error(), "keyfeed backlog cut") {
					t.Errorf("the error names no remedy: %v", err)
				}
				if after := files(t, fs); after != before {
					t.Errorf("a refused log was changed from\n%s\nto\n%s", before, after)
				}
			case errors.Is(err, backlog.ErrVersion):
				got.err = backlog.ErrVersion
			case err != nil:
				t.Fatal(err)
			default:
				got.tail = tail
			}
			if got != tt.want {
				t.Errorf("got %+v (%v), want %+v", got, err, tt.want)
			}
		})
	}
}

func remove(fs *crashfs.FS, path string) {
	if err := fs.Remove(path); err != nil {
		panic(err)
	}
}

func files(t *testing.T, fs *crashfs.FS) string {
	t.Helper()
	names, err := fs.List(modelDir)
	if err != nil {
		t.Fatal(err)
	}
	var b strings.Builder
	for _, name := range names {
		fmt.Fprintf(&b, "%s %q\n", name, fs.Bytes(modelDir+"/"+name))
	}
	return b.String()
}

// TestEveryByte flips every byte of the newest segment in turn: in the last frame that is a torn tail, before it damage.
func TestEveryByte(t *testing.T) {
	fs := crashfs.New()
	paths := sample(t, fs, 11, true)
	last := paths[len(paths)-1]
	intact := fs.Bytes(last)
	for at := range intact {
		for _, bit := range []byte{0x01, 0x80} {
			b := slices.Clone(intact)
			b[at] ^= bit
			fs.Put(last, b)
			tail, err := opened(fs)
			switch damage, isCorrupt := errors.AsType[*backlog.CorruptError](err); {
			case at >= len(intact)-frameBytes:
				if err != nil || tail != 100 {
					t.Fatalf("byte %d of the last frame: the log ends at %d, %v", at, tail, err)
				}
			case at >= 8 && at < 12 && errors.Is(err, backlog.ErrVersion):
			case at < headerBytes:
				if !isCorrupt || damage.Offset != 0 || damage.UnitEnd != 80 {
					t.Fatalf("byte %d of the header: the log ends at %d, %v", at, tail, err)
				}
			case !isCorrupt || damage.Offset != int64(at-(at-headerBytes)%frameBytes):
				t.Fatalf("byte %d: the log ends at %d, %v", at, tail, err)
			}
		}
	}
}

// TestEveryLength cuts the newest segment at every byte.
func TestEveryLength(t *testing.T) {
	fs := crashfs.New()
	paths := sample(t, fs, 11, true)
	last := paths[len(paths)-1]
	intact := fs.Bytes(last)
	for n := range intact {
		fs.Put(last, intact[:n])
		want := int64(80)
		if n >= headerBytes {
			want += int64((n - headerBytes) / frameBytes * 10)
		}
		if tail, err := opened(fs); err != nil || tail != want {
			t.Fatalf("with %d bytes the log ends at %d, %v, want %d", n, tail, err, want)
		}
	}
}

func TestNothingButATornHeaderIsNoLog(t *testing.T) {
	for n := range headerBytes {
		fs := crashfs.New()
		paths := sample(t, fs, 0, true)
		fs.Put(paths[0], fs.Bytes(paths[0])[:n])
		if _, err := opened(fs); !errors.Is(err, backlog.ErrNoLog) {
			t.Fatalf("with %d bytes of header Open gives %v", n, err)
		}
		if _, err := backlog.Create(modelDir, backlog.Config{FS: fs}, origin(0)); err != nil {
			t.Fatalf("Create after that: %v", err)
		}
	}
}

func TestDroppedBytesAreLogged(t *testing.T) {
	fs := crashfs.New()
	paths := sample(t, fs, 11, true)
	fs.Put(paths[2], fs.Bytes(paths[2])[:headerBytes+frameBytes+5])
	var out bytes.Buffer
	l, err := backlog.Open(modelDir, backlog.Config{FS: fs, Logger: slog.New(slog.NewTextHandler(&out, nil))})
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	for _, want := range []string{"torn tail", "path=" + paths[2], "file_offset=178", "stream_offset=90", "dropped_bytes=5"} {
		if !strings.Contains(out.String(), want) {
			t.Errorf("the log line lacks %q: %s", want, out.String())
		}
	}
}

// TestCursorChecks damages a sealed segment, which Open does not read.
func TestCursorChecks(t *testing.T) {
	fs := crashfs.New()
	paths := sample(t, fs, 11, true)
	b := fs.Bytes(paths[1])
	b[headerBytes+2*frameBytes+45] ^= 1
	fs.Put(paths[1], b)
	l, err := backlog.Open(modelDir, backlog.Config{FS: fs})
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	c := cursor(t, l, 0)
	for range 6 {
		if _, err := c.Next(t.Context()); err != nil {
			t.Fatal(err)
		}
	}
	for range 2 {
		_, err = c.Next(t.Context())
		damage, ok := errors.AsType[*backlog.CorruptError](err)
		if !ok || damage.Path != paths[1] || damage.Offset != headerBytes+2*frameBytes || damage.StreamOffset != 60 {
			t.Errorf("Next gives %v", err)
		}
	}
	if c.Offset() != 60 {
		t.Errorf("the cursor is at %d", c.Offset())
	}
}

func TestForeignNamesAreRefused(t *testing.T) {
	fs := crashfs.New()
	sample(t, fs, 1, true)
	fs.Put(modelDir+"/notes.txt", nil)
	if _, err := opened(fs); err != nil {
		t.Errorf("another file in the directory gives %v", err)
	}
	fs.Put(modelDir+"/7.seg", nil)
	if _, err := opened(fs); err == nil || !strings.Contains(err.Error(), "7.seg") {
		t.Errorf("a file that looks like a segment gives %v", err)
	}
}
