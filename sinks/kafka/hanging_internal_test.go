package kafka

import (
	"maps"
	"testing"
)

func TestEndedPartitions(t *testing.T) {
	at := func(name string, last ...int64) topicProgress { return topicProgress{Name: name, Last: last} }
	tests := []struct {
		name         string
		before, next []topicProgress
		hangs        []partitionID
		want         map[partitionID]int64
	}{
		{"all hang", []topicProgress{at("a", 5, 7)}, []topicProgress{at("a", 9, 8)}, []partitionID{{"a", 0}, {"a", 1}}, nil},
		{"one has its marker", []topicProgress{at("a", 5, 7)}, []topicProgress{at("a", 9, 8)}, []partitionID{{"a", 1}}, map[partitionID]int64{{"a", 0}: 9}},
		{"one got nothing", []topicProgress{at("a", 5, 7)}, []topicProgress{at("a", 5, 8)}, []partitionID{{"a", 1}}, nil},
		{"the first of all", nil, []topicProgress{at("a", -1, 0)}, nil, map[partitionID]int64{{"a", 1}: 0}},
		{"a new topic", []topicProgress{at("a", 5)}, []topicProgress{at("a", 5), at("b", 3)}, []partitionID{{"a", 0}}, map[partitionID]int64{{"b", 0}: 3}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			hangs := map[partitionID]bool{}
			for _, h := range tt.hangs {
				hangs[h] = true
			}
			got := ended(&progress{Topics: tt.before}, &progress{Topics: tt.next}, hangs)
			if !maps.Equal(got, tt.want) {
				t.Errorf("got %v, want %v", got, tt.want)
			}
		})
	}
}
