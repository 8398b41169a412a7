package replay

import (
	"errors"
	"fmt"
	"strings"
)

var (
	// ErrAway is wrapped when the target cannot be reached, has closed the connection, or says that it will be ready later.
	// Connecting again heals it.
	ErrAway = errors.New("the target is away")
	// errNotYet is wrapped, with ErrAway, when the target is there and only asks for patience: it loads its data, say.
	errNotYet = errors.New("it is not ready")
	// ErrTarget is wrapped when the target refuses and only an operator can change that.
	ErrTarget = errors.New("the target needs an operator")
	// ErrFenced is wrapped when another replay writes to the target.
	ErrFenced = errors.New("another replay has taken the target over")
	// ErrGap is wrapped when events that the target lacks are no longer there to be read.
	ErrGap = errors.New("events are missing")
	// ErrParts is wrapped when the parts of a value do not follow each other: an event is missing.
	ErrParts = errors.New("parts of a value are missing")
	// ErrTxn is wrapped when a transaction ends without its last event: an event is missing.
	ErrTxn = errors.New("a transaction is not complete")
)

// stateError is the error for a reply that tells of the target's state, not of the command: the same command may well be
// taken another time, so that it must not be passed over. nil for other replies. The text of a reply may hold the name of a
// user, never data.
func stateError(cmd string, err error) error {
	text := err.Error()
	if _, cause, ok := strings.Cut(text, "Transaction discarded because of: "); ok {
		text = cause
	}
	code, _, _ := strings.Cut(text, " ")
	var remedy string
	switch code {
	case "LOADING", "MASTERDOWN", "BUSY", "TRYAGAIN", "NOREPLICAS":
		return fmt.Errorf("%w: %w: %s: %s", ErrAway, errNotYet, cmd, text)
	case "OOM":
		remedy = "raise maxmemory of the target, then start again: it goes on where it was"
	case "READONLY":
		remedy = "the target is a replica: name its master"
	case "NOAUTH":
		remedy = "set KEYFEED_TARGET_PASSWORD"
	case "WRONGPASS":
		remedy = "check KEYFEED_TARGET_USERNAME and KEYFEED_TARGET_PASSWORD, and that the user is on"
	case "NOPERM":
		remedy = "give the user of the target ~* &* +@all"
	case "MISCONF":
		remedy = "the target cannot save to its disk: see its log"
	case "MOVED", "ASK", "CROSSSLOT", "CLUSTERDOWN":
		remedy = "a cluster cannot be the target: name a server that stands alone"
	case "EXECABORT", "NOPROTO":
		remedy = "see the errors above"
	default:
		return nil
	}
	return fmt.Errorf("%w: it refused %s: %s: %s", ErrTarget, cmd, text, remedy)
}
