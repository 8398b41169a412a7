package kafka

import (
	"context"
	"encoding/json"
	"fmt"
	"strings"

	"github.com/twmb/franz-go/pkg/kgo"
)

// checkTails holds the ends of the topics against the progress record (invariant 2): the last event that it names is there
// for a consumer, and none comes behind it. A broker that was cut off the power may lack what it had acknowledged: an
// event, the marker that shows it, or the newest progress records, without which events would be published twice.
//
// Events behind the record are what a crash leaves with delivery at least once; they count as stored from here on. Only own
// events count, and where other sources may write to the topic nothing is read behind the last one: that could be
// anything, of any size. What retention has deleted cannot be held against anything.
func (e *session) checkTails(ctx context.Context, p *progress) error {
	cfg := &e.sink.cfg
	exact, shared := !p.AtLeastOnce && !cfg.AtLeastOnce, !strings.Contains(cfg.Topic, "{source}")
	for _, was := range p.Topics {
		t := e.topics.known(was.Name)
		starts, err := offsetsOf(ctx, e.topics.adm.ListStartOffsets, t.name, len(was.Last))
		if err != nil {
			return fmt.Errorf("asking where topic %s starts: %w", t.name, err)
		}
		ends, err := offsetsOf(ctx, e.topics.adm.ListCommittedOffsets, t.name, len(was.Last))
		if err != nil {
			return fmt.Errorf("asking where topic %s ends: %w", t.name, err)
		}
		for i, last := range was.Last {
			partition := int32(i)
			if last < starts[i] || last >= ends[i] { // none yet, deleted, or behind an open transaction of somebody else
				continue
			}
			end := ends[i]
			if shared {
				end = last + 1
			}
			r := &progressReader{cl: e.cl, adm: e.topics.adm, topic: t.name, partition: partition}
			there, newest, err := r.ownFrom(ctx, cfg.Source, last, end)
			switch {
			case err != nil:
				return fmt.Errorf("reading the end of partition %d of topic %s: %w", partition, t.name, err)
			case !there:
				return lost("partition %d of topic %s does not show offset %d, although it was committed: Kafka has lost records or markers",
					partition, t.name, last)
			case newest > last && exact:
				return lost("partition %d of topic %s holds events of source %s up to offset %d, but topic %s knows of %d only: "+
					"it has lost its newest records", partition, t.name, cfg.Source, newest, cfg.ProgressTopic, last)
			}
			t.last[i].Store(max(last, newest))
		}
	}
	return nil
}

// ownFrom reads what is committed from offset to end. It reports whether the record at offset is there, and the offset of
// the last event of the source behind it, 0 for none.
func (r *progressReader) ownFrom(ctx context.Context, source string, offset, end int64) (there bool, newest int64, err error) {
	for at := offset; at < end; {
		part, next, err := r.fetchOnce(ctx, at, kgo.ReadCommitted())
		if err != nil {
			return false, 0, err
		}
		for _, rec := range part.Records {
			if rec.Offset == offset {
				there = true
			} else if rec.Offset < end && isOf(rec.Value, source) {
				newest = rec.Offset
			}
		}
		at = next
	}
	return there, newest, nil
}

// isOf reports whether value is an event of the source.
func isOf(value []byte, source string) bool {
	var event struct {
		Source struct {
			Name string `json:"name"`
		} `json:"source"`
	}
	return json.Unmarshal(value, &event) == nil && event.Source.Name == source
}
