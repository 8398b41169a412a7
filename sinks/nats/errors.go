package nats

import (
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"

	natsgo "github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"

	"keyfeed/sinks"
)

// ErrNoStream is wrapped by errors about a stream that does not exist and is not to be made.
var ErrNoStream = errors.New("stream does not exist")

// Codes of JetStream refusals: nats-server, server/jetstream_errors_generated.go.
const (
	codeMessageNotFound     = 10037
	codeNoStorage           = 10047
	codeMessageTooLarge     = 10054
	codeStreamNotFound      = 10059
	codeSubjectsOverlap     = 10065
	codeWrongLastSequence   = 10071
	codeNeedsCluster        = 10074
	codeNotEnabledOnServer  = 10076
	codeStoreFailed         = 10077 // among others "maximum bytes exceeded" of a stream that discards new messages
	codeNotEnabledOnAccount = 10039
	codeResources           = 10023
	codeSealed              = 10109
	codeWrongLastInProcess  = 10164
	codeBatchTooLarge       = 10199
)

// configError is an error that an operator must heal.
func configError(format string, args ...any) error {
	return fmt.Errorf("%w: "+format, append([]any{sinks.ErrConfig}, args...)...)
}

// classify wraps err in what the pump branches on. What is not named here is a broker or a network that is away: it
// heals by itself, so it stays as it is and the pump opens again.
func classify(err error) error {
	if err == nil || errors.Is(err, sinks.ErrConfig) {
		return err
	}
	if api, ok := errors.AsType[*jetstream.APIError](err); ok {
		return classifyAPI(err, api)
	}
	if js, ok := errors.AsType[jetstream.JetStreamError](err); ok && js.APIError() != nil {
		return classifyAPI(err, js.APIError())
	}
	var (
		certificate *tls.CertificateVerificationError
		authority   x509.UnknownAuthorityError
		hostname    x509.HostnameError
		record      tls.RecordHeaderError
	)
	switch {
	// A refused login stays refused: the servers of a cluster share their users, and hammering locks accounts.
	case errors.Is(err, natsgo.ErrAuthorization), errors.Is(err, natsgo.ErrAuthExpired),
		errors.Is(err, natsgo.ErrAuthRevoked), errors.Is(err, natsgo.ErrAccountAuthExpired),
		errors.Is(err, natsgo.ErrNkeysNotSupported):
		return configError("%w: check the credentials", err)
	case errors.Is(err, natsgo.ErrPermissionViolation):
		return configError("%w: the user needs to publish to the stream's subjects and to $JS.API.>, "+
			"and to subscribe to _INBOX.>", err)
	case errors.As(err, &certificate), errors.As(err, &authority), errors.As(err, &hostname):
		return configError("%w: check the certificate authority and the server's name", err)
	case errors.As(err, &record), errors.Is(err, natsgo.ErrSecureConnWanted):
		return configError("%w: the server speaks no TLS on this port, use nats:// without certificates", err)
	case errors.Is(err, natsgo.ErrSecureConnRequired):
		return configError("%w: use tls://", err)
	case errors.Is(err, natsgo.ErrHeadersNotSupported):
		return configError("%w: keyfeed needs a NATS server of 2.9 or later", err)
	case errors.Is(err, natsgo.ErrMaxPayload):
		return fmt.Errorf("%w: %w", sinks.ErrTooLarge, err)
	case errors.Is(err, natsgo.ErrNoResponders):
		return fmt.Errorf("%w: JetStream does not answer; is it enabled (nats-server -js), and has the stream a leader?", err)
	default:
		return err
	}
}

func classifyAPI(err error, api *jetstream.APIError) error {
	switch api.ErrorCode {
	case codeMessageTooLarge:
		return fmt.Errorf("%w: %w", sinks.ErrTooLarge, err)
	case codeStoreFailed, codeResources:
		return fmt.Errorf("%w: %w: raise its limit, or purge it when its consumers have read it", sinks.ErrFull, err)
	case codeWrongLastSequence, codeWrongLastInProcess:
		return fmt.Errorf("%w: something else was stored in the stream, or arrived late, or the server could not store (its log says whether the disk is full); reading the end again", err)
	case codeNotEnabledOnServer, codeNotEnabledOnAccount:
		return configError("%w: start the server with JetStream (nats-server -js), or enable it for the account", err)
	case codeSubjectsOverlap:
		return configError("%w: another stream takes keyfeed's subjects; set KEYFEED_NATS_STREAM to it, "+
			"or another KEYFEED_NATS_SUBJECT", err)
	case codeNeedsCluster:
		return configError("%w: a single server keeps one replica", err)
	case codeNoStorage:
		return configError("%w: the server has no room for a stream of this size", err)
	case codeSealed:
		return configError("%w: a sealed stream takes nothing more", err)
	default:
		return err
	}
}
