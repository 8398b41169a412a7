package change_test

import (
	"errors"
	"strings"
	"testing"

	"pgregory.net/rapid"

	"keyfeed/internal/change"
)

const replid = "0123456789abcdef0123456789abcdef01234567"

func TestPositionText(t *testing.T) {
	tests := []struct {
		name string
		pos  change.Position
		text string
	}{
		{"none", change.Position{}, "none"},
		{
			"between units",
			change.Position{Gen: 1795311158, Offset: 64, DB: 3, ReplID: replid},
			"1795311158:00000000000000000064:0000000003:" + replid,
		},
		{
			"inside a unit",
			change.Position{Gen: 1795311158, Offset: 64, DB: 3, ReplID: replid, Count: 12},
			"1795311158:00000000000000000064:0000000003:" + replid + "+0000000012",
		},
		{
			"inside a snapshot",
			change.Position{Gen: 7, Offset: 0, ReplID: replid, Count: 5, Spool: "a1b2"},
			"0000000007:00000000000000000000:0000000000:" + replid + "+s0000000005@a1b2",
		},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			if got := tt.pos.String(); got != tt.text {
				t.Errorf("String() = %q, want %q", got, tt.text)
			}
			got, err := change.ParsePosition(tt.text)
			if err != nil || got != tt.pos {
				t.Errorf("ParsePosition(%q) = %+v, %v, want %+v", tt.text, got, err, tt.pos)
			}
		})
	}
}

func TestParsePositionRefuses(t *testing.T) {
	for _, s := range []string{
		"", ":", "1:2:3", "0:0:0:" + replid, "x:0:0:" + replid, "1:-1:0:" + replid, "1:0:-1:" + replid,
		"1:0:99999999999:" + replid, "1:0:0:short", "1:0:0:" + replid + "+", "1:0:0:" + replid + "+0",
		"1:0:0:" + replid + "+s5", "1:0:0:" + replid + "+s5@", "1:0:0:" + replid + "+sx@a",
		"1:9223372036854775808:0:" + replid,
	} {
		if _, err := change.ParsePosition(s); !errors.Is(err, change.ErrPosition) {
			t.Errorf("ParsePosition(%q) gave error %v, want ErrPosition", s, err)
		}
	}
}

func positions() *rapid.Generator[change.Position] {
	return rapid.Custom(func(t *rapid.T) change.Position {
		p := change.Position{
			Gen:    rapid.Uint64Range(1, 9_999_999_999).Draw(t, "gen"),
			Offset: rapid.Int64Range(0, 1<<62).Draw(t, "offset"),
			DB:     rapid.IntRange(0, 1<<31-1).Draw(t, "db"),
			ReplID: replid,
		}
		switch rapid.IntRange(0, 2).Draw(t, "kind") {
		case 1:
			p.Count = rapid.Int64Range(1, 9_999_999_999).Draw(t, "count")
		case 2:
			p.Count = rapid.Int64Range(0, 9_999_999_999).Draw(t, "count")
			p.Spool = rapid.StringMatching(`[0-9a-f]{16}`).Draw(t, "spool")
		}
		return p
	})
}

func TestPositionRoundTripAndTextOrder(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		p, q := positions().Draw(t, "p"), positions().Draw(t, "q")
		back, err := change.ParsePosition(p.String())
		if err != nil || back != p {
			t.Fatalf("ParsePosition(%q) = %+v, %v", p, back, err)
		}
		sameKind := p.InSnapshot() == q.InSnapshot()
		if p.DB == q.DB && sameKind && p.Spool == q.Spool || p.Gen != q.Gen || p.Offset != q.Offset {
			if c := p.Compare(q); c != 0 && c != strings.Compare(p.String(), q.String()) {
				t.Fatalf("text order of %s and %s is not Compare's %d", p, q, c)
			}
		}
	})
}

func TestPositionAppendDoesNotAllocate(t *testing.T) {
	p := change.Position{Gen: 1795311158, Offset: 1 << 60, DB: 15, ReplID: replid, Count: 12}
	buf := make([]byte, 0, 256)
	if n := testing.AllocsPerRun(100, func() { buf = p.Append(buf[:0]) }); n != 0 {
		t.Errorf("Append allocates %v times", n)
	}
}
