package kafka

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kerr"
)

const (
	// defaultMaxMessage is the broker's default of max.message.bytes, for brokers that do not tell.
	defaultMaxMessage = 1048588
	// defaultBatchBytes bounds the batches of the progress topic: some less than that, as producers have it by default.
	defaultBatchBytes = 1_000_012
)

// topic is one topic of events, as it was when the sink found it.
type topic struct {
	name       string
	id         string // empty where the broker has no topic ids (before Kafka 2.8)
	partitions int32
	maxMessage int32          // max.message.bytes, bounded by maxBatchBytes
	last       []atomic.Int64 // last acknowledged offset by partition, -1 = none
}

// topics are the topics that the sink knows: those of its progress, that of database 0, and every one written to since.
type topics struct {
	cfg   Config
	adm   *kadm.Client
	names template

	mu     sync.RWMutex // guards byName: the pump adds, the client's goroutines and the commit loop read
	byName map[string]*topic
}

func newTopics(cfg Config, adm *kadm.Client, names template) *topics {
	return &topics{cfg: cfg, adm: adm, names: names, byName: map[string]*topic{}}
}

// all returns the known topics, by name.
func (ts *topics) all() []*topic {
	ts.mu.RLock()
	defer ts.mu.RUnlock()
	out := make([]*topic, 0, len(ts.byName))
	for _, name := range slices.Sorted(maps.Keys(ts.byName)) {
		out = append(out, ts.byName[name])
	}
	return out
}

func (ts *topics) known(name string) *topic {
	ts.mu.RLock()
	defer ts.mu.RUnlock()
	return ts.byName[name]
}

// batchBytes is the limit of a record batch for the client: the topic's, since a batch is what a broker measures.
func (ts *topics) batchBytes(name string) int32 {
	if t := ts.known(name); t != nil {
		return t.maxMessage
	}
	return defaultBatchBytes // the client asks for the progress topic, and once for no topic to check its settings
}

// get returns the topic for the events of a database, and finds or creates it the first time.
func (ts *topics) get(ctx context.Context, db int32) (*topic, error) {
	name := ts.names.of(db)
	if t := ts.known(name); t != nil {
		return t, nil
	}
	return ts.add(ctx, name)
}

// add finds or creates a topic of events.
func (ts *topics) add(ctx context.Context, name string) (*topic, error) {
	detail, err := ts.ensure(ctx, name, ts.cfg.Partitions, map[string]string{"cleanup.policy": "delete"})
	if err != nil {
		return nil, err
	}
	settings, err := ts.settings(ctx, name)
	if err != nil {
		return nil, err
	}
	if strings.Contains(settings["cleanup.policy"], "compact") {
		return nil, operator(fmt.Errorf("topic %s has cleanup.policy=%s, which would drop events of a key and mix the databases",
			name, settings["cleanup.policy"]), "set cleanup.policy=delete or name another KEYFEED_KAFKA_TOPIC")
	}
	maxMessage := int64(defaultMaxMessage)
	if n, err := strconv.ParseInt(settings["max.message.bytes"], 10, 64); err == nil && n > 0 {
		maxMessage = n
	}
	t := &topic{
		name:       name,
		partitions: int32(len(detail.Partitions)),
		maxMessage: int32(min(maxMessage, maxBatchBytes)),
		last:       make([]atomic.Int64, len(detail.Partitions)),
	}
	if detail.ID != (kadm.TopicID{}) {
		t.id = detail.ID.String()
	}
	for i := range t.last {
		t.last[i].Store(-1)
	}
	ts.mu.Lock()
	defer ts.mu.Unlock()
	ts.byName[name] = t
	return t, nil
}

// addProgress finds or creates the topic of progress records and checks that it keeps them.
func (ts *topics) addProgress(ctx context.Context) error {
	name := ts.cfg.ProgressTopic
	detail, err := ts.ensure(ctx, name, 1, map[string]string{
		"cleanup.policy": "compact",
		// Only closed segments are compacted; small ones keep the topic, and the search for its newest records, short.
		"segment.ms":    "600000",
		"segment.bytes": "16777216",
	})
	if err != nil {
		return err
	}
	if n := len(detail.Partitions); n != 1 {
		return operator(fmt.Errorf("progress topic %s has %d partitions", name, n), "give it one, or name another KEYFEED_KAFKA_PROGRESS_TOPIC")
	}
	settings, err := ts.settings(ctx, name)
	if err != nil {
		return err
	}
	if policy := settings["cleanup.policy"]; policy != "" && policy != "compact" {
		return operator(fmt.Errorf("progress topic %s has cleanup.policy=%s, which forgets the position of an idle source", name, policy),
			"set cleanup.policy=compact, or name another KEYFEED_KAFKA_PROGRESS_TOPIC")
	}
	return nil
}

// ensure returns the topic once all of its partitions have leaders, and creates it where it is missing and the
// configuration allows that.
func (ts *topics) ensure(ctx context.Context, name string, partitions int32, configs map[string]string) (kadm.TopicDetail, error) {
	created := false
	for pause := 20 * time.Millisecond; ; pause = min(2*pause, time.Second) {
		meta, err := ts.adm.Metadata(ctx, name)
		if err != nil {
			return kadm.TopicDetail{}, fmt.Errorf("asking for topic %s: %w", name, err)
		}
		detail := meta.Topics[name]
		missing := errors.Is(detail.Err, kerr.UnknownTopicOrPartition)
		switch {
		case detail.Err == nil && hasLeaders(detail):
			return detail, nil
		case missing && !ts.cfg.CreateTopics:
			return detail, classify(fmt.Errorf("topic %s: %w", name, detail.Err), false)
		case missing && !created:
			if err := ts.create(ctx, name, partitions, configs); err != nil {
				return detail, err
			}
			created = true
		case detail.Err != nil && !missing && !kerr.IsRetriable(detail.Err):
			return detail, fmt.Errorf("asking for topic %s: %w", name, detail.Err)
		}
		if err := sleep(ctx, pause); err != nil {
			return detail, fmt.Errorf("waiting for the leaders of topic %s: %w", name, err)
		}
	}
}

func (ts *topics) create(ctx context.Context, name string, partitions int32, configs map[string]string) error {
	replication := ts.cfg.Replication
	if replication == 0 {
		replication = -1 // as the broker says
	}
	if partitions == 0 {
		partitions = -1
	}
	values := map[string]*string{}
	for key, value := range configs {
		values[key] = new(value)
	}
	answers, err := ts.adm.CreateTopics(ctx, partitions, replication, values, name)
	if err != nil {
		return fmt.Errorf("creating topic %s: %w", name, err)
	}
	answer := answers[name]
	switch {
	case answer.Err == nil:
		ts.cfg.Logger.InfoContext(ctx, "topic created", "topic", name)
		return nil
	case errors.Is(answer.Err, kerr.TopicAlreadyExists):
		return nil // by another process, just now
	default:
		return fmt.Errorf("creating topic %s: %w %s", name, answer.Err, answer.ErrMessage)
	}
}

func hasLeaders(detail kadm.TopicDetail) bool {
	for _, p := range detail.Partitions {
		if p.Err != nil || p.Leader < 0 {
			return false
		}
	}
	return len(detail.Partitions) > 0
}

// settings returns the configuration of a topic.
func (ts *topics) settings(ctx context.Context, name string) (map[string]string, error) {
	var of kadm.ResourceConfig
	err := retry(ctx, func() error {
		all, err := ts.adm.DescribeTopicConfigs(ctx, name)
		if err != nil {
			return err
		}
		of, err = all.On(name, nil)
		return errors.Join(err, of.Err)
	})
	if err != nil {
		return nil, fmt.Errorf("asking for the settings of topic %s: %w", name, err)
	}
	out := make(map[string]string, len(of.Configs))
	for _, c := range of.Configs {
		out[c.Key] = c.MaybeValue()
	}
	return out, nil
}
