package nats

import (
	"crypto/tls"
	"errors"
	"fmt"
	"log/slog"
	"regexp"
	"time"
)

// DefaultSubject is the subject template that is used when Config.Subject is empty.
const DefaultSubject = "keyfeed.{source}.{db}.{hash:256}"

// Config says where to publish, and how. Zero values take the defaults named.
type Config struct {
	URL     string // of one server, or of several with commas between; nats:// or tls://. Required
	Source  string // the source's name, [a-z0-9_-]{1,48}. Required
	Stream  string // KEYFEED_<source>
	Subject string // template; DefaultSubject

	// At most one of these four ways to log in; none for a server that asks for nothing.
	CredsFile          string // a file with a JWT and its seed
	NKeySeed           string // the seed itself, SU…
	Username, Password string
	Token              string

	TLS *tls.Config // certificates and names; nil uses the system's authorities where the server wants TLS

	// How the stream is made when it does not exist. A stream that exists keeps its own settings.
	CreateStream bool
	Replicas     int           // 1
	MaxAge       time.Duration // 0 = keep for ever
	MaxBytes     int64         // 0 = as much as the server allows

	Publish Publish // how events are sent; PublishAuto

	MaxPendingRecords int // published and not acknowledged; 4000
	MaxPendingBytes   int // of these, keys included; 16 MiB

	// Timeout bounds each step of Open, and the wait for an acknowledgement: a sink that gets none for this long while
	// some are missing has failed. 10s.
	Timeout time.Duration

	Logger *slog.Logger
}

// withDefaults returns c with its zero values replaced, and every problem that it has.
func (c Config) withDefaults() (Config, error) {
	if c.Stream == "" {
		c.Stream = "KEYFEED_" + c.Source
	}
	if c.Subject == "" {
		c.Subject = DefaultSubject
	}
	if c.Replicas <= 0 {
		c.Replicas = 1
	}
	if c.MaxPendingRecords <= 0 {
		c.MaxPendingRecords = 4000
	}
	if c.MaxPendingBytes <= 0 {
		c.MaxPendingBytes = 16 << 20
	}
	if c.Timeout <= 0 {
		c.Timeout = 10 * time.Second
	}
	if c.Publish == "" {
		c.Publish = PublishAuto
	}
	if c.Logger == nil {
		c.Logger = slog.New(slog.DiscardHandler)
	}
	return c, c.validate()
}

func (c Config) validate() error {
	var problems []error
	problem := func(format string, args ...any) { problems = append(problems, fmt.Errorf(format, args...)) }
	if c.URL == "" {
		problem("no NATS URL is set")
	}
	if !regexp.MustCompile(`^[a-z0-9_-]{1,48}$`).MatchString(c.Source) {
		problem("source name %q: use 1 to 48 of a-z, 0-9, _ and -", c.Source)
	}
	if !regexp.MustCompile(`^[A-Za-z0-9_-]{1,255}$`).MatchString(c.Stream) { // it is a key in the bucket too
		problem("stream name %q: use letters, digits, _ and -", c.Stream)
	}
	switch c.Publish {
	case PublishAuto, PublishFast, PublishAtomic, PublishSingle:
	default:
		problem("way to publish %q: use auto, fast, atomic or single", c.Publish)
	}
	logins := 0
	for _, set := range []bool{c.CredsFile != "", c.NKeySeed != "", c.Username != "" || c.Password != "", c.Token != ""} {
		if set {
			logins++
		}
	}
	if logins > 1 {
		problem("set one of credentials file, nkey seed, user with password, and token")
	}
	return errors.Join(problems...)
}
