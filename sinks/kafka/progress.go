package kafka

import (
	"encoding/json"
	"errors"
	"fmt"

	"keyfeed/internal/change"
)

// progressVersion is the version of the progress record; another one is refused.
const progressVersion = 1

// progress is the value of a progress record; the package documentation describes its fields.
type progress struct {
	Version  int             `json:"v"`
	Source   string          `json:"source"`
	Position string          `json:"position"`
	Instance string          `json:"instance"`
	Epoch    int64           `json:"epoch"`
	Commit   int64           `json:"commit"`
	TsMs     int64           `json:"ts_ms"`
	Topics   []topicProgress `json:"topics"`

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
	return &p, nil
}
