package ingest

import (
	"context"
	"errors"
	"sync/atomic"
)

// Look connects, asks what the server is and holds, and leaves. It starts no replication: a bridge looks at its source
// this way while the link is streaming, since a replica may not ask anything.
func Look(ctx context.Context, cfg Config) (ServerInfo, error) {
	g, leave, err := connect(ctx, &cfg)
	if err != nil {
		return ServerInfo{}, err
	}
	defer leave()
	return g.open()
}

// connect begins a conversation that leave ends, and ctx. It fills in cfg's defaults.
func connect(ctx context.Context, cfg *Config) (g *greeting, leave func(), err error) {
	if err := cfg.Validate(); err != nil {
		return nil, nil, err
	}
	*cfg = cfg.withDefaults()
	dialing, cancel := context.WithTimeout(ctx, cfg.DialTimeout)
	defer cancel()
	conn, err := cfg.Dial(dialing)
	if err != nil {
		if _, ok := errors.AsType[*HandshakeError](err); !ok {
			err = &HandshakeError{Step: stepDial, Err: err}
		}
		return nil, nil, err
	}
	stop := context.AfterFunc(ctx, func() { _ = conn.Close() })
	return &greeting{cfg: cfg, link: newLink(conn, new(atomic.Int64))}, func() {
		if stop() {
			_ = conn.Close()
		}
	}, nil
}
