package app

import (
	"errors"
	"fmt"
	"io"
	"log/slog"
	"strings"

	"keyfeed/ingest"
	"keyfeed/internal/config"
	"keyfeed/sinks"
)

// Load reads the configuration of an environment and checks what only its users can judge: names of subjects, streams
// and topics, templates. The error is a *config.Error with every problem. Nothing is connected to.
func Load(environ []string) (config.Config, error) {
	cfg, err := config.Load(environ)
	var problems []string
	if bad, ok := errors.AsType[*config.Error](err); ok {
		problems = bad.Problems
	} else if err != nil {
		return cfg, err
	}
	if len(problems) == 0 {
		if _, err := SourceConfig(&cfg, nil); err != nil {
			problems = append(problems, "KEYFEED_SOURCE_*: "+bare(err))
		}
	}
	more, err := checkSink(withoutReported(cfg, problems))
	if err != nil {
		return cfg, err
	}
	problems = append(problems, more...)
	if len(problems) > 0 {
		return cfg, &config.Error{Problems: problems}
	}
	return cfg, nil
}

// withoutReported is cfg with harmless values in place of what config.Load has judged, so that a sink made of it finds
// only what is new: the files of TLS, and the names that problems are about.
func withoutReported(cfg config.Config, problems []string) config.Config {
	cfg.NATS.TLS, cfg.Kafka.TLS = config.TLS{}, config.TLS{}
	for _, p := range problems {
		switch name, _, _ := strings.Cut(p, " "); name {
		case "KEYFEED_SINK":
			cfg.Sink = config.SinkDiscard
		case "KEYFEED_SOURCE_NAME":
			cfg.Source.Name = "redis"
		case "KEYFEED_KAFKA_BROKERS":
			cfg.Kafka.Brokers = config.List{"localhost:9092"}
		}
	}
	return cfg
}

// checkSink makes the sink, which judges its own settings without connecting, and returns its problems, one a line.
func checkSink(cfg config.Config) (problems []string, err error) {
	sink, err := NewSink(&cfg, io.Discard, slog.New(slog.DiscardHandler))
	if err == nil {
		if err := sink.Close(); err != nil {
			return nil, fmt.Errorf("checking the sink's settings: %w", err)
		}
		return nil, nil
	}
	for line := range strings.Lines(bare(err)) {
		problems = append(problems, sinkSettings(cfg.Sink)+strings.TrimSuffix(line, "\n"))
	}
	return problems, nil
}

// bare is the text of err without the class that it is of: what to do about it is clear from where it stands.
func bare(err error) string {
	text := err.Error()
	for _, class := range []error{sinks.ErrConfig, ingest.ErrOperator} {
		text = strings.TrimPrefix(text, class.Error()+": ")
	}
	return text
}

func sinkSettings(sink string) string {
	switch sink {
	case config.SinkNATS:
		return "KEYFEED_NATS_*: "
	case config.SinkKafka:
		return "KEYFEED_KAFKA_*: "
	default:
		return "KEYFEED_SINK: "
	}
}
