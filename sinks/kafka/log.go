package kafka

import (
	"context"
	"log/slog"
	"sync"
	"time"

	"github.com/twmb/franz-go/pkg/kgo"
)

// repeatEvery is how often one and the same complaint of the client is logged; an outage repeats it many times a second.
const repeatEvery = 10 * time.Second

// clientLog hands the client's own log to slog: its errors and warnings as warnings, what it tells as debug lines. The
// client logs names, numbers and errors, never the key or value of a record.
type clientLog struct {
	log *slog.Logger

	mu   sync.Mutex
	last map[string]time.Time // of the newest line per message; the client's messages are constants, so it stays small
}

func newClientLog(log *slog.Logger) *clientLog {
	return &clientLog{log: log, last: map[string]time.Time{}}
}

// Level says which messages the client need not even make.
func (l *clientLog) Level() kgo.LogLevel {
	if l.log.Enabled(context.Background(), slog.LevelDebug) {
		return kgo.LogLevelInfo
	}
	return kgo.LogLevelWarn
}

// Log implements kgo.Logger.
func (l *clientLog) Log(level kgo.LogLevel, msg string, keyvals ...any) {
	to := slog.LevelDebug
	if level <= kgo.LogLevelWarn && l.due(msg, time.Now()) {
		to = slog.LevelWarn
	}
	l.log.Log(context.Background(), to, "kafka client", append([]any{"says", msg}, keyvals...)...)
}

func (l *clientLog) due(msg string, now time.Time) bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	if last, ok := l.last[msg]; ok && now.Sub(last) < repeatEvery {
		return false
	}
	l.last[msg] = now
	return true
}
