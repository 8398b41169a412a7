package ingest

import (
	"errors"
	"fmt"
	"strconv"
	"strings"

	"keyfeed/internal/change"
	"keyfeed/internal/resp"
)

// answer is what the source said to PSYNC, when it did not refuse.
type answer struct {
	full   bool
	replid string // of full; of a partial resync the new id, or "" when it did not name one
	offset int64  // of full
}

// psync sends PSYNC and takes the answer. From here on nothing is sent but REPLCONF ACK, and until the payload ends
// nothing at all (invariant 10): a diskless source counts its delay from our last byte, so talking would put the
// snapshot off for ever.
func (g *greeting) psync(r Resume) (answer, error) {
	id, from := "?", "-1"
	if !r.Full {
		id, from = r.ReplID, strconv.FormatInt(r.Offset+1, 10)
	}
	if err := g.link.write(resp.AppendCommand(nil, "PSYNC", id, from), g.cfg.WriteTimeout); err != nil {
		return answer{}, g.lost(stepPSYNC, err)
	}
	g.link.idle = g.cfg.IdleTimeout // no absolute deadline: the source may have to finish another dump first
	line, err := g.signal(stepPSYNC)
	if err != nil {
		return answer{}, err
	}
	if line[0] == '-' {
		return answer{}, g.refusal(stepPSYNC, reply{kind: '-', text: line[1:]})
	}
	a, err := parseAnswer(line)
	if err == nil && r.Full && !a.full {
		err = errors.New("+CONTINUE to a request for a full resync")
	}
	if err != nil {
		e := &HandshakeError{Step: stepPSYNC, Reply: clean(line, g.cfg.Password), Err: err}
		if strings.HasPrefix(line, "$") {
			// A renamed PSYNC acts as SYNC on Redis (replication.c, syncCommand compares the name): a payload at once,
			// without id or offset. Nothing can be resumed from that.
			e.Kind, e.Hint = KindNoPSYNC, "the server answers PSYNC like SYNC, without an offset: is PSYNC renamed, or a proxy in between?"
		}
		return answer{}, e
	}
	return a, nil
}

// signal takes the next line that is not empty: a source sends a newline every second while it prepares a snapshot.
func (g *greeting) signal(step string) (string, error) {
	for {
		line, err := g.link.line()
		if err != nil {
			return "", g.lost(step, err)
		}
		if len(line) > 0 {
			return string(line), nil
		}
	}
}

func parseAnswer(line string) (answer, error) {
	word, rest, _ := strings.Cut(line, " ")
	switch word {
	case "+FULLRESYNC":
		id, from, _ := strings.Cut(rest, " ")
		offset, err := strconv.ParseInt(from, 10, 64)
		if err != nil || offset < 0 || !change.IsReplID(id) {
			return answer{}, errors.New("+FULLRESYNC without an id and an offset")
		}
		return answer{full: true, replid: strings.ToLower(id), offset: offset}, nil
	case "+CONTINUE":
		// Without an id from servers before 4.0.
		if rest != "" && !change.IsReplID(rest) {
			return answer{}, errors.New("+CONTINUE with something that is not an id")
		}
		return answer{replid: strings.ToLower(rest)}, nil
	default:
		// +DUALCHANNELSYNC (Valkey) and +RDBCHANNELSYNC (Redis 8) come only to replicas that offered it.
		return answer{}, errors.New("an answer that PSYNC does not have")
	}
}

// payloadHeader takes the line before the payload: its size, or -1 and the mark that ends it.
func (g *greeting) payloadHeader() (size int64, mark []byte, err error) {
	line, err := g.signal(stepTransfer)
	if err != nil {
		return 0, nil, err
	}
	if line[0] == '-' {
		return 0, nil, g.refusal(stepTransfer, reply{kind: '-', text: line[1:]})
	}
	size, mark, err = parsePayloadHeader(line)
	if err != nil {
		return 0, nil, &HandshakeError{Step: stepTransfer, Reply: clean(line, g.cfg.Password), Err: err}
	}
	return size, mark, nil
}

// markSize is the length of the mark that ends a payload of unknown size.
const markSize = 40

func parsePayloadHeader(line string) (size int64, mark []byte, err error) {
	if m, ok := strings.CutPrefix(line, "$EOF:"); ok {
		if len(m) != markSize {
			return 0, nil, fmt.Errorf("a payload mark of %d bytes, not %d", len(m), markSize)
		}
		return -1, []byte(m), nil
	}
	n, ok := strings.CutPrefix(line, "$")
	size, err = strconv.ParseInt(n, 10, 64)
	if !ok || err != nil || size < 0 {
		return 0, nil, errors.New("expected the size of the payload")
	}
	return size, nil, nil
}
