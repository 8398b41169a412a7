package backlog_test

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"keyfeed/backlog"
	"keyfeed/internal/change"
)

// diskSample makes a log of three segments in a directory: at 0 and 40, sealed, and at 80 with a history and 30 bytes.
func diskSample(t *testing.T) (dir string, paths []string) {
	t.Helper()
	l, dir := create(t, backlog.Config{SegmentBytes: headerBytes + 4*frameBytes}, 0)
	for i := range 11 {
		if i == 8 {
			err := errors.Join(l.AppendHistory(idB), l.Close())
			if err != nil {
				t.Fatal(err)
			}
			if l, err = backlog.Open(dir, backlog.Config{}); err != nil {
				t.Fatal(err)
			}
		}
		add(t, l, strings.Repeat(string(rune('A'+i)), 10), true, i)
	}
	if err := l.Close(); err != nil {
		t.Fatal(err)
	}
	paths, err := filepath.Glob(filepath.Join(dir, "*.seg"))
	if err != nil || len(paths) != 3 {
		t.Fatalf("the sample has segments %v, %v", paths, err)
	}
	return dir, paths
}

func damage(t *testing.T, path string, change func(b []byte) []byte) {
	t.Helper()
	b, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(path, change(b), 0o600); err != nil {
		t.Fatal(err)
	}
}

// inspected writes down what Inspect reports.
func inspected(t *testing.T, dir string) string {
	t.Helper()
	var b strings.Builder
	err := backlog.Inspect(dir, backlog.Visitor{
		Segment: func(s backlog.SegmentInfo) error {
			fmt.Fprintf(&b, "segment %s %d bytes", filepath.Base(s.Path), s.Bytes)
			if !s.Start.IsZero() {
				fmt.Fprintf(&b, " db %d %s", s.Start.DB, s.Start.ReplID[:1])
			}
			b.WriteString("\n")
			return nil
		},
		Frame: func(f backlog.FrameInfo) error {
			switch {
			case f.Sealed:
				fmt.Fprintf(&b, " %d seal\n", f.At)
			case f.Item.History != nil:
				fmt.Fprintf(&b, " %d history %d %s\n", f.At, f.Item.History.Offset, f.Item.History.ReplID[:1])
			default:
				fmt.Fprintf(&b, " %d data %d %s\n", f.At, f.Item.Chunk.Start, f.Item.Chunk.Data[:1])
			}
			return nil
		},
		Damage: func(d *backlog.CorruptError, torn bool) error {
			fmt.Fprintf(&b, " %d damage, torn %v, cut to %d\n", d.Offset, torn, d.UnitEnd)
			return nil
		},
	})
	if err != nil {
		t.Fatal(err)
	}
	return b.String()
}

func TestInspect(t *testing.T) {
	dir, paths := diskSample(t)
	const first = `segment 00000000000000000000.seg 408 bytes db 2 a
 128 data 0 A
 178 data 10 B
 228 data 20 C
 278 data 30 D
 328 seal
`
	const second = `segment 00000000000000000040.seg 408 bytes db 3 a
 128 data 40 E
 178 data 50 F
 228 data 60 G
 278 data 70 H
 328 seal
`
	const third = `segment 00000000000000000080.seg 398 bytes db 7 a
 128 history 80 b
 248 data 80 I
 298 data 90 J
 348 data 100 K
`
	if got, want := inspected(t, dir), first+second+third; got != want {
		t.Errorf("Inspect reports\n%s\nwant\n%s", got, want)
	}
	damage(t, paths[2], func(b []byte) []byte { return b[:len(b)-1] })
	want := first + second + strings.NewReplacer("398", "397", " 348 data 100 K", " 348 damage, torn true, cut to 100").Replace(third)
	if got := inspected(t, dir); got != want {
		t.Errorf("of a torn log Inspect reports\n%s\nwant\n%s", got, want)
	}
	damage(t, paths[1], func(b []byte) []byte { b[230] ^= 1; return b })
	want = strings.Replace(want, " 228 data 60 G\n 278 data 70 H\n 328 seal\n", " 228 damage, torn false, cut to 60\n", 1)
	if got := inspected(t, dir); got != want {
		t.Errorf("of a damaged log Inspect reports\n%s\nwant\n%s", got, want)
	}
	damage(t, paths[0], func(b []byte) []byte { b[50] ^= 1; return b })
	if got, want := inspected(t, dir), "segment 00000000000000000000.seg 408 bytes\n 0 damage, torn false, cut to 0\n"; !strings.HasPrefix(got, want) {
		t.Errorf("of a damaged header Inspect reports\n%s", got)
	}
	if err := os.Remove(paths[1]); err != nil {
		t.Fatal(err)
	}
	if err := backlog.Inspect(t.TempDir(), backlog.Visitor{}); !errors.Is(err, backlog.ErrNoLog) {
		t.Errorf("Inspect of an empty directory gives %v", err)
	}
}

func TestInspectFindsAMissingSegment(t *testing.T) {
	dir, paths := diskSample(t)
	if err := os.Remove(paths[1]); err != nil {
		t.Fatal(err)
	}
	if got := inspected(t, dir); !strings.Contains(got, " 0 damage, torn false, cut to 40\n") {
		t.Errorf("Inspect reports\n%s", got)
	}
}

func TestReadSegment(t *testing.T) {
	_, paths := diskSample(t)
	var got string
	err := backlog.ReadSegment(paths[2], func(start change.Position, item backlog.Item) error {
		if start.Offset != 80 || start.DB != 7 || start.ReplID != idA {
			t.Errorf("the segment starts at %v", start)
		}
		if item.History != nil {
			got += "<b>"
		}
		got += string(item.Chunk.Data)
		return nil
	})
	if want := "<b>IIIIIIIIIIJJJJJJJJJJKKKKKKKKKK"; err != nil || got != want {
		t.Errorf("ReadSegment reads %q, %v, want %q", got, err, want)
	}
	damage(t, paths[2], func(b []byte) []byte { return b[:len(b)-1] })
	err = backlog.ReadSegment(paths[2], func(change.Position, backlog.Item) error { return nil })
	if d, ok := errors.AsType[*backlog.CorruptError](err); !ok || d.Offset != 348 {
		t.Errorf("ReadSegment of a torn segment gives %v", err)
	}
}

func TestCutPlan(t *testing.T) {
	tests := []struct {
		name    string
		damage  func(t *testing.T, paths []string)
		offset  int64
		keep    int64
		db      int
		file    int // of the paths; -1 = none
		bytes   int64
		dropped int64
		files   int // segments that go
		through int64
	}{
		{"to a unit end", nil, 60, 60, 5, 1, 228, 408 - 228 + 398, 1, 110},
		{"inside a frame", nil, 65, 60, 5, 1, 228, 408 - 228 + 398, 1, 110},
		{"at a change of history", nil, 80, 80, 7, 2, 248, 150, 0, 110},
		{"nothing", nil, 1000, 110, 10, 2, 398, 0, 0, 110},
		{"before the head", nil, -1, 0, 0, -1, 0, 408 + 408 + 398, 3, 110},
		{
			"at damage", func(t *testing.T, p []string) {
				t.Helper()
				damage(t, p[1], func(b []byte) []byte { b[230] ^= 1; return b })
			},
			1000, 60, 5, 1, 228, 408 - 228 + 398, 1, 110,
		},
		{
			"at a damaged header", func(t *testing.T, p []string) {
				t.Helper()
				damage(t, p[1], func(b []byte) []byte { b[30] ^= 1; return b })
			},
			1000, 40, 3, 0, 328, 80 + 408 + 398, 2, 110,
		},
		{
			"at a missing file", func(t *testing.T, p []string) {
				t.Helper()
				if err := os.Remove(p[1]); err != nil {
					t.Fatal(err)
				}
			},
			1000, 40, 3, 0, 328, 80 + 398, 1, 110,
		},
		{
			"nothing is left", func(t *testing.T, p []string) {
				t.Helper()
				damage(t, p[0], func(b []byte) []byte { b[30] ^= 1; return b })
			},
			1000, 0, 0, -1, 0, 408 + 408 + 398, 3, 110,
		},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			dir, paths := diskSample(t)
			if tt.damage != nil {
				tt.damage(t, paths)
			}
			p, err := backlog.PlanCut(dir, tt.offset)
			if err != nil {
				t.Fatal(err)
			}
			if p.Keep.Offset != tt.keep || p.Keep.DB != tt.db || p.FileBytes != tt.bytes || p.DroppedBytes != tt.dropped ||
				len(p.DroppedFiles) != tt.files || p.DroppedThrough != tt.through || slices.Index(paths, p.File) != tt.file {
				t.Errorf("the plan is %+v", *p)
			}
			if err := p.Apply(); err != nil {
				t.Fatal(err)
			}
			l, err := backlog.Open(dir, backlog.Config{})
			if tt.file < 0 {
				if !errors.Is(err, backlog.ErrNoLog) {
					t.Errorf("opening gives %v", err)
				}
				return
			}
			if err != nil {
				t.Fatal(err)
			}
			defer l.Close()
			if got := l.Tail().Unit; got != p.Keep {
				t.Errorf("the log ends at %v, the plan says %v", got, p.Keep)
			}
		})
	}
	if _, err := backlog.PlanCut(t.TempDir(), 0); !errors.Is(err, backlog.ErrNoLog) {
		t.Errorf("a plan for an empty directory gives %v", err)
	}
}
