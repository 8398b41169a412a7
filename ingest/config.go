package ingest

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"strconv"
	"strings"
	"time"

	"keyfeed/internal/resp"
)

// Config says which server to follow and how. [ParseURL] fills the part that a URL holds.
//
// It holds a password: it prints as its target, whatever the verb.
type Config struct {
	Network  string      // "tcp" or "unix"
	Address  string      // host:port, or the path of a socket
	Username string      // empty: AUTH with the password alone, which means the user "default"
	Password string      // empty: no AUTH
	TLS      *tls.Config // nil: plain. ServerName is taken from Address when empty

	ClientName string // sent by CLIENT SETNAME, shown in CLIENT LIST; empty: not sent

	// Announce is what the source shows as our address in INFO and ROLE: "port" or "host:port"; empty: not sent, shown
	// as port 0. A source that Sentinel watches should get a port that Sentinel refuses to add, such as "-1".
	Announce string

	DialTimeout      time.Duration // connecting, TLS included; default 5 s
	HandshakeTimeout time.Duration // each reply before PSYNC; default 5 s
	IdleTimeout      time.Duration // no byte at all since PSYNC; default 60 s, the server's own repl-timeout
	WriteTimeout     time.Duration // each write; default 10 s

	BackoffMin time.Duration // first wait after a failure; default 1 s
	BackoffMax time.Duration // default 10 s
	// FullSyncBackoffMin and FullSyncBackoffMax hold after a full resync that failed: each one costs the source a fork
	// and a copy of its memory. Defaults 10 s and 5 min.
	FullSyncBackoffMin, FullSyncBackoffMax time.Duration

	Limits resp.Limits // of one command; the defaults are larger than any server sends

	Logger *slog.Logger // nil: discards

	// Dial replaces connecting to Address, TLS included; for tests and for discovery of the address.
	Dial func(ctx context.Context) (net.Conn, error)
}

// String is the target without credentials.
func (c Config) String() string { return c.Target() }

// GoString is the target without credentials.
func (c Config) GoString() string { return c.Target() }

// LogValue is the target without credentials.
func (c Config) LogValue() slog.Value { return slog.StringValue(c.Target()) }

// Target is the URL of the server without credentials.
func (c Config) Target() string {
	switch {
	case c.Network == "unix":
		return "unix://" + c.Address
	case c.TLS != nil:
		return "rediss://" + c.Address
	default:
		return "redis://" + c.Address
	}
}

func (c Config) withDefaults() Config {
	duration := func(d *time.Duration, def time.Duration) {
		if *d <= 0 {
			*d = def
		}
	}
	duration(&c.DialTimeout, 5*time.Second)
	duration(&c.HandshakeTimeout, 5*time.Second)
	duration(&c.IdleTimeout, 60*time.Second)
	duration(&c.WriteTimeout, 10*time.Second)
	duration(&c.BackoffMin, time.Second)
	duration(&c.BackoffMax, max(10*time.Second, c.BackoffMin))
	duration(&c.FullSyncBackoffMin, 10*time.Second)
	duration(&c.FullSyncBackoffMax, max(5*time.Minute, c.FullSyncBackoffMin))
	if c.Logger == nil {
		c.Logger = slog.New(slog.DiscardHandler)
	}
	if c.Dial == nil {
		c.Dial = c.dial
	}
	return c
}

// Validate reports every setting that cannot work, joined.
func (c Config) Validate() error {
	var errs []error
	if c.Dial == nil {
		switch c.Network {
		case "tcp":
			if _, _, err := net.SplitHostPort(c.Address); err != nil {
				errs = append(errs, errors.New("the source address is not host:port"))
			}
		case "unix":
			if c.Address == "" {
				errs = append(errs, errors.New("the path of the source's socket is empty"))
			}
		default:
			errs = append(errs, fmt.Errorf("source network %q is neither tcp nor unix", c.Network))
		}
	}
	if c.Username != "" && c.Password == "" {
		errs = append(errs, errors.New("a source user without a password: set KEYFEED_SOURCE_PASSWORD"))
	}
	if strings.ContainsAny(c.ClientName, " \r\n\t") {
		errs = append(errs, errors.New("the client name holds spaces, which CLIENT SETNAME refuses"))
	}
	if _, _, err := splitAnnounce(c.Announce); err != nil {
		errs = append(errs, err)
	}
	if c.BackoffMax > 0 && c.BackoffMax < c.BackoffMin || c.FullSyncBackoffMax > 0 && c.FullSyncBackoffMax < c.FullSyncBackoffMin {
		errs = append(errs, errors.New("the longest backoff is shorter than the first"))
	}
	return errors.Join(errs...)
}

// splitAnnounce reads "port" or "host:port". The port is any integer: servers store it without a check
// (replication.c, replconfCommand), and one that Sentinel refuses is what one may want.
func splitAnnounce(s string) (host, port string, err error) {
	if s == "" {
		return "", "", nil
	}
	port = s
	if i := strings.LastIndexByte(s, ':'); i >= 0 {
		host, port = strings.Trim(s[:i], "[]"), s[i+1:]
	}
	if _, err := strconv.ParseInt(port, 10, 32); err != nil {
		return "", "", fmt.Errorf("KEYFEED_SOURCE_ANNOUNCE %q is neither a port nor host:port", s)
	}
	return host, port, nil
}
