package tail

import (
	"cmp"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"strconv"
	"strings"
	"time"
	"unicode/utf8"
)

// line is the part of an event that is printed.
type line struct {
	ID       string          `json:"id"`
	Op       string          `json:"op"`
	Kind     string          `json:"kind"`
	DB       *int            `json:"db"`
	Key      *string         `json:"key"`
	KeyEnc   string          `json:"key_enc"`
	KeyDB    *int            `json:"key_db"` // where the key lives, if not in db
	Type     string          `json:"type"`
	Cmd      string          `json:"cmd"`
	Args     []string        `json:"args"`
	Keys     []string        `json:"keys"`
	Value    json.RawMessage `json:"value"`
	ExpireAt *int64          `json:"expire_at_ms"`
	Enc      string          `json:"enc"`
	Part     *struct {
		I    int64 `json:"i"`
		Last bool  `json:"last"`
	} `json:"part"`
	Omitted *struct {
		Bytes int64 `json:"bytes"`
	} `json:"omitted"`
	Txn *struct {
		Seq  int64 `json:"seq"`
		Size int64 `json:"size"`
		Last bool  `json:"last"`
	} `json:"txn"`
	TsMs int64 `json:"ts_ms"`

	Reason        string          `json:"reason"`
	Server        string          `json:"server"`
	ServerVersion string          `json:"server_version"`
	Prev          string          `json:"prev"`
	KeyCount      json.RawMessage `json:"keys_count"`
	Events        int64           `json:"events"`
	PrevReplID    string          `json:"prev_replid"`
	ReplID        string          `json:"replid"`
	Source        struct {
		Gen uint64 `json:"gen"`
	} `json:"source"`
}

// words name the operations.
func word(op string) string {
	switch op {
	case "r":
		return "read"
	case "c":
		return "create"
	case "u":
		return "update"
	case "d":
		return "delete"
	case "t":
		return "truncate"
	default:
		return op
	}
}

// Format returns the line for one event. Values longer than width bytes are cut; width 0 means 80. The error is the
// JSON decoder's.
func Format(raw []byte, width int) (string, error) {
	if width <= 0 {
		width = 80
	}
	var e line
	// The field keys is a list of names in a change and a number in snapshot_end and heartbeat; only the former is printed.
	var probe struct {
		Op   string          `json:"op"`
		Keys json.RawMessage `json:"keys"`
	}
	if err := json.Unmarshal(raw, &probe); err != nil {
		return "", fmt.Errorf("reading an event: %w", err)
	}
	if probe.Op == "m" && len(probe.Keys) > 0 && probe.Keys[0] != '[' {
		e.KeyCount = probe.Keys
		raw = withoutKeys(raw)
	}
	if err := json.Unmarshal(raw, &e); err != nil {
		return "", fmt.Errorf("reading an event: %w", err)
	}
	at := time.UnixMilli(e.TsMs).Format("15:04:05.000")
	if e.Op == "m" {
		return at + "       ── " + message(&e, width), nil
	}
	db := "   "
	if home := cmp.Or(e.KeyDB, e.DB); home != nil {
		db = "db" + strconv.Itoa(*home)
	}
	key := ""
	if e.Key != nil {
		key = show(*e.Key, e.KeyEnc, 40)
	}
	parts := []string{fmt.Sprintf("%s  %-4s  %-8s %-7s %-20s", at, db, word(e.Op), e.Type, key)}
	parts = append(parts, detail(&e, width)...)
	return strings.TrimRight(strings.Join(parts, "  "), " "), nil
}

// withoutKeys drops the top-level field keys, which has two types in the format.
func withoutKeys(raw []byte) []byte {
	var all map[string]json.RawMessage
	if json.Unmarshal(raw, &all) != nil {
		return raw // the caller's decoder reports it
	}
	delete(all, "keys")
	out, err := json.Marshal(all)
	if err != nil {
		return raw
	}
	return out
}

func detail(e *line, width int) []string {
	var out []string
	switch {
	case e.Omitted != nil:
		out = append(out, fmt.Sprintf("(%d bytes left out)", e.Omitted.Bytes))
	case e.Cmd != "":
		out = append(out, command(e, width))
	case len(e.Value) > 0:
		out = append(out, value(e, width))
	}
	if e.ExpireAt != nil {
		if *e.ExpireAt < 0 {
			out = append(out, "no expiry")
		} else {
			out = append(out, "expires "+time.UnixMilli(*e.ExpireAt).UTC().Format(time.RFC3339))
		}
	}
	if e.Part != nil {
		s := "part " + strconv.FormatInt(e.Part.I+1, 10)
		if e.Part.Last {
			s += ", the last"
		}
		out = append(out, s)
	}
	if e.Txn != nil {
		s := "txn " + strconv.FormatInt(e.Txn.Seq+1, 10)
		if e.Txn.Size > 0 {
			s += "/" + strconv.FormatInt(e.Txn.Size, 10)
		}
		out = append(out, s)
	}
	return out
}

func command(e *line, width int) string {
	var b strings.Builder
	b.WriteString(e.Cmd)
	for i, a := range e.Args {
		if b.Len() > width {
			fmt.Fprintf(&b, " … %d more", len(e.Args)-i)
			break
		}
		b.WriteByte(' ')
		b.WriteString(show(a, e.Enc, width/2))
	}
	return b.String()
}

func value(e *line, width int) string {
	var s string
	if json.Unmarshal(e.Value, &s) == nil {
		return show(s, e.Enc, width)
	}
	v := string(e.Value)
	if len(v) > width {
		v = strings.ToValidUTF8(v[:width], "") + "…"
	}
	return v
}

func message(e *line, width int) string {
	switch e.Kind {
	case "snapshot_begin":
		s := fmt.Sprintf("snapshot begins: generation %d, %s %s, reason %s", e.Source.Gen, e.Server, e.ServerVersion, e.Reason)
		if e.Prev != "" {
			s += ", after " + e.Prev
		}
		return s
	case "snapshot_end":
		return fmt.Sprintf("snapshot ends: %s keys, %d events", e.KeyCount, e.Events)
	case "gap":
		return fmt.Sprintf("gap: changes were lost here, reason %s", e.Reason)
	case "history":
		return fmt.Sprintf("history goes on under another id: %s, before %s", e.ReplID, e.PrevReplID)
	case "heartbeat":
		return "heartbeat"
	default:
		s := e.Kind
		if e.Cmd != "" {
			s += ": " + command(e, width)
		}
		return s
	}
}

// show makes text fit for a terminal: bare where it is plain, quoted where it is not, cut when it is long.
func show(s, enc string, width int) string {
	if enc == "base64" {
		if raw, err := base64.StdEncoding.DecodeString(s); err == nil {
			s = string(raw)
		}
	}
	more := ""
	if len(s) > width {
		more = fmt.Sprintf("…(%d bytes)", len(s))
		s = s[:width]
		for len(s) > 0 && !utf8.RuneStart(s[len(s)-1]) {
			s = s[:len(s)-1]
		}
	}
	if s == "" || strings.ContainsFunc(s, func(r rune) bool { return r == ' ' || r == '"' || !strconv.IsPrint(r) }) {
		s = strconv.Quote(s)
	}
	return s + more
}
