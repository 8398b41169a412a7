package verify

import (
	"crypto/tls"
	"errors"
	"fmt"
	"strings"
)

// ErrOperator is wrapped by errors that the same command meets again until somebody changes something: rights,
// passwords, the number of databases.
var ErrOperator = errors.New("needs an operator")

// ServerError is an error that one of the two servers gave, or the connection to it.
type ServerError struct {
	Server string // source or target
	Err    error
	Hint   string // the remedy, where there is one
}

func (e *ServerError) Error() string {
	text := e.Server + ": " + e.Err.Error()
	if e.Hint != "" {
		text += ": " + e.Hint
	}
	return text
}

// Unwrap gives the cause, and ErrOperator where only somebody can help.
func (e *ServerError) Unwrap() []error {
	if e.Hint != "" {
		return []error{e.Err, ErrOperator}
	}
	return []error{e.Err}
}

// databaseError says that a server refused to select a database.
type databaseError struct {
	db  int
	err error
}

func (e *databaseError) Error() string {
	return fmt.Sprintf("selecting database %d: %v", e.db, e.err)
}

func (e *databaseError) Unwrap() error { return e.err }

// explain names the server and, where there is one, the remedy.
func explain(name string, err error) error {
	if err == nil {
		return nil
	}
	if _, named := errors.AsType[*ServerError](err); named {
		return err
	}
	_, database := errors.AsType[*databaseError](err)
	_, untrusted := errors.AsType[*tls.CertificateVerificationError](err)
	_, plain := errors.AsType[tls.RecordHeaderError](err)
	e := &ServerError{Server: name, Err: err}
	switch {
	case untrusted:
		e.Hint = "set KEYFEED_" + strings.ToUpper(name) + "_TLS_CA_FILE, and use a host name that the certificate holds"
	case plain:
		e.Hint = "the port does not speak TLS: use redis:// or the server's tls-port"
	case hasCode(err, "NOAUTH"):
		e.Hint = "it asks for a password: put it into KEYFEED_" + strings.ToUpper(name) + "_PASSWORD or into the URL"
	case hasCode(err, "WRONGPASS"):
		e.Hint = "correct the user or the password"
	case hasCode(err, "NOPERM"):
		e.Hint = "give its user the rights that docs/verify.md lists"
	case hasCode(err, "MOVED", "ASK", "CROSSSLOT"):
		e.Hint = "it is a node of a cluster and does not hold these slots: compare node with node"
	case database && hasCode(err, "ERR"):
		e.Hint = "the other server has keys there: raise databases in its configuration"
	}
	return e
}
