package replay

import (
	"bufio"
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"net"
	"strconv"
	"strings"
	"time"
)

// Target says which server to write to. It holds a password: it prints as its address, whatever the verb.
type Target struct {
	Network  string        // "tcp" or "unix"
	Address  string        // host:port, or the path of a socket
	Username string        // empty: AUTH with the password alone
	Password string        // empty: no AUTH
	TLS      *tls.Config   // nil: plain
	Timeout  time.Duration // for connecting and for each answer before the first event; 10 s when 0
}

// String is the address.
func (t Target) String() string { return t.Address }

// GoString is the address.
func (t Target) GoString() string { return t.Address }

// Dial connects and logs in.
func (t Target) Dial(ctx context.Context) (net.Conn, error) {
	if t.Timeout <= 0 {
		t.Timeout = 10 * time.Second
	}
	ctx, cancel := context.WithTimeout(ctx, t.Timeout)
	defer cancel()
	var d interface {
		DialContext(ctx context.Context, network, addr string) (net.Conn, error)
	} = &net.Dialer{}
	if t.TLS != nil {
		d = &tls.Dialer{Config: t.TLS}
	}
	conn, err := d.DialContext(ctx, t.Network, t.Address)
	if _, cert := errors.AsType[*tls.CertificateVerificationError](err); cert {
		return nil, fmt.Errorf("%w: connecting: %w", ErrTarget, err)
	}
	if err != nil {
		return nil, fmt.Errorf("%w: connecting: %w", ErrAway, err)
	}
	if err := t.logIn(conn); err != nil {
		_ = conn.Close() // the login's error says more
		return nil, err
	}
	return conn, nil
}

func (t Target) logIn(conn net.Conn) error {
	if err := conn.SetDeadline(time.Now().Add(t.Timeout)); err != nil {
		return fmt.Errorf("%w: %w", ErrAway, err)
	}
	p := newPipeline(conn, nil)
	if t.Password != "" {
		words := [][]byte{[]byte("AUTH")}
		if t.Username != "" {
			words = append(words, []byte(t.Username))
		}
		if err := p.send("", authAnswer, append(words, []byte(t.Password))...); err != nil {
			return err
		}
	}
	if err := p.send("", stateAnswer("PING"), []byte("PING")); err != nil {
		return err
	}
	if err := p.flush(); err != nil {
		return err
	}
	if err := conn.SetDeadline(time.Time{}); err != nil {
		return fmt.Errorf("%w: %w", ErrAway, err)
	}
	return nil
}

func authAnswer(r *reply) error {
	err := r.err()
	if err == nil {
		return nil
	}
	if state := stateError("AUTH", err); state != nil {
		return state
	}
	return fmt.Errorf("%w: it refused AUTH: %w: check KEYFEED_TARGET_USERNAME and KEYFEED_TARGET_PASSWORD", ErrTarget, err)
}

func stateAnswer(cmd string) func(*reply) error {
	return func(r *reply) error {
		err := r.err()
		if err == nil {
			return nil
		}
		if state := stateError(cmd, err); state != nil {
			return state
		}
		return fmt.Errorf("%w: it refused %s: %w", ErrTarget, cmd, err)
	}
}

// Condition is what a target says of itself.
type Condition struct {
	Server string // for people: redis 7.0.15
	Keys   int64  // in all databases
	// Evicts names the policy by which the target drops keys when its memory is full; "" when it does not.
	Evicts string
}

// Inspect asks the target about itself. The error wraps [ErrTarget] when it cannot be written to.
func (r *Replayer) Inspect() (Condition, error) {
	var text string
	keep := func(rep *reply) error {
		text = string(rep.text)
		return stateAnswer("INFO")(rep)
	}
	if err := r.p.send("", keep, []byte("INFO")); err != nil {
		return Condition{}, err
	}
	if err := r.p.flush(); err != nil {
		return Condition{}, err
	}
	info := parseInfo(text)
	c := Condition{Server: "redis " + info["redis_version"]}
	if v := info["valkey_version"]; v != "" {
		c.Server = "valkey " + v
	}
	if policy := info["maxmemory_policy"]; policy != "noeviction" && info["maxmemory"] != "0" {
		c.Evicts = policy
	}
	for name, value := range info {
		if keys, ok := strings.CutPrefix(value, "keys="); ok && strings.HasPrefix(name, "db") {
			keys, _, _ = strings.Cut(keys, ",")
			n, err := strconv.ParseInt(keys, 10, 64)
			if err != nil {
				return c, fmt.Errorf("%w: INFO says that %s has keys=%s", ErrTarget, name, keys)
			}
			c.Keys += n
		}
	}
	switch {
	case info["role"] == "slave":
		return c, fmt.Errorf("%w: it is a replica of %s: name its master", ErrTarget, info["master_host"])
	case info["redis_mode"] == "cluster" || info["server_mode"] == "cluster":
		return c, fmt.Errorf("%w: it is a node of a cluster: name a server that stands alone", ErrTarget)
	}
	return c, nil
}

func parseInfo(text string) map[string]string {
	m := map[string]string{}
	for s := bufio.NewScanner(strings.NewReader(text)); s.Scan(); {
		if name, value, ok := strings.Cut(s.Text(), ":"); ok {
			m[name] = value
		}
	}
	return m
}
