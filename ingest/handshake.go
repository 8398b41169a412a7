package ingest

import (
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"strconv"
	"strings"
	"syscall"
	"time"

	"keyfeed/internal/resp"
)

// reportVersion is what a Valkey source is told as our version. It chooses the RDB format by it: from 9.0.0 on it sends
// RDB 80, and to a replica without a version RDB 11, in which hashes with field deadlines cannot be written at all
// (Valkey 9.1, replication.c replicaRdbVersion, rdb.c rdbGetObjectType).
const reportVersion = "9.0.0"

// greeting is the conversation before PSYNC: one request, one reply, in the order of a real replica
// (replication.c, syncWithMaster).
type greeting struct {
	cfg  *Config
	link *link
	said bool // the server has replied at least once
}

// open runs the greeting up to the last reply before REPLCONF, and gives what INFO told.
func (g *greeting) open() (ServerInfo, error) {
	var info ServerInfo
	// PING first, as a probe for what is at the other end. Its reply does not matter: without a password it is NOAUTH,
	// on a server that cannot save it is MISCONF, and neither speaks about PSYNC. But a server that refuses connections
	// says so here, once, whatever was asked.
	r, err := g.ask(stepPing, "PING")
	if err != nil {
		return info, err
	}
	loading := strings.HasPrefix(r.text, "LOADING")
	if r.isError() {
		if err := g.refusal(stepPing, r); refusesConnection(r.text) {
			return info, err
		}
	}
	if g.cfg.Password != "" {
		args := []string{"AUTH", g.cfg.Password}
		if g.cfg.Username != "" {
			args = []string{"AUTH", g.cfg.Username, g.cfg.Password}
		}
		if _, err := g.must(stepAuth, args...); err != nil {
			return info, err
		}
	}
	if g.cfg.ClientName != "" {
		if _, err := g.ask(stepName, "CLIENT", "SETNAME", g.cfg.ClientName); err != nil {
			return info, err // a refusal is a reply, and does not matter
		}
	}
	// One section at a time: several in one INFO came with 7.0. Without the right to INFO only prediction is lost.
	// The keyspace comes before what tells the state of a replica's link: were its data being replaced when it was asked, the
	// link would be said to be down.
	keys := int64(-1)
	for _, section := range []string{"server", "keyspace", "replication"} {
		r, err := g.ask(stepInfo, "INFO", section)
		if err != nil {
			return info, err
		}
		switch {
		case r.kind == '$' && section == "keyspace":
			var counted ServerInfo
			counted.parseInfo(r.text)
			keys = counted.Keys
		case r.kind == '$':
			info.parseInfo(r.text)
		case r.isError() && (strings.HasPrefix(r.text, "NOAUTH") || strings.HasPrefix(r.text, "ERR operation not permitted")):
			return info, g.refusal(stepInfo, r)
		}
	}
	info.Keys, info.KeysKnown = max(keys, 0), keys >= 0 && !loading && (info.Role == "master" || info.MasterLinkUp)
	if info.Mode == "sentinel" {
		return info, &HandshakeError{Step: stepInfo, Kind: KindOperator, Hint: "this is a Sentinel: give the address of a server that it watches"}
	}
	return info, nil
}

// announce runs the REPLCONF part. Errors are ignored as real replicas do, but for rights: a user without REPLCONF would
// have every ACK answered with an error, and a replica that is answered is cut off (Redis 7.0, "Replica generated a reply").
func (g *greeting) announce(info *ServerInfo) error {
	host, port, err := splitAnnounce(g.cfg.Announce)
	if err != nil {
		return err
	}
	if port != "" {
		if err := g.replconf(stepPort, "listening-port", port); err != nil {
			return err
		}
	}
	if host != "" {
		if err := g.replconf(stepAddress, "ip-address", host); err != nil {
			return err
		}
	}
	// eof: payloads without a size, from a diskless source. psync2: +CONTINUE with an id. No other: each further one
	// changes the protocol.
	if err := g.replconf(stepCapa, "capa", "eof", "capa", "psync2"); err != nil {
		return err
	}
	if info.Kind == "" || info.Kind == "valkey" && info.major() >= 8 {
		return g.replconf(stepVersion, "version", reportVersion)
	}
	return nil
}

func (g *greeting) replconf(step string, args ...string) error {
	r, err := g.ask(step, append([]string{"REPLCONF"}, args...)...)
	if err != nil || !r.isError() {
		return err
	}
	if err := g.refusal(step, r); errors.Is(err, ErrOperator) {
		return err
	}
	return nil
}

// must is ask with an error reply as an error.
func (g *greeting) must(step string, args ...string) (reply, error) {
	r, err := g.ask(step, args...)
	if err == nil && r.isError() {
		err = g.refusal(step, r)
	}
	return r, err
}

// ask sends one command and takes its reply, within HandshakeTimeout.
func (g *greeting) ask(step string, args ...string) (reply, error) {
	if err := g.link.conn.SetReadDeadline(time.Now().Add(g.cfg.HandshakeTimeout)); err != nil {
		return reply{}, &HandshakeError{Step: step, Err: fmt.Errorf("setting the read deadline: %w", err)}
	}
	if err := g.link.write(resp.AppendCommand(nil, args...), g.cfg.WriteTimeout); err != nil {
		// A server that refuses us says why and closes, maybe before our command: what it said is worth more.
		r, rerr := readReply(g.link)
		switch {
		case rerr == nil && r.isError():
			return r, nil
		case isAlert(rerr):
			err = rerr
		}
		return reply{}, g.lost(step, err)
	}
	r, err := readReply(g.link)
	if err != nil {
		return reply{}, g.lost(step, err)
	}
	g.said = true
	return r, nil
}

// refusal makes an error of an error reply.
func (g *greeting) refusal(step string, r reply) error {
	kind, hint := classify(step, r.text, g.cfg.Username)
	return &HandshakeError{Step: step, Reply: "-" + clean(r.text, g.cfg.Password), Hint: hint, Kind: kind}
}

// refusesConnection tells the replies that a server gives to a connection, before any command, and then closes it.
func refusesConnection(text string) bool {
	kind, _ := classify(stepPing, text, "")
	return len(text) >= 6 && text[:6] == "DENIED" || kind == KindTransient && len(text) >= 25 && text[:25] == "ERR max number of clients"
}

// lost makes an error of a connection that gave no reply, with what that means when it was the first.
func (g *greeting) lost(step string, err error) error {
	e := &HandshakeError{Step: step, Err: err}
	var ne net.Error
	switch {
	case errors.Is(err, errNotRESP), errors.Is(err, errLineTooLong):
		e.Kind = KindOperator
		if p := g.link.buf[g.link.r:g.link.w]; len(p) >= 2 && p[0] == 0x15 && p[1] == 0x03 {
			e.Hint = "the port speaks TLS: use rediss://" // a TLS alert record
		} else {
			e.Hint = "this is not a Redis or Valkey server: see host and port of KEYFEED_SOURCE_URL"
			if !g.said {
				e.Reply = strconv.QuoteToASCII(string(p[:min(len(p), 40)]))
			}
		}
	case isAlert(err): // TLS 1.3 tells it with the first read
		e.Kind, e.Hint = KindOperator, clientCertHint
	case step == stepPSYNC || step == stepTransfer:
		e.Hint = cutHint(err)
	case g.said:
	case errors.Is(err, io.EOF), errors.Is(err, syscall.ECONNRESET), errors.Is(err, syscall.EPIPE):
		// Also what a server does that is going down: so not final.
		e.Hint = "the server closed the connection at the first command"
		if g.cfg.TLS == nil {
			e.Hint += ": if the port speaks TLS, use rediss://"
		} else {
			e.Hint += ": " + clientCertHint
		}
	case errors.Is(err, os.ErrDeadlineExceeded), errors.As(err, &ne) && ne.Timeout():
		e.Hint = "the server accepts connections and says nothing: is it a Redis, and is it not stopped?"
	}
	return e
}

// cutHint tells why a source closes while a snapshot is made or sent: it says so in its own log only.
func cutHint(err error) string {
	if errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF) || errors.Is(err, syscall.ECONNRESET) {
		return "the source closed the link; its log tells why: no memory or disk for the snapshot, or client-output-buffer-limit replica exceeded"
	}
	return ""
}
