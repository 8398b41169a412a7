package kafka

import (
	"log/slog"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/twmb/franz-go/pkg/kgo"
)

func TestClientLog(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var out strings.Builder
		l := newClientLog(slog.New(slog.NewTextHandler(&out, nil)))
		if l.Level() != kgo.LogLevelWarn {
			t.Errorf("level is %v where debug lines are off", l.Level())
		}
		lines := func() int { return strings.Count(out.String(), "\n") }
		l.Log(kgo.LogLevelWarn, "unable to open connection", "addr", "127.0.0.1:9092")
		l.Log(kgo.LogLevelWarn, "unable to open connection", "addr", "127.0.0.1:9092")
		l.Log(kgo.LogLevelError, "other")
		l.Log(kgo.LogLevelInfo, "not now")
		if lines() != 2 {
			t.Errorf("want one line for each complaint, got:\n%s", out.String())
		}
		if !strings.Contains(out.String(), `level=WARN msg="kafka client" says="unable to open connection" addr=127.0.0.1:9092`) {
			t.Errorf("the line is not as expected:\n%s", out.String())
		}
		time.Sleep(repeatEvery)
		l.Log(kgo.LogLevelWarn, "unable to open connection")
		if lines() != 3 {
			t.Errorf("the complaint is not repeated after %v:\n%s", repeatEvery, out.String())
		}
		debug := newClientLog(slog.New(slog.NewTextHandler(&out, &slog.HandlerOptions{Level: slog.LevelDebug})))
		if debug.Level() != kgo.LogLevelInfo {
			t.Errorf("level is %v where debug lines are on", debug.Level())
		}
	})
}
