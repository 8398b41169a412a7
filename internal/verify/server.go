package verify

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"log/slog"
	"strconv"
	"strings"
	"time"
)

// Server says how to reach one of the two. It holds a password: it prints as its address, whatever the verb.
type Server struct {
	Network  string // tcp or unix
	Address  string // host:port, or the path of a socket
	Username string // empty: AUTH with the password alone
	Password string // empty: no AUTH
	TLS      *tls.Config
}

// String is the address.
func (s Server) String() string { return s.Address }

// GoString is the address.
func (s Server) GoString() string { return s.Address }

// LogValue is the address.
func (s Server) LogValue() slog.Value { return slog.StringValue(s.Address) }

// Names of the two.
const (
	sourceName = "source"
	targetName = "target"
)

// side is one of the two servers. Walking a key asks about elements while the page of keys, or of elements, is half
// read: so a side has a connection for each, and no page is ever held whole.
type side struct {
	name  string // source or target
	keys  *conn  // SCAN
	elems *conn  // HSCAN SSCAN ZSCAN
	data  *conn  // everything else
	dig   *digester

	server Server
	idle   time.Duration // after which a connection is made anew
	runID  string        // of the process: cursors mean nothing to another

	exactTTL  bool // knows PEXPIRETIME, 7.0
	fieldTTL  bool // knows HPEXPIRETIME, Redis 7.4 and Valkey 9
	memory    bool // knows MEMORY USAGE, 4.0, and may use it
	functions bool // knows FUNCTION, 7.0, and may use it
}

// open connects and finds out what the server knows.
func open(ctx context.Context, name string, s Server, idle time.Duration) (*side, error) {
	d := &side{name: name, dig: newDigester(), server: s, idle: idle}
	for _, c := range []**conn{&d.keys, &d.elems, &d.data} {
		if err := d.connect(ctx, c); err != nil {
			d.close()
			return nil, explain(name, err)
		}
	}
	if err := d.probe(); err != nil {
		d.close()
		return nil, explain(name, err)
	}
	return d, nil
}

// errRestarted says that another process answers than before.
var errRestarted = errors.New("the server was restarted, or another one took its place: compare again")

// connect makes a connection to the process that the others lead to.
func (d *side) connect(ctx context.Context, to **conn) error {
	c, err := dial(ctx, d.server)
	if err != nil {
		return err
	}
	if *to != nil {
		(*to).close()
	}
	*to = c
	if err := greet(c, d.server); err != nil {
		return err
	}
	var info string
	err = c.ask(func(r *reader) (err error) {
		info, err = r.text()
		return err
	}, "INFO", "server")
	if err != nil {
		return err
	}
	_, rest, _ := strings.Cut(info, "run_id:")
	runID, _, _ := strings.Cut(rest, "\r\n")
	if d.runID != "" && d.runID != runID {
		return errRestarted
	}
	d.runID = runID
	return nil
}

// refresh makes a connection anew that was not used for so long that the server may have closed it. No answer may be due.
func (d *side) refresh(ctx context.Context, c **conn) error {
	if time.Since((*c).last) < d.idle {
		return nil
	}
	return explain(d.name, d.connect(ctx, c))
}

func (d *side) close() {
	for _, c := range []*conn{d.keys, d.elems, d.data} {
		if c != nil {
			c.close()
		}
	}
}

func greet(c *conn, s Server) error {
	status := func(r *reader) error {
		_, _, err := r.line()
		return err
	}
	if s.Password != "" {
		args := []string{"AUTH", s.Password}
		if s.Username != "" {
			args = []string{"AUTH", s.Username, s.Password}
		}
		if err := c.ask(status, args...); err != nil {
			return err
		}
	}
	named := func(r *reader) error {
		err := status(r)
		if _, refused := errors.AsType[*replyError](err); refused && !hasCode(err, "NOAUTH") {
			return nil // it only shows in CLIENT LIST
		}
		return err
	}
	return c.ask(named, "CLIENT", "SETNAME", "keyfeed-verify")
}

// probe asks harmless questions about a key that need not exist; a server that does not know the command says so.
func (d *side) probe() error {
	known := func(flag *bool, mayRefuse bool) func(*reader) error {
		return func(r *reader) error {
			err := r.skip()
			switch {
			case err == nil, hasCode(err, "WRONGTYPE"):
				*flag = true
			case isUnknown(err), mayRefuse && hasCode(err, "NOPERM"):
			default:
				return err
			}
			return nil
		}
	}
	const key = "keyfeed:verify:probe"
	d.data.do(known(&d.exactTTL, false), "PEXPIRETIME", key)
	d.data.do(known(&d.fieldTTL, false), "HPEXPIRETIME", key, "FIELDS", "1", "f")
	d.data.do(known(&d.memory, true), "MEMORY", "USAGE", key)
	d.data.do(known(&d.functions, true), "FUNCTION", "LIST", "LIBRARYNAME", key)
	return d.data.flush()
}

// databases returns how many keys each database holds, by INFO keyspace.
func (d *side) databases() (map[int]int64, error) {
	var text string
	err := d.data.ask(func(r *reader) (err error) {
		text, err = r.text()
		return err
	}, "INFO", "keyspace")
	if err != nil {
		return nil, explain(d.name, err)
	}
	dbs := map[int]int64{}
	for line := range strings.Lines(text) {
		name, rest, ok := strings.Cut(strings.TrimRight(line, "\r\n"), ":keys=")
		if !ok || !strings.HasPrefix(name, "db") {
			continue
		}
		count, _, _ := strings.Cut(rest, ",")
		db, err := strconv.Atoi(name[2:])
		if err != nil {
			return nil, fmt.Errorf("%s: reading INFO keyspace: %w", d.name, err)
		}
		keys, err := strconv.ParseInt(count, 10, 64)
		if err != nil {
			return nil, fmt.Errorf("%s: reading INFO keyspace: %w", d.name, err)
		}
		dbs[db] = keys
	}
	return dbs, nil
}
