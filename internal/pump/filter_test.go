package pump_test

import (
	"testing"

	"keyfeed/internal/event"
	"keyfeed/internal/pump"
)

func TestFilter(t *testing.T) {
	key := func(db int, k string) *event.Event {
		return &event.Event{Op: event.OpUpdate, DB: db, IsKey: true, Key: []byte(k)}
	}
	tests := []struct {
		name string
		f    pump.Filter
		e    *event.Event
		want bool
	}{
		{"zero keeps", pump.Filter{}, key(0, "a"), true},
		{"include hits", pump.Filter{Include: []string{"user:*"}}, key(0, "user:1"), true},
		{"include misses", pump.Filter{Include: []string{"user:*"}}, key(0, "order:1"), false},
		{"second include hits", pump.Filter{Include: []string{"x", "order:?"}}, key(0, "order:1"), true},
		{"exclude wins", pump.Filter{Include: []string{"*"}, Exclude: []string{"cache:*"}}, key(0, "cache:1"), false},
		{"star backtracks", pump.Filter{Include: []string{"*ab*cd"}}, key(0, "aabxabcxcd"), true},
		{"star needs the end", pump.Filter{Include: []string{"*ab"}}, key(0, "abx"), false},
		{"class", pump.Filter{Include: []string{"h[ae-g]llo"}}, key(0, "hfllo"), true},
		{"class misses", pump.Filter{Include: []string{"h[ae-g]llo"}}, key(0, "hbllo"), false},
		{"negated class", pump.Filter{Include: []string{"h[^e]llo"}}, key(0, "hello"), false},
		{"escaped star", pump.Filter{Include: []string{`a\*`}}, key(0, "ab"), false},
		{"escaped star hits", pump.Filter{Include: []string{`a\*`}}, key(0, "a*"), true},
		{"binary", pump.Filter{Include: []string{"?\xff"}}, key(0, "\x00\xff"), true},
		{"empty key", pump.Filter{Include: []string{"*"}}, key(0, ""), true},
		{"open class", pump.Filter{Include: []string{"[a"}}, key(0, "a"), true},
		{"db hits", pump.Filter{DBs: []int{1, 2}}, key(2, "a"), true},
		{"db misses", pump.Filter{DBs: []int{1, 2}}, key(0, "a"), false},
		{"flush of another db", pump.Filter{DBs: []int{1}}, &event.Event{Op: event.OpTruncate, DB: 0}, false},
		{"flush of all", pump.Filter{DBs: []int{1}}, &event.Event{Op: event.OpTruncate, DB: event.NoDB}, true},
		{"markers stay", pump.Filter{DBs: []int{1}, DropUnknown: true}, &event.Event{Op: event.OpMessage, Kind: event.KindSnapshotEnd, DB: event.NoDB}, true},
		{"unknown dropped", pump.Filter{DropUnknown: true}, &event.Event{Op: event.OpMessage, Kind: event.KindUnknown, DB: 0}, false},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			if got := tt.f.Keep(tt.e); got != tt.want {
				t.Errorf("Keep = %v, want %v", got, tt.want)
			}
		})
	}
}
