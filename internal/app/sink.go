package app

import (
	"fmt"
	"io"
	"log/slog"
	"net"
	"path/filepath"

	"keyfeed/internal/config"
	"keyfeed/sinks"
	"keyfeed/sinks/discard"
	"keyfeed/sinks/kafka"
	"keyfeed/sinks/nats"
	"keyfeed/sinks/stdout"
)

// NewSink makes the sink of a configuration; it is not open. stdout is where the sink of that name prints.
func NewSink(cfg *config.Config, stdoutTo io.Writer, log *slog.Logger) (sinks.Sink, error) {
	switch cfg.Sink {
	case config.SinkNATS:
		c, err := NATSConfig(cfg, log)
		if err != nil {
			return nil, err
		}
		return nats.New(c)
	case config.SinkKafka:
		c, err := KafkaConfig(cfg, log)
		if err != nil {
			return nil, err
		}
		return kafka.New(c)
	case config.SinkStdout:
		return stdout.New(stdout.Config{Writer: stdoutTo, PositionFile: positionFile(cfg)}), nil
	case config.SinkDiscard:
		return discard.New(discard.Config{PositionFile: positionFile(cfg)}), nil
	default:
		return nil, fmt.Errorf("%w: there is no sink %q", sinks.ErrConfig, cfg.Sink)
	}
}

// positionFile is where the sinks without a broker keep the position.
func positionFile(cfg *config.Config) string {
	if cfg.InMemory() {
		return ""
	}
	return filepath.Join(cfg.DataDir, "sources", cfg.Source.Name, cfg.Sink+".position")
}

// NATSConfig describes the server to publish to: the embedded one by its address.
func NATSConfig(cfg *config.Config, log *slog.Logger) (nats.Config, error) {
	n := &cfg.NATS
	c := nats.Config{
		URL: n.URL.Reveal(), Source: cfg.Source.Name, Stream: n.Stream, Subject: n.Subject,
		CredsFile: n.CredsFile, NKeySeed: n.NKeySeed.Reveal(),
		Username: n.Username, Password: n.Password.Reveal(), Token: n.Token.Reveal(),
		CreateStream: n.CreateStream, Replicas: n.Replicas, MaxAge: n.MaxAge, MaxBytes: int64(n.MaxBytes),
		Publish: nats.Publish(n.Publish), MaxPendingRecords: n.MaxPending, Timeout: n.Timeout, Logger: log,
	}
	if embedded(cfg) {
		c.URL = "nats://" + dialable(n.EmbeddedAddr)
	}
	if n.TLS.IsSet() {
		t, err := n.TLS.Client("")
		if err != nil {
			return c, fmt.Errorf("%w: NATS: %w", sinks.ErrConfig, err)
		}
		c.TLS = t
	}
	return c, nil
}

// embedded reports whether the NATS server runs in this process.
func embedded(cfg *config.Config) bool {
	return cfg.Sink == config.SinkNATS && cfg.NATS.URL.Reveal() == config.NATSEmbedded
}

// dialable is the address to reach a listener at: one that listens everywhere is reached on the loopback interface.
func dialable(addr string) string {
	host, port, err := net.SplitHostPort(addr)
	if err != nil {
		return addr
	}
	if ip := net.ParseIP(host); host == "" || ip != nil && ip.IsUnspecified() {
		host = "127.0.0.1"
	}
	return net.JoinHostPort(host, port)
}

// KafkaConfig describes the cluster to publish to.
func KafkaConfig(cfg *config.Config, log *slog.Logger) (kafka.Config, error) {
	k := &cfg.Kafka
	c := kafka.Config{
		Brokers: k.Brokers, Source: cfg.Source.Name, Topic: k.Topic, ProgressTopic: k.ProgressTopic,
		CreateTopics: k.CreateTopics, Partitions: int32(k.Partitions), Replication: int16(k.Replication),
		Compression: k.Compression, ClientID: k.ClientID,
		SASL:           kafka.SASL{Mechanism: k.SASL.Mechanism, Username: k.SASL.Username, Password: k.SASL.Password.Reveal()},
		AtLeastOnce:    cfg.Delivery == config.DeliverAtLeastOnce,
		CommitInterval: cfg.CommitInterval, TxnMaxBytes: int(cfg.TxnMaxBytes), DeliveryTimeout: k.Timeout, MaxBufferedBytes: int(k.MaxBufferedBytes),
		Logger: log,
	}
	if k.UseTLS || k.TLS.IsSet() {
		t, err := k.TLS.Client("")
		if err != nil {
			return c, fmt.Errorf("%w: Kafka: %w", sinks.ErrConfig, err)
		}
		c.TLS = t
	}
	return c, nil
}
