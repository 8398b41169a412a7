package testenv

import (
	"strconv"
	"strings"

	"github.com/redis/go-redis/v9"
	"github.com/redis/go-redis/v9/maintnotifications"
)

// Addr is host:port.
func (in *Instance) Addr() string { return loopback(in.Port) }

// URL is redis://host:port, or rediss:// with [TLS]; it holds no credentials.
func (in *Instance) URL() string {
	if in.certs != nil {
		return "rediss://" + in.Addr()
	}
	return "redis://" + in.Addr()
}

// Client is a client of database 0 that may do everything, whatever passwords the server demands. It speaks RESP2 and
// connects again after the server was restarted. It is closed at the end of the test.
func (in *Instance) Client() *redis.Client { return in.DB(0) }

// DB is [Instance.Client] for database n.
func (in *Instance) DB(n int) *redis.Client {
	in.mu.Lock()
	defer in.mu.Unlock()
	c, ok := in.clients[n]
	if !ok {
		c = redis.NewClient(in.clientOptions(n))
		in.clients[n] = c
	}
	return c
}

func (in *Instance) closeClients() {
	in.mu.Lock()
	defer in.mu.Unlock()
	for _, c := range in.clients {
		_ = c.Close()
	}
}

func (in *Instance) clientOptions(db int) *redis.Options {
	o := &redis.Options{
		Addr:                     in.Addr(),
		DB:                       db,
		Protocol:                 2,
		DisableIdentity:          true,
		MaintNotificationsConfig: &maintnotifications.Config{Mode: maintnotifications.ModeDisabled},
		ContextTimeoutEnabled:    true,
		ReadTimeout:              -1, // a server under test may be busy with a big key for long
		WriteTimeout:             -1,
		MaxRetries:               -1, // a write must not be repeated behind the test's back
	}
	if password, ok := in.opts.value("requirepass"); ok {
		o.Password = strings.Trim(password, `"`)
	}
	if len(in.opts.aclLines) > 0 {
		o.Username, o.Password = helperUser, helperPassword
	}
	if in.certs != nil {
		o.TLSConfig = in.certs.clientConfig()
	}
	return o
}

// Info returns a section of INFO as a map.
func (in *Instance) Info(section string) map[string]string {
	in.t.Helper()
	text, err := in.Client().Info(lasting(in.t), section).Result()
	if err != nil {
		in.t.Fatalf("INFO %s of port %d: %v", section, in.Port, err)
	}
	m := map[string]string{}
	for line := range strings.Lines(text) {
		if k, v, ok := strings.Cut(strings.TrimRight(line, "\r\n"), ":"); ok {
			m[k] = v
		}
	}
	return m
}

// Replid is the replication id of the server's history.
func (in *Instance) Replid() string {
	in.t.Helper()
	return in.Info("replication")["master_replid"]
}

// Offset is the last byte that the server added to its replication stream.
func (in *Instance) Offset() int64 {
	in.t.Helper()
	return in.infoInt("replication", "master_repl_offset")
}

// SyncFull is how many full syncs the server has served since its start.
func (in *Instance) SyncFull() int64 {
	in.t.Helper()
	return in.infoInt("stats", "sync_full")
}

func (in *Instance) infoInt(section, field string) int64 {
	in.t.Helper()
	text := in.Info(section)[field]
	n, err := strconv.ParseInt(text, 10, 64)
	if err != nil {
		in.t.Fatalf("INFO %s: %s is %q: %v", section, field, text, err)
	}
	return n
}

// CAFile is the certificate authority in PEM of a server with [TLS].
func (in *Instance) CAFile() string { return in.certs.caFile }

// CertFile is a certificate in PEM that the server accepts from clients.
func (in *Instance) CertFile() string { return in.certs.certFile }

// KeyFile is the key in PEM of [Instance.CertFile].
func (in *Instance) KeyFile() string { return in.certs.keyFile }
