package broker

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"strings"
)

// logger passes the server's log on. It implements server.Logger.
//
// Texts about subjects are passed on as the bare format, because a subject may hold a key of the source.
type logger struct {
	log   *slog.Logger
	fatal chan error // one value: the first fatal error, after which the server does not work
}

func newLogger(log *slog.Logger) *logger {
	return &logger{log: log, fatal: make(chan error, 1)}
}

func (l *logger) pass(level slog.Level, format string, args []any) {
	if !l.log.Enabled(context.Background(), level) {
		return
	}
	l.log.Log(context.Background(), level, "embedded NATS server", "text", text(format, args))
}

func text(format string, args []any) string {
	if strings.Contains(strings.ToLower(format), "subject") {
		return format
	}
	return fmt.Sprintf(format, args...)
}

// Noticef logs at debug level: what the server tells in normal operation interests few.
func (l *logger) Noticef(format string, args ...any) { l.pass(slog.LevelDebug, format, args) }

// Warnf logs a warning.
func (l *logger) Warnf(format string, args ...any) { l.pass(slog.LevelWarn, format, args) }

// Errorf logs an error.
func (l *logger) Errorf(format string, args ...any) { l.pass(slog.LevelError, format, args) }

// Fatalf logs an error and ends Run. The server's own logger would end the process.
func (l *logger) Fatalf(format string, args ...any) {
	l.pass(slog.LevelError, format, args)
	select {
	case l.fatal <- errors.New(text(format, args)):
	default: // the first one tells why
	}
}

// Debugf drops what the server's developers look at; it is off.
func (*logger) Debugf(string, ...any) {}

// Tracef drops the traffic, which holds values; it is off.
func (*logger) Tracef(string, ...any) {}
