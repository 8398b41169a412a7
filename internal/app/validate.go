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
	if _, err := SourceConfig(&cfg, nil); err != nil && len(problems) == 0 {
		problems = append(problems, "KEYFEED_SOURCE_*: "+bare(err))
	}
	sink, err := NewSink(&cfg, io.Discard, slog.New(slog.DiscardHandler))
	switch {
	case err == nil:
		if err := sink.Close(); err != nil {
			return cfg, fmt.Errorf("checking the sink's settings: %w", err)
		}
	case cfg.Sink == config.SinkKafka && len(cfg.Kafka.Brokers) == 0: // said by config.Load
	default:
		problems = append(problems, sinkSettings(cfg.Sink)+bare(err))
	}
	if len(problems) > 0 {
		return cfg, &config.Error{Problems: problems}
	}
	return cfg, nil
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
