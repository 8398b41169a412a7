package kafka

import (
	"fmt"
	"time"

	"github.com/twmb/franz-go/pkg/kgo"
	"github.com/twmb/franz-go/pkg/sasl"
	"github.com/twmb/franz-go/pkg/sasl/plain"
	"github.com/twmb/franz-go/pkg/sasl/scram"
)

const (
	// linger is how long the first record of a batch waits for others; it costs latency and saves requests.
	linger = 5 * time.Millisecond
	// metadataMinAge bounds how soon a client that got NOT_LEADER looks for the new leader.
	metadataMinAge = 250 * time.Millisecond
	// requestTimeout bounds the retries of one administrative request, so that Open can say what is wrong.
	requestTimeout = 15 * time.Second
	// dialTimeout bounds one attempt to connect.
	dialTimeout = 5 * time.Second
	// transactionBackoff is between tries of what a broker refuses while it still ends the transaction before.
	transactionBackoff = 5 * time.Millisecond
	// maxBatchBytes bounds one record batch, whatever a topic allows: it is built in memory, per partition.
	maxBatchBytes = 64 << 20
)

// newClient makes a client of the cluster that connects when it is first used.
func newClient(cfg Config, more ...kgo.Opt) (*kgo.Client, error) {
	opts := []kgo.Opt{
		kgo.SeedBrokers(cfg.Brokers...),
		kgo.ClientID(cfg.ClientID),
		kgo.WithLogger(newClientLog(cfg.Logger)),
		kgo.DialTimeout(dialTimeout),
		kgo.RetryTimeout(requestTimeout),
		kgo.MetadataMinAge(metadataMinAge),
		kgo.DisableClientMetrics(),
	}
	login, err := cfg.SASL.mechanism()
	if err != nil {
		return nil, err
	}
	if login != nil {
		opts = append(opts, kgo.SASL(login))
	}
	if cfg.TLS != nil {
		opts = append(opts, kgo.DialTLSConfig(cfg.TLS.Clone()))
	}
	cl, err := kgo.NewClient(append(opts, more...)...)
	if err != nil {
		return nil, fmt.Errorf("making a client: %w", err)
	}
	return cl, nil
}

// producerOptions are those of the client that writes: idempotent, acknowledged by all in-sync replicas, in order, with
// retries that only the sink's own DeliveryTimeout ends. batchBytes gives the batch limit of a topic.
func producerOptions(cfg Config, batchBytes func(topic string) int32) ([]kgo.Opt, error) {
	compression, err := codec(cfg.Compression)
	if err != nil {
		return nil, err
	}
	opts := []kgo.Opt{
		kgo.RequiredAcks(kgo.AllISRAcks()),
		kgo.RecordPartitioner(kgo.ManualPartitioner()), // the sink partitions by the recorded count: partition.go
		kgo.ProducerBatchCompression(compression),
		kgo.ProducerBatchMaxBytesFn(batchBytes),
		kgo.ProducerLinger(linger),
		// A sequence that the broker does not know means that it lost acknowledged records. The client would go on with a
		// new sequence; the sink must fail, so that Open compares the topics with the progress record.
		kgo.StopProducerOnDataLossDetected(),
		// The window bounds what is buffered; the client must not block a Write a second time.
		kgo.MaxBufferedRecords(1 << 30),
	}
	if !cfg.AtLeastOnce {
		opts = append(opts, kgo.TransactionalID(transactionalID(cfg)), kgo.TransactionTimeout(transactionTimeout(cfg)),
			kgo.ConcurrentTransactionsBackoff(transactionBackoff))
	}
	return opts, nil
}

func codec(name string) (kgo.CompressionCodec, error) {
	switch name {
	case "none":
		return kgo.NoCompression(), nil
	case "gzip":
		return kgo.GzipCompression(), nil
	case "snappy":
		return kgo.SnappyCompression(), nil
	case "lz4":
		return kgo.Lz4Compression(), nil
	case "zstd":
		return kgo.ZstdCompression(), nil
	default:
		return kgo.CompressionCodec{}, fmt.Errorf("compression %q: want none, gzip, snappy, lz4 or zstd", name)
	}
}

// mechanism returns nil where no login is wanted.
func (s SASL) mechanism() (sasl.Mechanism, error) {
	switch s.Mechanism {
	case "":
		if s.Username != "" || s.Password != "" {
			return nil, fmt.Errorf("SASL has a user name or password but no mechanism: want plain, scram-sha-256 or scram-sha-512")
		}
		return nil, nil //nolint:nilnil // no login is a value, not an error
	case "plain":
		return plain.Auth{User: s.Username, Pass: s.Password}.AsMechanism(), nil
	case "scram-sha-256":
		return scram.Auth{User: s.Username, Pass: s.Password}.AsSha256Mechanism(), nil
	case "scram-sha-512":
		return scram.Auth{User: s.Username, Pass: s.Password}.AsSha512Mechanism(), nil
	default:
		return nil, fmt.Errorf("SASL mechanism %q: want plain, scram-sha-256 or scram-sha-512", s.Mechanism)
	}
}
