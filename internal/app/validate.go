package app

import (
	"errors"
	"io"
	"log/slog"

	"keyfeed/internal/config"
)

// Load reads the configuration of an environment and checks what only its users can judge: names of subjects, streams
// and topics, templates. The error is a *config.Error with every problem. Nothing is connected to.
func Load(environ []string) (config.Config, error) {
	cfg, err := config.Load(environ)
	if err != nil {
		return cfg, err
	}
	var problems []string
	if _, err := SourceConfig(&cfg, nil); err != nil {
		problems = append(problems, "KEYFEED_SOURCE_…: "+err.Error())
	}
	sink, err := NewSink(&cfg, io.Discard, slog.New(slog.DiscardHandler))
	if err != nil {
		problems = append(problems, sinkSettings(cfg.Sink)+err.Error())
	} else if err := sink.Close(); err != nil {
		return cfg, errors.Join(errors.New("checking the sink's settings"), err)
	}
	if len(problems) > 0 {
		return cfg, &config.Error{Problems: problems}
	}
	return cfg, nil
}

func sinkSettings(sink string) string {
	switch sink {
	case config.SinkNATS:
		return "KEYFEED_NATS_…: "
	case config.SinkKafka:
		return "KEYFEED_KAFKA_…: "
	default:
		return "KEYFEED_SINK: "
	}
}
