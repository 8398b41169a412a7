package kafka_test

import (
	"errors"
	"fmt"
	"slices"
	"testing"

	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kerr"

	"keyfeed/sinks"
	"keyfeed/sinks/kafka"
)

// oneByOne wants the partitions one after the other: nothing of the next before the end of the one before.
type oneByOne struct {
	begun    []int32
	ended    []int32
	tooEarly int
}

func (f *oneByOne) Begin(partitions []int32) { f.begun = partitions }

func (f *oneByOne) Full(partition int32) bool { return int(partition) > len(f.ended) }

func (f *oneByOne) End(partition int32) { f.ended = append(f.ended, partition) }

// A follower hears of every partition, holds back those it has enough of, and is told of the end of each.
func TestFollower(t *testing.T) {
	cfg := config("redis", cluster(t).ListenAddrs()...)
	s := opened(t, cfg)
	mustWrite(t, s, events(0, 300))
	mustFlush(t, s)
	all := counts(records(t, cfg, kafka.ReadOptions{}))

	f := &oneByOne{}
	var got []kafka.Record
	err := kafka.Read(within(t), cfg, kafka.ReadOptions{UntilEnd: true, Follower: f}, func(r kafka.Record) error {
		if f.Full(r.Partition) {
			f.tooEarly++
		}
		got = append(got, r)
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	want := make([]int32, partitions)
	for p := range want {
		want[p] = int32(p)
	}
	if !slices.Equal(f.begun, want) || !slices.Equal(f.ended, want) || f.tooEarly > 0 {
		t.Errorf("partitions %v, ended %v, %d records came of partitions that were full", f.begun, f.ended, f.tooEarly)
	}
	if n := counts(got); len(n) != len(all) || len(got) != 300 {
		t.Errorf("%d records with %d values, want 300 with %d", len(got), len(n), len(all))
	}

	// From an offset on, and from the start where the partition has not come to it.
	last := got[len(got)-1]
	from := map[int32]int64{last.Partition: last.Offset, 0: 1 << 40}
	perPartition := map[int32]int{}
	for _, r := range records(t, cfg, kafka.ReadOptions{From: from}) {
		perPartition[r.Partition]++
	}
	for p, n := range perPartition {
		wanted := 0
		for _, r := range got {
			if r.Partition == p {
				wanted++
			}
		}
		if p == last.Partition && p != 0 {
			wanted = 1
		}
		if n != wanted {
			t.Errorf("partition %d gave %d records, want %d (%s)", p, n, wanted, fmt.Sprint(from))
		}
	}

	// Several topics have no order.
	cfg = config("many", cfg.Brokers...)
	cfg.Topic = "keyfeed.many.{db}"
	s = opened(t, cfg)
	mustWrite(t, s, batch(event(1, 0), event(2, 1)))
	mustFlush(t, s)
	if err := kafka.Read(within(t), cfg, kafka.ReadOptions{Follower: f}, nil); err == nil {
		t.Error("two topics were taken")
	}
}

// forgetting deletes the first records of the topic after Read has decided to begin with them.
type forgetting struct {
	oneByOne

	forget func(partition int32)
}

func (f *forgetting) Begin(partitions []int32) {
	for _, p := range partitions {
		f.forget(p)
	}
}

func (*forgetting) Full(int32) bool { return false }

// What is dropped before it was read is an error for a follower, and no hole.
func TestFollowerHearsOfWhatWasDropped(t *testing.T) {
	cfg := config("redis", cluster(t).ListenAddrs()...)
	s := opened(t, cfg)
	mustWrite(t, s, events(0, 300))
	mustFlush(t, s)
	adm := kadm.NewClient(client(t, cfg))
	f := &forgetting{forget: func(p int32) {
		offsets := kadm.Offsets{}
		offsets.AddOffset("keyfeed.redis", p, 5, -1)
		if _, err := adm.DeleteRecords(within(t), offsets); err != nil {
			t.Fatal(err)
		}
	}}
	err := kafka.Read(within(t), cfg, kafka.ReadOptions{Follower: f}, func(kafka.Record) error { return nil })
	if !errors.Is(err, kerr.OffsetOutOfRange) || errors.Is(err, sinks.ErrConfig) {
		t.Errorf("Read ended with %v, want that the offset is out of range, which another Read heals", err)
	}
}
