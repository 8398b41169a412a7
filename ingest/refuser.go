package ingest

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"sync"
	"time"

	"keyfeed/internal/resp"
)

// Refuser keeps the command FAILOVER from handing the master's role to keyfeed.
//
// FAILOVER without TO takes the first replica whose acknowledged offset equals the master's, which may be keyfeed, pauses
// writes, and dials the address that this replica announced, as a replica that wants PSYNC … FAILOVER. Where nobody
// answers there, the master stays paused until FAILOVER ABORT or its TIMEOUT; a refusal ends the failover at once and it
// stays master, with a new replication id that partial resync follows (replication.c, updateFailoverStatus and
// syncWithMaster, Redis 6.2 and later).
//
// It speaks plain TCP only, so it does not help where the source has tls-replication. It is not for sources that
// Sentinel watches: a replica that Sentinel can reach and that ignores REPLICAOF delays the end of Sentinel's own failovers.
type Refuser struct {
	addr string
	log  *slog.Logger
}

// NewRefuser returns a Refuser that will listen on addr, host:port.
func NewRefuser(addr string, log *slog.Logger) *Refuser { return &Refuser{addr: addr, log: log} }

const (
	refuserConns   = 8                // at once; a master makes one
	refuserTimeout = 10 * time.Second // for one connection, from its first byte to its last
	refuserBuffer  = 16 << 10         // of one request; a handshake takes some hundred bytes
)

// Run listens until ctx ends, and then returns nil when every connection has ended.
func (r *Refuser) Run(ctx context.Context) error {
	l, err := new(net.ListenConfig).Listen(ctx, "tcp", r.addr)
	if err != nil {
		return fmt.Errorf("%w: KEYFEED_SOURCE_REFUSE_FAILOVER_ADDR: %w", ErrOperator, err)
	}
	return r.serve(ctx, l)
}

func (r *Refuser) serve(ctx context.Context, l net.Listener) error {
	var conns sync.WaitGroup
	defer conns.Wait()
	ctx, cancel := context.WithCancel(ctx) // before Wait: it ends the connections
	defer cancel()
	defer context.AfterFunc(ctx, func() { _ = l.Close() })()
	slots := make(chan struct{}, refuserConns)
	for {
		conn, err := l.Accept()
		switch {
		case ctx.Err() != nil:
			if err == nil {
				_ = conn.Close()
			}
			return nil
		case err != nil:
			return fmt.Errorf("accepting who dials the announced port: %w", err)
		}
		select {
		case slots <- struct{}{}:
		default: // not a master: no need to be polite
			_ = conn.Close()
			continue
		}
		conns.Go(func() {
			defer func() { <-slots }()
			defer context.AfterFunc(ctx, func() { _ = conn.Close() })()
			defer func() { _ = conn.Close() }()
			if err := r.answer(conn); err != nil && ctx.Err() == nil {
				r.log.Debug("a connection to the announced port ended", "error", err)
			}
		})
	}
}

var errTooLong = errors.New("a request is too long")

// answer plays the master that the other side wants, up to its PSYNC.
func (r *Refuser) answer(conn net.Conn) error {
	if err := conn.SetDeadline(time.Now().Add(refuserTimeout)); err != nil {
		return err
	}
	buf, used := make([]byte, refuserBuffer), 0
	var argv [][]byte
	for {
		n, err := conn.Read(buf[used:])
		if err != nil {
			return err
		}
		used += n
		for {
			args, size, err := resp.Command(buf[:used], argv)
			if errors.Is(err, resp.ErrShort) {
				break
			}
			if err != nil {
				return err
			}
			argv = args
			reply, last := r.reply(args)
			if _, err := conn.Write([]byte(reply)); err != nil || last {
				return err
			}
			used = copy(buf, buf[size:used])
		}
		if used == len(buf) {
			return errTooLong
		}
	}
}

// reply answers one request. last says that the connection is over.
func (r *Refuser) reply(args [][]byte) (text string, last bool) {
	is := func(name string) bool { return len(args) > 0 && bytes.EqualFold(args[0], []byte(name)) }
	switch {
	case len(args) == 0:
		return "", false
	case is("PING"):
		return "+PONG\r\n", false
	case is("AUTH"), is("REPLCONF"):
		return "+OK\r\n", false
	case is("PSYNC"), is("SYNC"):
		r.log.Warn("refused to become master: FAILOVER on the source chose keyfeed; name the replica with FAILOVER TO")
		return "-ERR keyfeed is not a server and cannot become master; use FAILOVER TO a replica that can\r\n", true
	default:
		return "-ERR keyfeed is not a server\r\n", false
	}
}
