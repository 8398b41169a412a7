package nats

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/url"
	"os"
	"strings"
	"sync"
	"time"

	natsgo "github.com/nats-io/nats.go"
	"github.com/nats-io/nkeys"
)

// link is one connection that is never made anew behind our back: what is published on it is sent once or not at all.
type link struct {
	conn   *natsgo.Conn
	denied context.Context    //nolint:containedctx // ends when the server denies the bucket of positions
	deny   context.CancelFunc // ends it

	mu  sync.Mutex
	raw []net.Conn // the sockets under conn; guarded by mu
	// failed is why the last socket could not be made, which nats.go does not tell; guarded by mu.
	failed error
}

// dial connects within ctx. lost is called once, from any goroutine, when the connection ends or the server refuses
// something; not after close.
func dial(ctx context.Context, cfg *Config, lost func(error)) (*link, error) {
	l := &link{}
	l.denied, l.deny = context.WithCancel(context.Background())
	options, err := authOptions(cfg)
	if err != nil {
		return nil, err
	}
	options = append(options,
		natsgo.Name("keyfeed "+cfg.Source),
		natsgo.SetCustomDialer(&dialer{link: l, ctx: ctx, timeout: cfg.Timeout}),
		natsgo.Timeout(cfg.Timeout),
		natsgo.FlusherTimeout(cfg.Timeout), // a socket that takes nothing for so long ends the connection
		natsgo.NoReconnect(),               // a reconnecting client sends again what it has buffered
		natsgo.SkipSubjectValidation(),     // subjects are made by us
		natsgo.PingInterval(20*time.Second),
		natsgo.NoCallbacksAfterClientClose(),
		natsgo.ClosedHandler(func(c *natsgo.Conn) {
			err := c.LastError()
			if err == nil {
				err = errors.New("the server closed it")
			}
			lost(classify(fmt.Errorf("connection to NATS ended: %w", err)))
		}),
		natsgo.ErrorHandler(func(_ *natsgo.Conn, _ *natsgo.Subscription, err error) {
			if isAboutBucket(err) { // a help, nothing needs it
				l.deny()
				return
			}
			lost(classify(err))
		}),
	)
	// Connect takes no context, so the end of ctx closes the socket under it.
	unwatch := context.AfterFunc(ctx, l.cut)
	defer unwatch()
	l.conn, err = natsgo.Connect(cfg.URL, options...)
	if err != nil {
		l.cut()
		if ctx.Err() != nil {
			err = context.Cause(ctx)
		}
		return nil, classify(unreachable(cfg, err, l.dialError()))
	}
	if ctx.Err() != nil {
		l.close()
		return nil, fmt.Errorf("connecting to NATS: %w", context.Cause(ctx))
	}
	return l, nil
}

// unreachable says where no server could be reached, why, and what to look at. The URL's user and password stay out.
func unreachable(cfg *Config, err, dialing error) error {
	if !errors.Is(err, natsgo.ErrNoServers) || dialing == nil {
		return fmt.Errorf("connecting to NATS: %w", err)
	}
	return fmt.Errorf("connecting to NATS at %s: %w: is the server running, and KEYFEED_NATS_URL right?", servers(cfg.URL), dialing)
}

// servers lists the hosts of a URL or of several with commas between.
func servers(urls string) string {
	var hosts []string
	for one := range strings.SplitSeq(urls, ",") {
		if u, err := url.Parse(strings.TrimSpace(one)); err == nil {
			hosts = append(hosts, u.Host)
		}
	}
	return strings.Join(hosts, ", ")
}

func (l *link) dialError() error {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.failed
}

// isAboutBucket reports whether err is a permission that only the bucket of positions needs.
func isAboutBucket(err error) bool {
	text := strings.ToLower(err.Error())
	return errors.Is(err, natsgo.ErrPermissionViolation) &&
		(strings.Contains(text, "$kv."+bucketName) || strings.Contains(text, "kv_"+bucketName))
}

func authOptions(cfg *Config) (options []natsgo.Option, err error) {
	switch {
	case cfg.CredsFile != "":
		if _, err := os.ReadFile(cfg.CredsFile); err != nil {
			return nil, configError("reading NATS credentials: %w", err)
		}
		options = append(options, natsgo.UserCredentials(cfg.CredsFile))
	case cfg.NKeySeed != "":
		pair, err := nkeys.FromSeed([]byte(cfg.NKeySeed))
		if err != nil {
			return nil, configError("the nkey seed is not one: it starts with SU")
		}
		public, err := pair.PublicKey()
		if err != nil {
			return nil, configError("the nkey seed has no public key")
		}
		options = append(options, natsgo.Nkey(public, pair.Sign))
	case cfg.Username != "" || cfg.Password != "":
		options = append(options, natsgo.UserInfo(cfg.Username, cfg.Password))
	case cfg.Token != "":
		options = append(options, natsgo.Token(cfg.Token))
	}
	if cfg.TLS != nil {
		options = append(options, natsgo.Secure(cfg.TLS.Clone()))
	}
	return options, nil
}

// cut closes the sockets and drops what the system has not sent yet, so that the server gets as little as possible of
// what nobody waits for any more.
func (l *link) cut() {
	l.mu.Lock()
	defer l.mu.Unlock()
	for _, raw := range l.raw {
		if tcp, ok := raw.(*net.TCPConn); ok {
			_ = tcp.SetLinger(0) // it is closed in the next line, whatever this says
		}
		_ = raw.Close() // whoever uses it sees the error
	}
	l.raw = nil
}

// close ends the connection at once.
func (l *link) close() {
	l.cut()
	l.conn.Close()
}

// dialer gives nats.go sockets that link can close.
type dialer struct {
	link    *link
	ctx     context.Context //nolint:containedctx // nats.go's dialer interface has no place for one; ends with Connect
	timeout time.Duration
}

// Dial implements natsgo.CustomDialer.
func (d *dialer) Dial(network, address string) (net.Conn, error) {
	raw, err := (&net.Dialer{Timeout: d.timeout}).DialContext(d.ctx, network, address)
	d.link.mu.Lock()
	defer d.link.mu.Unlock()
	if err != nil {
		d.link.failed = err
		return nil, err
	}
	d.link.raw = append(d.link.raw, raw)
	if d.ctx.Err() != nil { // cut ran before: nobody else closes this one
		_ = raw.Close()
		return nil, context.Cause(d.ctx)
	}
	return raw, nil
}
