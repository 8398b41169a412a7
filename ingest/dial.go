package ingest

import (
	"context"
	"crypto/tls"
	"errors"
	"net"
	"os"
	"syscall"
	"time"

	"keyfeed/internal/resp"
)

// Steps of the handshake, as HandshakeError names them.
const (
	stepDial     = "dial"
	stepTLS      = "TLS"
	stepPing     = "PING"
	stepAuth     = "AUTH"
	stepInfo     = "INFO"
	stepName     = "CLIENT SETNAME"
	stepPort     = "REPLCONF listening-port"
	stepAddress  = "REPLCONF ip-address"
	stepCapa     = "REPLCONF capa"
	stepVersion  = "REPLCONF version"
	stepPSYNC    = "PSYNC"
	stepTransfer = "transfer"
)

// dial connects to Address, TLS included. The name is resolved anew each time: the address may have moved.
func (c Config) dial(ctx context.Context) (net.Conn, error) {
	var d net.Dialer
	conn, err := d.DialContext(ctx, c.Network, c.Address)
	if err != nil {
		return nil, dialError(err)
	}
	if c.TLS == nil {
		return conn, nil
	}
	conf := c.TLS
	if conf.ServerName == "" && !conf.InsecureSkipVerify {
		conf = conf.Clone()
		if host, _, err := net.SplitHostPort(c.Address); err == nil {
			conf.ServerName = host
		}
	}
	secure := tls.Client(conn, conf)
	if err := secure.HandshakeContext(ctx); err != nil {
		_ = conn.Close()
		e := tlsError(err)
		if e.Kind == KindTransient && !errors.Is(err, context.Canceled) && c.speaksPlain(ctx) {
			e.Kind, e.Hint = KindOperator, plainPortHint
		}
		return nil, e
	}
	return secure, nil
}

// speaksPlain reports whether the port answers a PING without TLS. A plain Redis does not answer a TLS greeting: it waits
// for the end of a line, which it does not find behind the greeting's zero bytes. So silence needs a second look.
func (c Config) speaksPlain(ctx context.Context) bool {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), time.Second)
	defer cancel()
	var d net.Dialer
	conn, err := d.DialContext(ctx, c.Network, c.Address)
	if err != nil {
		return false
	}
	defer func() { _ = conn.Close() }()
	if err := conn.SetDeadline(time.Now().Add(time.Second)); err != nil {
		return false
	}
	if _, err := conn.Write(resp.AppendCommand(nil, "PING")); err != nil {
		return false
	}
	first := make([]byte, 1)
	if _, err := conn.Read(first); err != nil {
		return false
	}
	return first[0] == '+' || first[0] == '-'
}

// dialError adds what a failed connect most likely means. All heal by waiting but a socket that we may not open.
func dialError(err error) error {
	e := &HandshakeError{Step: stepDial, Err: err}
	var dns *net.DNSError
	switch {
	case errors.Is(err, os.ErrPermission):
		e.Kind, e.Hint = KindOperator, "keyfeed may not open this socket: see unixsocketperm of the server"
	case errors.Is(err, os.ErrNotExist):
		e.Hint = "the server has not made this socket: is it running, with this unixsocket?"
	case errors.Is(err, syscall.ECONNREFUSED):
		e.Hint = "nothing listens there: is the server running, and the port of KEYFEED_SOURCE_URL right?"
	case errors.As(err, &dns):
		e.Hint = "the host of KEYFEED_SOURCE_URL is not known"
	}
	return e
}

// tlsError adds what a failed TLS handshake means. A server that speaks no TLS, and a certificate that does not fit, stay
// so; a connection that just ends may be a server that restarts.
func tlsError(err error) *HandshakeError {
	e := &HandshakeError{Step: stepTLS, Err: err}
	var (
		record tls.RecordHeaderError
		cert   *tls.CertificateVerificationError
	)
	switch {
	case errors.As(err, &record):
		e.Kind, e.Hint = KindOperator, plainPortHint
	case errors.As(err, &cert):
		e.Kind, e.Hint = KindOperator, "the server's certificate is not trusted: set KEYFEED_SOURCE_TLS_CA_FILE, and use a host name that the certificate holds"
	case isAlert(err):
		e.Kind, e.Hint = KindOperator, clientCertHint
	case errors.Is(err, context.DeadlineExceeded):
		e.Hint = silentTLSHint
	}
	return e
}

// isAlert reports whether err is what the peer's TLS said before it hung up. crypto/tls has no exported type for it
// outside QUIC, but its own operation.
func isAlert(err error) bool {
	op, ok := errors.AsType[*net.OpError](err)
	return ok && op.Op == "remote error"
}

const plainPortHint = "the port does not speak TLS: use redis:// or the server's tls-port"

const silentTLSHint = "the port accepts and says nothing: is it the server's tls-port, and the server not stopped?"

const clientCertHint = "the server refused our side of TLS: if tls-auth-clients is on, set KEYFEED_SOURCE_TLS_CERT_FILE and KEYFEED_SOURCE_TLS_KEY_FILE"
