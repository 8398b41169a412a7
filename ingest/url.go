package ingest

import (
	"crypto/tls"
	"errors"
	"fmt"
	"net"
	"net/url"
	"strconv"
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
	u, err := url.Parse(raw)
	if err != nil {
		return Config{}, errors.New("the source URL cannot be read: write redis://host:port, and the password as KEYFEED_SOURCE_PASSWORD or with %XX for special characters")
	}
	var c Config
	if u.User != nil {
		c.Username = u.User.Username()
		c.Password, _ = u.User.Password()
		if c.Password == "" && c.Username != "" && u.Scheme != "unix" && u.Host == "" {
			return Config{}, errors.New("the source URL has no host")
		}
	}
	if u.RawQuery != "" || u.Fragment != "" {
		return Config{}, errors.New("the source URL has a query or a fragment, which mean nothing here: remove them")
	}
	switch u.Scheme {
	case "redis", "rediss":
		if u.Path != "" && u.Path != "/" {
			return Config{}, errors.New("the source URL names a database: remove the path, a replica receives all databases")
		}
		if u.Hostname() == "" {
			return Config{}, errors.New("the source URL has no host: write redis://host:port")
		}
		port := u.Port()
		if port == "" {
			port = "6379"
		}
		if n, err := strconv.ParseUint(port, 10, 16); err != nil || n == 0 {
			return Config{}, errors.New("the source URL has an impossible port: it is a number from 1 to 65535")
		}
		c.Network, c.Address = "tcp", net.JoinHostPort(u.Hostname(), port)
		if u.Scheme == "rediss" {
			c.TLS = &tls.Config{MinVersion: tls.VersionTLS12, ServerName: u.Hostname()}
		}
	case "unix":
		if u.Host != "" || u.Path == "" {
			return Config{}, errors.New("the source URL has no absolute socket path: write unix:///path/to/socket")
		}
		c.Network, c.Address = "unix", u.Path
	default:
		return Config{}, fmt.Errorf("the source URL has the scheme %q: use redis, rediss or unix", u.Scheme)
	}
	return c, nil
}
