package kafka

import (
	"encoding/json"
	"errors"
	"fmt"
	"time"

	"github.com/twmb/franz-go/pkg/kgo"

	"keyfeed/internal/change"
)

// progressVersion is the version of the progress record; another one is refused.
const progressVersion = 1

// progress is the value of a progress record; the package documentation describes its fields.
type progress struct {
	Version  int    `json:"v"`
	Source   string `json:"source"`
	Position string `json:"position"`
	Settings string `json:"settings,omitempty"` // of a position inside a unit
	Instance string `json:"instance"`
	Epoch    int64  `json:"epoch"`
	Commit   int64  `json:"commit"`
	TsMs     int64  `json:"ts_ms"`

	AtLeastOnce bool `json:"at_least_once,omitempty"`

	Topics []topicProgress `json:"topics"`

	position change.Position // Position, parsed
}

// topicProgress is what one topic held when the progress record was written.
type topicProgress struct {
	Name       string  `json:"name"`
	ID         string  `json:"id,omitempty"`
	Partitions int32   `json:"partitions"`
	Last       []int64 `json:"last"` // last stored offset by partition, -1 = none yet
}

func (p *progress) encode() ([]byte, error) {
	out, err := json.Marshal(p)
	if err != nil {
		return nil, fmt.Errorf("encoding the progress record: %w", err)
	}
	return out, nil
}

// parseProgress reads a progress record. A record that does not parse was written by something else or by a newer
// keyfeed; going on from an older one would repeat or lose events unseen, so it is an error.
func parseProgress(value []byte, source string) (*progress, error) {
	var p progress
	if err := json.Unmarshal(value, &p); err != nil {
		return nil, fmt.Errorf("parsing the progress record: %w", err)
	}
	switch {
	case p.Version != progressVersion:
		return nil, fmt.Errorf("the progress record has version %d, this keyfeed knows %d", p.Version, progressVersion)
	case p.Source != source:
		return nil, fmt.Errorf("the progress record is of source %q, not %q", p.Source, source)
	case len(p.Topics) == 0:
		return nil, errors.New("the progress record names no topic")
	}
	for _, t := range p.Topics {
		if t.Partitions <= 0 || int(t.Partitions) != len(t.Last) {
			return nil, fmt.Errorf("the progress record has %d offsets for the %d partitions of topic %s", len(t.Last), t.Partitions, t.Name)
		}
	}
	var err error
	if p.position, err = change.ParsePosition(p.Position); err != nil {
		return nil, fmt.Errorf("parsing the progress record: %w", err)
	}
	p.position.Settings = p.Settings
	return &p, nil
}

// progressRecord makes the record that says: everything up to pos is stored, and this is where the topics end. n counts
// the records of the session.
func (e *session) progressRecord(pos change.Position, n int64) (*kgo.Record, error) {
	p := progress{
		Version:  progressVersion,
		Source:   e.sink.cfg.Source,
		Position: pos.String(),
		Instance: e.sink.instance,
		Epoch:    e.sink.epoch,
		Commit:   n,
		TsMs:     time.Now().UnixMilli(),

		AtLeastOnce: e.sink.cfg.AtLeastOnce,

		Topics: e.topics.progress(),
	}
	if pos.InUnit() { // elsewhere it counts nothing
		p.Settings = pos.Settings
	}
	value, err := p.encode()
	if err != nil {
		return nil, err
	}
	return &kgo.Record{Topic: e.sink.cfg.ProgressTopic, Partition: 0, Key: []byte(e.sink.cfg.Source), Value: value}, nil
}

// progress tells what the known topics hold. With delivery at least once an offset may belong to a record after the
// position that the progress record carries; it is stored all the same.
func (ts *topics) progress() []topicProgress {
	var out []topicProgress
	for _, t := range ts.all() {
		p := topicProgress{Name: t.name, ID: t.id, Partitions: t.partitions, Last: make([]int64, t.partitions)}
		for i := range p.Last {
			p.Last[i] = t.last[i].Load()
		}
		out = append(out, p)
	}
	return out
}
