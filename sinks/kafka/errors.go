package kafka

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"io"

	"github.com/twmb/franz-go/pkg/kerr"

	"keyfeed/sinks"
)

// operator marks err as one that no retry heals, with what to do about it.
func operator(err error, remedy string) error {
	return fmt.Errorf("%w: %w; %s", sinks.ErrConfig, err, remedy)
}

// classify decides, for every error that Kafka or the client gives, whether a retry can heal it (then the error comes
// back as it is) or whether an operator must act (then it wraps sinks.ErrConfig and names the remedy).
//
// The rule: what depends on settings, rights, or the record itself stays as it is however often one asks; what depends
// on which brokers live at the moment does not.
func classify(err error, createTopics bool) error {
	if err == nil || errors.Is(err, sinks.ErrConfig) || errors.Is(err, sinks.ErrFenced) ||
		errors.Is(err, sinks.ErrTooLarge) || errors.Is(err, context.Canceled) {
		return err
	}
	// A deadline is no reason to stop here: it may have ended the client's retries of what never heals.
	if code, ok := errors.AsType[*kerr.Error](err); ok {
		return classifyCode(err, code, createTopics)
	}
	// A certificate that does not verify is the same one at the next attempt. A closed, reset or refused connection is not
	// here: a broker that restarts gives them too.
	if _, ok := errors.AsType[*tls.CertificateVerificationError](err); ok {
		return operator(err, "check KEYFEED_KAFKA_TLS_CA_FILE and the names in the broker's certificate")
	}
	if _, ok := errors.AsType[tls.RecordHeaderError](err); ok {
		return operator(err, "the broker does not speak TLS on that port; use its TLS port or leave the KEYFEED_KAFKA_TLS_ settings away")
	}
	if _, ok := errors.AsType[tls.AlertError](err); ok {
		return operator(err, "the broker refused the TLS handshake; check the KEYFEED_KAFKA_TLS_ settings and the client certificate")
	}
	if _, told := errors.AsType[*closedError](err); !told && errors.Is(err, io.EOF) {
		return &closedError{err: err}
	}
	return err
}

// closedError is a connection that the broker closed without a word: while it restarts, and also when it dislikes the
// first bytes. Only an operator can tell which; a retry heals the one and harms nothing in the other.
type closedError struct{ err error }

func (e *closedError) Error() string {
	return e.err.Error() + "; where this stays so, check whether the port wants TLS or SASL, and the user name and password"
}

func (e *closedError) Unwrap() error { return e.err }

func classifyCode(err error, code *kerr.Error, createTopics bool) error {
	switch code.Code {
	case kerr.SaslAuthenticationFailed.Code, kerr.UnsupportedSaslMechanism.Code, kerr.IllegalSaslState.Code,
		kerr.SecurityDisabled.Code:
		// The client has already logged in anew once before it reports this.
		return operator(err, "check KEYFEED_KAFKA_SASL_MECHANISM, _USERNAME and _PASSWORD")
	case kerr.TransactionalIDAuthorizationFailed.Code:
		return operator(err, "grant the user Write and Describe on the transactional id, or on the prefix keyfeed-,"+
			" or set KEYFEED_DELIVERY=at-least-once")
	case kerr.InvalidTransactionTimeout.Code:
		return operator(err, "lower KEYFEED_KAFKA_TIMEOUT, or raise transaction.max.timeout.ms of the brokers to twice of it and a minute at least")
	case kerr.TopicAuthorizationFailed.Code, kerr.ClusterAuthorizationFailed.Code:
		return operator(err, "grant the user Describe, DescribeConfigs, Write and Read on the event and progress topics"+
			" (and Create, or make the topics yourself)")
	case kerr.MessageTooLarge.Code, kerr.RecordListTooLarge.Code:
		// Its own kind: the same record again would stall for good, but the limit was lowered after Open read it, and the
		// record can be cut by the new one.
		return fmt.Errorf("%w: %w; if it stays so, raise max.message.bytes of the topic", sinks.ErrTooLarge, err)
	case kerr.InvalidRecord.Code:
		// The broker refuses a record for what it is, for instance because it has no key and the topic is compacted.
		return operator(err, "check cleanup.policy and message.timestamp settings of the topic")
	case kerr.UnknownTopicOrPartition.Code, kerr.UnknownTopicID.Code:
		// With leave to create it the next Open does, or finds that the progress belongs to a topic that is gone.
		if !createTopics {
			return operator(err, "create the topic, or let keyfeed do it with KEYFEED_KAFKA_CREATE_TOPICS=true")
		}
	case kerr.InvalidTopicException.Code:
		return operator(err, "choose another KEYFEED_KAFKA_TOPIC")
	case kerr.InvalidPartitions.Code, kerr.InvalidReplicationFactor.Code, kerr.PolicyViolation.Code, kerr.InvalidConfig.Code:
		// Too few brokers for the replication factor may heal when more start; far more often it is a setting.
		return operator(err, "set KEYFEED_KAFKA_PARTITIONS and _REPLICATION to what the cluster allows, or create the topic yourself")
	case kerr.UnsupportedVersion.Code, kerr.UnsupportedForMessageFormat.Code, kerr.UnsupportedCompressionType.Code:
		return operator(err, "the broker is too old for this; another KEYFEED_KAFKA_COMPRESSION may do, else upgrade it")
	}
	// All others say that a broker is starting, stopping, moving a partition, short of replicas or disk, or slow
	// (NOT_LEADER_OR_FOLLOWER, NOT_ENOUGH_REPLICAS, KAFKA_STORAGE_ERROR, REQUEST_TIMED_OUT …), or that this client's
	// session is spent (OUT_OF_ORDER_SEQUENCE_NUMBER, INVALID_PRODUCER_EPOCH, PRODUCER_FENCED …), which Open replaces. A broker fences the
	// writer of a transaction that has timed out just as one that has a rival; only Open finds out which.
	return err
}
