package replay_test

import (
	"errors"
	"fmt"
	"strings"
	"testing"

	"pgregory.net/rapid"

	"keyfeed/internal/replay"
)

// Events are dealt to partitions, some of them to all, partitions repeat a piece of what they had; whatever order the
// partitions arrive in, the sequence comes out whole, ordered and without repeats, and never too early.
func TestMergerRestoresTheOrder(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		inputs := rapid.IntRange(1, 4).Draw(t, "inputs")
		total := rapid.IntRange(0, 60).Draw(t, "total")
		parts := make([][]string, inputs)
		for i := range total {
			line := fmt.Sprintf(`{"v":1,"id":"%010d:%020d:0000000000","op":"u"}`, 1, i)
			to := rapid.IntRange(-1, inputs-1).Draw(t, "to")
			for p := range inputs {
				if to == p || to < 0 {
					parts[p] = append(parts[p], line)
				}
			}
			p := rapid.IntRange(0, inputs-1).Draw(t, "repeating")
			if back := rapid.IntRange(0, 3).Draw(t, "back"); back > 0 && back <= len(parts[p]) {
				parts[p] = append(parts[p], parts[p][len(parts[p])-back:]...)
			}
		}
		m := replay.NewMerger(inputs)
		var got []string
		take := func() {
			for {
				line, ok := m.Next()
				if !ok {
					return
				}
				got = append(got, string(line))
			}
		}
		left := 0
		for _, p := range parts {
			left += len(p)
		}
		for ; left > 0; left-- {
			p := rapid.IntRange(0, inputs-1).Filter(func(p int) bool { return len(parts[p]) > 0 }).Draw(t, "arrives")
			if err := m.Add(p, []byte(parts[p][0])); err != nil {
				t.Fatal(err)
			}
			parts[p] = parts[p][1:]
			if rapid.Bool().Draw(t, "take") {
				take()
			}
		}
		for p := range inputs {
			m.End(p)
		}
		take()
		if len(got) != total {
			t.Fatalf("%d lines came out, want %d", len(got), total)
		}
		for i := 1; i < len(got); i++ {
			if got[i-1] >= got[i] {
				t.Fatalf("%s before %s", got[i-1], got[i])
			}
		}
	})
}

// Reading only what Wanting asks for gives everything.
func TestMergerWanting(t *testing.T) {
	inputs := [][]string{{"a", "d", "e"}, {}, {"b", "c", "f"}}
	m := replay.NewMerger(len(inputs))
	var got []string
	for {
		if line, ok := m.Next(); ok {
			id, err := replay.LineID(line)
			if err != nil {
				t.Fatal(err)
			}
			got = append(got, id)
			continue
		}
		i := m.Wanting()
		if i < 0 {
			break
		}
		if len(inputs[i]) == 0 {
			m.End(i)
			continue
		}
		if err := m.Add(i, fmt.Appendf(nil, `{"v":1,"id":%q}`, inputs[i][0])); err != nil {
			t.Fatal(err)
		}
		inputs[i] = inputs[i][1:]
	}
	if want := "a b c d e f"; strings.Join(got, " ") != want {
		t.Errorf("got %s, want %s", got, want)
	}
}

func TestLineID(t *testing.T) {
	tests := []struct {
		line, want string
		bad        bool
	}{
		{line: `{"v":1,"id":"0000000001:5:0","op":"r"}`, want: "0000000001:5:0"},
		{line: `{"v":1,"op":"r","id":"a:b"}`, want: "a:b"},
		{line: `{"v":1,"id":"\u0061:b"}`, want: "a:b"},
		{line: `{"v":1}`, bad: true},
		{line: `{"v":1,"id":""}`, bad: true},
		{line: `{"v":1,"id":"x`, bad: true},
		{line: ``, bad: true},
	}
	for _, tt := range tests {
		got, err := replay.LineID([]byte(tt.line))
		if got != tt.want || tt.bad != errors.Is(err, replay.ErrEvent) {
			t.Errorf("LineID(%s) = %q, %v", tt.line, got, err)
		}
	}
}
