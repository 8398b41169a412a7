package broker

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"strconv"
	"sync"
	"time"

	"github.com/nats-io/nats-server/v2/server"
)

const (
	// DefaultSyncInterval is how often files are synced to the disk.
	DefaultSyncInterval = 10 * time.Second

	// DefaultMaxMemory bounds what memory streams may take, in bytes. keyfeed itself uses files only.
	DefaultMaxMemory = 64 << 20
)

// Config says where the server listens and stores. Zero values take the defaults named.
type Config struct {
	Addr     string // host:port; port 0 takes a free one. Required
	StoreDir string // made when missing; nothing else may use it. Required

	MaxStore     int64         // bytes that all streams together may take; 0 = three quarters of the free space at start
	MaxMemory    int64         // DefaultMaxMemory
	SyncInterval time.Duration // DefaultSyncInterval

	Logger *slog.Logger
}

// Broker is an embedded server.
type Broker struct {
	options server.Options
	log     *slog.Logger
	ready   chan struct{}

	mu  sync.Mutex
	url string // guarded by mu; set before ready is closed
}

// New checks cfg. It opens nothing.
func New(cfg Config) (*Broker, error) {
	host, portText, err := net.SplitHostPort(cfg.Addr)
	if err != nil {
		return nil, fmt.Errorf("embedded NATS address %q: want host:port", cfg.Addr)
	}
	port, err := strconv.ParseUint(portText, 10, 16)
	if err != nil {
		return nil, fmt.Errorf("embedded NATS address %q: want a port of 0 to 65535", cfg.Addr)
	}
	if cfg.StoreDir == "" {
		return nil, errors.New("the embedded NATS server needs a directory for its streams: set KEYFEED_DATA_DIR")
	}
	if cfg.MaxMemory <= 0 {
		cfg.MaxMemory = DefaultMaxMemory
	}
	if cfg.SyncInterval <= 0 {
		cfg.SyncInterval = DefaultSyncInterval
	}
	if cfg.Logger == nil {
		cfg.Logger = slog.New(slog.DiscardHandler)
	}
	b := &Broker{log: cfg.Logger, ready: make(chan struct{})}
	b.options = server.Options{
		ServerName:             "keyfeed",
		Host:                   host,
		Port:                   int(port),
		JetStream:              true,
		JetStreamMaxMemory:     cfg.MaxMemory,
		JetStreamMaxStore:      cfg.MaxStore,
		StoreDir:               cfg.StoreDir,
		SyncInterval:           cfg.SyncInterval,
		NoSigs:                 true, // signals are keyfeed's
		DisableJetStreamBanner: true,
	}
	if port == 0 {
		b.options.Port = server.RANDOM_PORT
	}
	return b, nil
}

// Ready is closed when clients can connect. It stays open when Run returns before that.
func (b *Broker) Ready() <-chan struct{} { return b.ready }

// URL is where clients connect, nats://host:port; "" before Ready is closed.
func (b *Broker) URL() string {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.url
}

// readyPoll is how often Run looks whether the server has started; nats-server offers no channel for it.
const readyPoll = 50 * time.Millisecond

// Run serves until ctx ends, then closes the connections and the streams and returns nil, or until the server fails.
// To be called once.
func (b *Broker) Run(ctx context.Context) error {
	logger := newLogger(b.log)
	options := b.options // the server keeps and changes what it is given
	srv, err := server.NewServer(&options)
	if err != nil {
		return fmt.Errorf("configuring the embedded NATS server: %w", err)
	}
	srv.SetLoggerV2(logger, false, false, false)
	if !isLoopback(options.Host) {
		b.log.Warn("the embedded NATS server asks nobody for a password and listens beyond this machine",
			"addr", net.JoinHostPort(options.Host, strconv.Itoa(options.Port)))
	}
	var started sync.WaitGroup
	started.Go(srv.Start)
	defer func() {
		srv.Shutdown()
		srv.WaitForShutdown()
		started.Wait()
	}()
	for !srv.ReadyForConnections(readyPoll) {
		select {
		case <-ctx.Done():
			return nil
		case err := <-logger.fatal:
			return startError(err, &options)
		default:
		}
	}
	b.mu.Lock()
	b.url = srv.ClientURL()
	b.mu.Unlock()
	close(b.ready)
	b.log.Info("embedded NATS server is ready", "url", b.URL(), "store_dir", options.StoreDir)
	select {
	case <-ctx.Done():
		return nil
	case err := <-logger.fatal:
		return fmt.Errorf("serving embedded NATS: %w", err)
	}
}

func startError(err error, options *server.Options) error {
	return fmt.Errorf("starting the embedded NATS server on port %d of %s, storing in %s: %w; "+
		"if another program has the port, set KEYFEED_NATS_EMBEDDED_ADDR to another one",
		options.Port, options.Host, options.StoreDir, err)
}

func isLoopback(host string) bool {
	if host == "localhost" {
		return true
	}
	ip := net.ParseIP(host)
	return ip != nil && ip.IsLoopback()
}
