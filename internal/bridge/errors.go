package bridge

import "errors"

var (
	// ErrOperator is wrapped by errors that a person must look at first; the process ends with exit 3.
	ErrOperator = errors.New("needs an operator")

	// ErrLocked is wrapped by the error of a data directory that another process uses.
	ErrLocked = errors.New("the data directory is in use")

	// errDone ends the group when the work is complete: a run for the snapshot only.
	errDone = errors.New("done")
)
