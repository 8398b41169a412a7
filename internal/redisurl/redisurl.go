// Package redisurl reads the address of a Redis or Valkey server as people write it:
//
//	redis://[user:password@]host[:port]   plain TCP
//	rediss://[user:password@]host[:port]  TLS
//	unix:///path/to/socket
package redisurl

import (
	"errors"
	"fmt"
	"net"
	"net/url"
	"strconv"
	"strings"
)

// URL is what an address says. It may hold a password.
type URL struct {
	Network  string // "tcp" or "unix"
	Address  string // host:port, or the path of a socket
	Host     string // without the port; "" for a socket
	TLS      bool
	Username string
	Password string
}

// Parse reads raw. role, "source" or "target", stands in the errors, which never hold what raw holds.
func Parse(raw, role string) (URL, error) {
	fail := func(format string, args ...any) (URL, error) {
		return URL{}, errors.New("the " + role + " URL " + fmt.Sprintf(format, args...))
	}
	why := "a replica receives all databases"
	if role != "source" {
		why = "all databases are written"
	}
	u, err := url.Parse(raw)
	if err != nil {
		return fail("cannot be read: write redis://host:port, and the password as KEYFEED_%s_PASSWORD or with %%XX for special characters", strings.ToUpper(role))
	}
	var c URL
	if u.User != nil {
		c.Username = u.User.Username()
		c.Password, _ = u.User.Password()
		if c.Password == "" && c.Username != "" && u.Scheme != "unix" && u.Host == "" {
			return fail("has no host")
		}
	}
	if u.RawQuery != "" || u.Fragment != "" {
		return fail("has a query or a fragment, which mean nothing here: remove them")
	}
	switch u.Scheme {
	case "redis", "rediss":
		if u.Path != "" && u.Path != "/" {
			return fail("names a database: remove the path, %s", why)
		}
		if u.Hostname() == "" {
			return fail("has no host: write redis://host:port")
		}
		port := u.Port()
		if port == "" {
			port = "6379"
		}
		if n, err := strconv.ParseUint(port, 10, 16); err != nil || n == 0 {
			return fail("has an impossible port: it is a number from 1 to 65535")
		}
		c.Network, c.Address, c.Host = "tcp", net.JoinHostPort(u.Hostname(), port), u.Hostname()
		c.TLS = u.Scheme == "rediss"
	case "unix":
		if u.Host != "" || u.Path == "" {
			return fail("has no absolute socket path: write unix:///path/to/socket")
		}
		c.Network, c.Address = "unix", u.Path
	default:
		return fail("has the scheme %q: use redis, rediss or unix", u.Scheme)
	}
	return c, nil
}
