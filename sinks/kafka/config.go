package kafka

import (
	"crypto/tls"
	"errors"
	"fmt"
	"log/slog"
	"regexp"
	"time"
)

// Config says which Kafka to write to and how. The zero value of a field marked with a default means that default.
type Config struct {
	Brokers []string // host:port, at least one; the others are found through it
	Source  string   // name of the source: {source} in Topic, and the key of the progress record

	Topic         string // template of the topics, default "keyfeed.{source}"; may hold {source} and {db}
	ProgressTopic string // default "_keyfeed.progress"

	// CreateTopics lets the sink create topics that are missing; without it a missing topic is an error for an operator.
	CreateTopics bool
	Partitions   int32 // of topics that the sink creates, 0 = as the broker says (num.partitions)
	Replication  int16 // of topics that the sink creates, 0 = as the broker says (default.replication.factor)

	Compression string // none, gzip, snappy, lz4 or zstd (default)
	ClientID    string // default "keyfeed"

	SASL SASL
	TLS  *tls.Config // nil = no TLS

	// AtLeastOnce leaves transactions away: an idempotent producer, and the progress after the events. The default is
	// delivery exactly once.
	AtLeastOnce bool

	CommitInterval  time.Duration // of a transaction, or between progress records, while events flow; default 100ms
	TxnMaxBytes     int           // of keys and values ends a transaction, and cuts a larger unit; default 16 MiB
	DeliveryTimeout time.Duration // an acknowledgement later than this fails the sink, default 30s

	MaxBufferedRecords int // bound of what is queued and not acknowledged, default 50000
	MaxBufferedBytes   int // the same in bytes of keys and values, default 64 MiB

	Logger *slog.Logger // default: discard
}

// SASL is how to log in. The zero value does not.
type SASL struct {
	Mechanism string // "plain", "scram-sha-256" or "scram-sha-512"; empty = no login
	Username  string
	Password  string
}

const (
	defaultTopic              = "keyfeed.{source}"
	defaultProgressTopic      = "_keyfeed.progress"
	defaultCompression        = "zstd"
	defaultClientID           = "keyfeed"
	defaultCommitInterval     = 100 * time.Millisecond
	defaultDeliveryTimeout    = 30 * time.Second
	defaultTxnMaxBytes        = 16 << 20
	defaultMaxBufferedRecords = 50_000
	defaultMaxBufferedBytes   = 64 << 20
)

// withDefaults returns c with its defaults filled in, and an error that names every problem.
func (c Config) withDefaults() (Config, error) {
	setDefault(&c.Topic, defaultTopic)
	setDefault(&c.ProgressTopic, defaultProgressTopic)
	setDefault(&c.Compression, defaultCompression)
	setDefault(&c.ClientID, defaultClientID)
	setDefault(&c.CommitInterval, defaultCommitInterval)
	setDefault(&c.TxnMaxBytes, defaultTxnMaxBytes)
	setDefault(&c.DeliveryTimeout, defaultDeliveryTimeout)
	setDefault(&c.MaxBufferedRecords, defaultMaxBufferedRecords)
	setDefault(&c.MaxBufferedBytes, defaultMaxBufferedBytes)
	setDefault(&c.Logger, slog.New(slog.DiscardHandler))
	return c, c.validate()
}

func setDefault[T comparable](field *T, value T) {
	var zero T
	if *field == zero {
		*field = value
	}
}

func (c Config) validate() error {
	var problems []error
	add := func(format string, args ...any) {
		problems = append(problems, fmt.Errorf(format, args...))
	}
	if len(c.Brokers) == 0 {
		add("no broker is named")
	}
	if c.Source == "" {
		add("the source has no name")
	}
	names, err := parseTemplate(c.Topic, c.Source)
	switch {
	case err != nil:
		problems = append(problems, err)
	case !validTopic(names.of(0)):
		add("topic %q: a topic is 1 to 249 of the characters a-z A-Z 0-9 . _ -", names.of(0))
	case c.ProgressTopic == names.of(0):
		add("events and progress cannot share the topic %q", c.ProgressTopic)
	}
	if !validTopic(c.ProgressTopic) {
		add("progress topic %q: a topic is 1 to 249 of the characters a-z A-Z 0-9 . _ -", c.ProgressTopic)
	}
	if c.Partitions < 0 || c.Replication < 0 {
		add("partitions and replication cannot be negative")
	}
	if _, err := codec(c.Compression); err != nil {
		problems = append(problems, err)
	}
	if _, err := c.SASL.mechanism(); err != nil {
		problems = append(problems, err)
	}
	if c.CommitInterval < 0 || c.DeliveryTimeout < 0 || c.TxnMaxBytes < 0 || c.MaxBufferedRecords < 0 || c.MaxBufferedBytes < 0 {
		add("intervals and limits cannot be negative")
	}
	return errors.Join(problems...)
}

func validTopic(name string) bool {
	return name != "." && name != ".." && regexp.MustCompile(`^[a-zA-Z0-9._-]{1,249}$`).MatchString(name)
}
