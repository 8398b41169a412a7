package ingest

import (
	"crypto/tls"

	"keyfeed/internal/redisurl"
)

// ParseURL reads a source URL into the fields of a Config that it holds:
//
//	redis://[user[:password]@]host[:port]
//	rediss://[user[:password]@]host[:port]     TLS, certificates checked against the system's roots
//	unix://[user[:password]@]/path/to/socket
//
// The port is 6379 when absent. A database in the path is an error: a replica receives all of them. No error holds any
// part of the URL but its scheme, since the rest may hold a password.
func ParseURL(raw string) (Config, error) {
	u, err := redisurl.Parse(raw, "source")
	if err != nil {
		return Config{}, err
	}
	c := Config{Network: u.Network, Address: u.Address, Username: u.Username, Password: u.Password}
	if u.TLS {
		c.TLS = &tls.Config{MinVersion: tls.VersionTLS12, ServerName: u.Host}
	}
	return c, nil
}
