package kafka

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"time"

	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kgo"

	"keyfeed/sinks"
)

// Record is a stored event as Read hands it over. Its slices belong to the receiver.
type Record struct {
	Topic     string
	Partition int32
	Offset    int64 // in the partition
	Timestamp time.Time
	Key       []byte // nil on the copies of a broadcast event
	Value     []byte // the JSON event
	Headers   []Header
}

// Header is one header of a Record.
type Header struct {
	Key   string
	Value []byte
}

// IsBroadcast reports whether the record is one of the copies of an event that goes to every partition.
func (r Record) IsBroadcast() bool {
	for _, h := range r.Headers {
		if h.Key == broadcastHeader {
			return true
		}
	}
	return false
}

// ReadOptions says what Read reads. The zero value reads everything from the start, copies included, and goes on for
// ever.
type ReadOptions struct {
	// FromEnd starts at the end of each partition, the newest Last records before it: fewer only where more transactions
	// ended there than events were stored. That many records are held in memory at the start.
	FromEnd bool
	Last    int64

	// OneCopy drops the copies of broadcast events in all partitions but the first.
	OneCopy bool

	// UntilEnd ends Read, with nil, at what was the end when it began, once the transactions that were open then have
	// ended; otherwise it waits for new records.
	UntilEnd bool

	// From is, by partition, the offset to begin with: the first one there is after it where it is gone, and the oldest one
	// where the partition has not come to it, since it is then not the partition that the offset was of. Not with FromEnd.
	From map[int32]int64

	// Follower, when not nil, hears how the partitions come along. The source must have one topic. Records that the topic
	// drops before they were read are an error then.
	Follower Follower
}

// Follower puts the records of several partitions in order, which needs to know of them all. Its methods are called by
// Read's goroutine.
type Follower interface {
	// Begin tells of the partitions, in their order, before the first record.
	Begin(partitions []int32)
	// Full reports whether enough of a partition is waiting: it is not fetched until Full says otherwise.
	Full(partition int32) bool
	// End says that a partition will bring no more, with UntilEnd.
	End(partition int32)
}

// ErrNoTopic is wrapped when Read finds no topic of the source: nothing was ever written there.
var ErrNoTopic = errors.New("there is no such topic yet")

// Read reads the topics of a source, read_committed, and calls fn with each record: in order within a partition, and in
// no order between partitions. It returns when ctx ends, with its cause; with the error of fn; or as UntilEnd says. It
// needs no Sink and changes nothing.
func Read(ctx context.Context, cfg Config, opts ReadOptions, fn func(Record) error) error {
	cfg, err := cfg.withDefaults()
	if err != nil {
		return fmt.Errorf("configuring the Kafka reader: %w", err)
	}
	r := reader{cfg: cfg, opts: opts, fn: fn, ends: map[partitionID]int64{}, held: map[partitionID][]Record{}}
	if err := r.read(ctx); err != nil {
		return fmt.Errorf("reading from Kafka: %w", classify(err, cfg.CreateTopics))
	}
	return nil
}

// partitionID is a partition of a topic.
type partitionID struct {
	topic     string
	partition int32
}

// reader is one call of Read.
type reader struct {
	cfg  Config
	opts ReadOptions
	fn   func(Record) error
	ends map[partitionID]int64 // partitions that are not read to what was their end when Read began
	held map[partitionID][]Record
	// held are, with FromEnd, the newest records of a partition of ends: a transaction's marker takes an offset too, so
	// only its end tells which ones are the last.
	followed []partitionID // that the follower knows
}

func (r *reader) read(ctx context.Context) error {
	opts := []kgo.Opt{
		kgo.FetchIsolationLevel(kgo.ReadCommitted()),
		kgo.KeepControlRecords(), // the last offset of a partition may be a transaction's marker
		kgo.FetchMaxWait(500 * time.Millisecond),
	}
	if r.opts.Follower != nil { // what retention drops before it was read must be an error, not a hole
		opts = append(opts, kgo.ConsumeResetOffset(kgo.NoResetOffset()))
	}
	cl, err := newClient(r.cfg, opts...)
	if err != nil {
		return err
	}
	defer cl.Close()
	from, err := r.offsets(ctx, kadm.NewClient(cl))
	if err != nil {
		return err
	}
	if err := r.begin(from); err != nil {
		return err
	}
	if r.opts.UntilEnd && len(r.ends) == 0 {
		return nil
	}
	cl.AddConsumePartitions(from)
	for {
		r.pause(cl)
		fetches := cl.PollFetches(ctx)
		if ctx.Err() != nil {
			return context.Cause(ctx)
		}
		if err := fetches.Err(); err != nil {
			return err
		}
		for it := fetches.RecordIter(); !it.Done(); {
			if err := r.hand(it.Next()); err != nil {
				return err
			}
		}
		if r.opts.UntilEnd && len(r.ends) == 0 {
			return nil
		}
	}
}

// begin tells the follower of the partitions, and which of them are empty.
func (r *reader) begin(from map[string]map[int32]kgo.Offset) error {
	if r.opts.Follower == nil {
		return nil
	}
	if len(from) != 1 {
		return fmt.Errorf("%w: the events are in %d topics, which cannot be put in order: only a topic without {db} can be read so", sinks.ErrConfig, len(from))
	}
	for topic, partitions := range from {
		all := slices.Sorted(maps.Keys(partitions))
		r.opts.Follower.Begin(all)
		for _, p := range all {
			if _, more := r.ends[partitionID{topic, p}]; !more && r.opts.UntilEnd {
				r.opts.Follower.End(p)
			}
			r.followed = append(r.followed, partitionID{topic, p})
		}
	}
	return nil
}

// pause keeps partitions of which enough is waiting from being fetched.
func (r *reader) pause(cl *kgo.Client) {
	full, free := map[string][]int32{}, map[string][]int32{}
	for _, at := range r.followed {
		if r.opts.Follower.Full(at.partition) {
			full[at.topic] = append(full[at.topic], at.partition)
		} else {
			free[at.topic] = append(free[at.topic], at.partition)
		}
	}
	cl.ResumeFetchPartitions(free)
	cl.PauseFetchPartitions(full)
}

// offsets decides where to start and, with UntilEnd, where to stop.
func (r *reader) offsets(ctx context.Context, adm *kadm.Client) (map[string]map[int32]kgo.Offset, error) {
	topics, err := r.topics(ctx, adm)
	if err != nil {
		return nil, err
	}
	starts, err := adm.ListStartOffsets(ctx, topics...)
	if err == nil {
		err = starts.Error()
	}
	if err != nil {
		return nil, fmt.Errorf("asking where the topics start: %w", err)
	}
	// Uncommitted: a commit that its writer knows of may still be on its way to the partitions.
	ends, err := adm.ListEndOffsets(ctx, topics...)
	if err == nil {
		err = ends.Error()
	}
	if err != nil {
		return nil, fmt.Errorf("asking where the topics end: %w", err)
	}
	from := map[string]map[int32]kgo.Offset{}
	starts.Each(func(start kadm.ListedOffset) {
		end, _ := ends.Lookup(start.Topic, start.Partition)
		at := start.Offset
		if r.opts.FromEnd {
			at = max(start.Offset, end.Offset-2*r.opts.Last) // an event and the marker behind it
		} else if from, ok := r.opts.From[start.Partition]; ok && from < end.Offset {
			at = max(start.Offset, from)
		}
		if from[start.Topic] == nil {
			from[start.Topic] = map[int32]kgo.Offset{}
		}
		from[start.Topic][start.Partition] = kgo.NewOffset().At(at)
		if at < end.Offset {
			r.ends[partitionID{start.Topic, start.Partition}] = end.Offset
		}
	})
	return from, nil
}

func (r *reader) topics(ctx context.Context, adm *kadm.Client) ([]string, error) {
	names, err := parseTemplate(r.cfg.Topic, r.cfg.Source)
	if err != nil {
		return nil, err
	}
	all, err := adm.ListTopics(ctx)
	if err != nil {
		return nil, fmt.Errorf("asking for the topics: %w", err)
	}
	var out []string
	for _, name := range all.Names() {
		if names.matches(name) {
			out = append(out, name)
		}
	}
	if len(out) == 0 {
		return nil, fmt.Errorf("topic %s: %w", names.of(0), ErrNoTopic)
	}
	return out, nil
}

func (r *reader) hand(rec *kgo.Record) error {
	at := partitionID{rec.Topic, rec.Partition}
	end, before := r.ends[at]
	out, ok := r.event(rec)
	if !before {
		return r.give(out, ok && !r.opts.UntilEnd)
	}
	switch {
	case rec.Offset >= end: // what lay before was aborted
		ok = ok && !r.opts.UntilEnd
	case r.opts.FromEnd:
		r.hold(at, out, ok)
		ok = false
	}
	if rec.Offset+1 >= end {
		delete(r.ends, at)
		if r.opts.Follower != nil && r.opts.UntilEnd {
			defer r.opts.Follower.End(at.partition)
		}
		for _, held := range r.held[at] {
			if err := r.give(held, true); err != nil {
				return err
			}
		}
		delete(r.held, at)
	}
	return r.give(out, ok)
}

func (r *reader) hold(at partitionID, rec Record, ok bool) {
	if !ok {
		return
	}
	r.held[at] = append(r.held[at], rec)
	if n := len(r.held[at]); int64(n) > r.opts.Last {
		r.held[at] = r.held[at][int64(n)-r.opts.Last:]
	}
}

func (r *reader) give(rec Record, ok bool) error {
	if !ok || r.opts.OneCopy && rec.Partition != 0 && rec.IsBroadcast() {
		return nil
	}
	return r.fn(rec)
}

// event reports false for a transaction's marker.
func (r *reader) event(rec *kgo.Record) (Record, bool) {
	if rec.Attrs.IsControl() {
		return Record{}, false
	}
	out := Record{
		Topic: rec.Topic, Partition: rec.Partition, Offset: rec.Offset, Timestamp: rec.Timestamp, Key: rec.Key, Value: rec.Value,
	}
	for _, h := range rec.Headers {
		out.Headers = append(out.Headers, Header{Key: h.Key, Value: h.Value})
	}
	return out, true
}
