package replay

import (
	"fmt"
	"strings"
)

// command sends the command of an event of the stream.
func (r *Replayer) command(e *Event) error {
	if e.Cmd == "" {
		return fmt.Errorf("%w: %s: op %s without cmd", ErrEvent, e.ID, e.Op)
	}
	// One event stands for each written key; the command is the same in all of them.
	if e.Keys != nil && e.Source.Seq != 0 {
		return nil
	}
	args, err := e.ArgBytes()
	if err != nil {
		return err
	}
	r.db = noDB
	if e.DB != nil {
		r.db = *e.DB
	}
	if e.Cmd == "SWAPDB" {
		r.forgetBeforeSwap(e.ID)
	}
	argv := make([][]byte, 0, len(args)+3)
	for word := range strings.FieldsSeq(e.Cmd) {
		argv = append(argv, []byte(word))
	}
	if key, ok, err := e.KeyBytes(); err != nil {
		return err
	} else if ok && e.Keys == nil {
		argv = append(argv, key)
	}
	argv = append(argv, r.adjust(e.Cmd, args)...)
	r.send(e.ID, argv...)
	return nil
}
