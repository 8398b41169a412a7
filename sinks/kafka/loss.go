package kafka

import (
	"context"
	"fmt"

	"keyfeed/sinks"
)

// restore takes over the topics of a progress record and checks that Kafka still holds what it says was stored
// (invariant 2): the same topics, with the same partitions, none shorter than it was.
func (ts *topics) restore(ctx context.Context, p *progress) error {
	for _, was := range p.Topics {
		if !ts.names.matches(was.Name) {
			return lost("topic %s, which the progress of source %s names, is none of KEYFEED_KAFKA_TOPIC", was.Name, p.Source)
		}
		t := ts.known(was.Name)
		if t == nil {
			found, err := ts.add(ctx, was.Name)
			if err != nil {
				return err
			}
			t = found
		}
		switch {
		case was.ID != "" && t.id != "" && was.ID != t.id:
			return lost("topic %s was deleted and made anew", t.name)
		case was.Partitions != t.partitions:
			return lost("topic %s has %d partitions, but %d when events were stored: keys would change their partition",
				t.name, t.partitions, was.Partitions)
		}
		ends, err := offsetsOf(ctx, ts.adm.ListEndOffsets, t.name, len(was.Last))
		if err != nil {
			return fmt.Errorf("asking where topic %s ends: %w", t.name, err)
		}
		for partition, last := range was.Last {
			if ends[partition] <= last {
				return lost("partition %d of topic %s ends at offset %d, but offset %d was stored: Kafka has lost records",
					partition, t.name, ends[partition], last)
			}
			t.last[partition].Store(last)
		}
	}
	return nil
}

func lost(format string, args ...any) error {
	return fmt.Errorf("%w: %w: %w; set KEYFEED_ON_SINK_LOSS=resync to publish everything anew",
		sinks.ErrConfig, sinks.ErrLost, fmt.Errorf(format, args...))
}
