package app

import (
	"fmt"
	"log/slog"
	"net"

	"keyfeed/ingest"
	"keyfeed/internal/config"
)

// SourceConfig describes the server to follow.
func SourceConfig(cfg *config.Config, log *slog.Logger) (ingest.Config, error) {
	s := &cfg.Source
	c, err := ingest.ParseURL(s.URL.Reveal())
	if err != nil {
		return c, fmt.Errorf("%w: KEYFEED_SOURCE_URL: %w", ingest.ErrOperator, err)
	}
	if s.Username != "" {
		c.Username = s.Username
	}
	if s.Password.IsSet() {
		c.Password = s.Password.Reveal()
	}
	if c.TLS != nil {
		host, _, err := net.SplitHostPort(c.Address)
		if err != nil {
			return c, fmt.Errorf("%w: KEYFEED_SOURCE_URL: %w", ingest.ErrOperator, err)
		}
		if c.TLS, err = s.TLS.Client(host); err != nil {
			return c, fmt.Errorf("%w: the source's TLS settings: %w", ingest.ErrOperator, err)
		}
	}
	c.ClientName = "keyfeed-" + s.Name
	c.Announce = s.Announce
	if c.Announce == "" && s.RefuseFailoverAddr != "" { // the source must dial where it is refused
		if _, c.Announce, err = net.SplitHostPort(s.RefuseFailoverAddr); err != nil {
			return c, fmt.Errorf("%w: KEYFEED_SOURCE_REFUSE_FAILOVER_ADDR: %w", ingest.ErrOperator, err)
		}
	}
	c.DialTimeout, c.HandshakeTimeout, c.IdleTimeout, c.WriteTimeout = s.DialTimeout, s.HandshakeTimeout, s.IdleTimeout, s.WriteTimeout
	c.BackoffMin, c.BackoffMax = s.ReconnectMin, s.ReconnectMax
	c.Logger = log
	return c, nil
}
